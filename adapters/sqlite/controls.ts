import type { Control, Controls } from '../../ports/controls.ts';
import { createListeners } from '../listeners.ts';
import { fenced } from './fences.ts';
import type { SqliteFile } from './file.ts';

/** `control` is the whole record as JSON; what it is found by stands beside it. */
export const CONTROLS = `
  create table if not exists controls (
    id text primary key, target text not null, ended_at text, control text not null
  ) strict, without rowid;
  create index if not exists open_controls on controls (target, id) where ended_at is null;
  create index if not exists controls_of_target on controls (target, id);
  create index if not exists ended_controls on controls (ended_at) where ended_at is not null`;

const controlOf = (text: unknown): Control => JSON.parse(text as string) as Control;

export const sqliteControls = (file: SqliteFile): Controls => {
  const listeners = createListeners();
  return {
    async ask(control) {
      await file.write({
        sql: 'insert or ignore into controls (id, target, ended_at, control) values (?, ?, ?, ?)',
        values: [control.id, control.target, control.endedAt ?? null, JSON.stringify(control)],
      });
      listeners.tell();
    },
    async get(id) {
      const row = file.get('select control from controls where id = ?', id);
      return row && controlOf(row.control);
    },
    async open(targets, limit) {
      const sql = `select control from controls
        where ended_at is null and target in (select value from json_each(?)) order by id limit ?`;
      return file.all(sql, JSON.stringify(targets), limit).map(({ control }) => controlOf(control));
    },
    async latest(targets, limit) {
      const sql = `select control from controls
        where target in (select value from json_each(?)) order by id desc limit ?`;
      return file.all(sql, JSON.stringify(targets), limit).map(({ control }) => controlOf(control));
    },
    async report(id, { progress, endedAt }, fence) {
      const ended = endedAt === undefined ? '' : `, '$.endedAt', ?`;
      const told = JSON.stringify(progress) ?? null;
      const written = await file.write(...fenced(fence), {
        sql: `update controls set ended_at = ?, control = json_set(control, '$.progress', json(?)${ended})
          where id = ? and ended_at is null`,
        values: [endedAt ?? null, told, ...(endedAt === undefined ? [] : [endedAt]), id],
        changes: 1,
      });
      listeners.tell();
      return written.ok ? 'kept' : 'refused';
    },
    async forget(time) {
      await file.write({ sql: 'delete from controls where ended_at < ?', values: [time] });
    },
    onChange: listeners.add,
  };
};

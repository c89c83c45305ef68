import type { Position } from '../../domain/kernel.ts';
import { OtherStore, StoreUnavailable } from '../../ports/event-store.ts';
import type { Shape } from '../../ports/projection.ts';
import type {
  Activation,
  Build,
  ChangeCursor,
  Changes,
  Find,
  Found,
  KeyPart,
  ReadStore,
  Row,
  Scan,
  Scanned,
  View,
} from '../../ports/read-store.ts';
import type { Clock } from '../../ports/system.ts';
import { createChanges } from '../changes.ts';
import { behind, checkColumns, cursorOf, indexOf, placeOf } from '../row-order.ts';
import { activationOf, activationWithout, nameOf } from '../view-builds.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { FENCES, fenced } from './fences.ts';
import { LOOK_EVERY_MS, openFile } from './file.ts';
import {
  dropTables,
  isSide,
  makeTables,
  nameTables,
  quoted,
  rowOf,
  rowWrites,
  sideTable,
} from './view-tables.ts';
import type { Step } from './writer.ts';

const SCHEMA = `
  create table if not exists builds (
    view text primary key, name text not null, store text not null, shape text not null, checkpoint text
  ) strict, without rowid;
  create index if not exists builds_of on builds (name);
  create table if not exists active (name text primary key, view text not null, previous text) strict, without rowid;
  ${FENCES}`;

/** A batch of rows changes pages of each index; those that do not stay in memory are written more than once. */
const WRITING_CACHE_KIB = 16_384;
/** Rows that are made ready between two turns of the event loop. */
const PREPARED_ROWS = 500;

type Known = Readonly<{ shape: Shape; checkpoint: Position | undefined }>;

const step = (sql: string, ...values: readonly SqlValue[]): Step => ({ sql, values });
const activationIn = (row: SqlRow | undefined): Activation | undefined =>
  row && {
    view: row.view as string,
    ...(row.previous === null ? {} : { previous: row.previous as string }),
  };

/**
 * Views of the event store with the id `store`, in an SQLite file: a table for each build with the columns that the
 * projection declares. A power cut may take the last commits along, rows and checkpoint together.
 */
export const openSqliteReadStore = ({
  path,
  store,
  clock,
}: Readonly<{ path: string; store: string; clock: Clock }>): ReadStore => {
  const file = openFile({
    path,
    what: 'the views',
    schema: SCHEMA,
    synchronous: 'normal',
    pragmas: `cache_size = -${WRITING_CACHE_KIB}`,
    unavailable: StoreUnavailable,
  });
  const changes = createChanges({ clock, everyMs: LOOK_EVERY_MS, version: () => file.version() });
  const shapes = new Map<string, Shape>();

  /** Throws OtherStore. */
  const shapeOf = (text: SqlValue | undefined, of: SqlValue | undefined, view: View): Shape => {
    if (of !== store) throw new OtherStore(`the view ${view}`, String(of), store);
    let shape = shapes.get(text as string);
    if (!shape) shapes.set(text as string, (shape = JSON.parse(text as string) as Shape));
    return shape;
  };
  const known = (view: View): Known | undefined => {
    const row = file.get('select shape, checkpoint, store from builds where view = ?', view);
    if (!row) return undefined;
    const shape = shapeOf(row.shape, row.store, view);
    return { shape, checkpoint: (row.checkpoint ?? undefined) as Position | undefined };
  };
  /** What `read` finds in a build, at one moment; undefined where there is no such build. */
  const within = <T>(view: View, read: (build: Known) => T): T | undefined =>
    file.together(() => {
      const build = known(view);
      return build && read(build);
    });
  const active = (name: string): Activation | undefined =>
    activationIn(file.get('select view, previous from active where name = ?', name));
  /** Refuses when what is active is not `seen` any more. */
  const stillActive = (name: string, seen: Activation | undefined): Step => ({
    ...(seen
      ? step('select 1 from active where name = ? and view = ?', name, seen.view)
      : step('select 1 from active where name = ?', name)),
    changes: seen ? 1 : 0,
  });
  const activeSteps = (name: string, { view, previous }: Activation): Step[] => [
    step(
      'insert or replace into active (name, view, previous) values (?, ?, ?)',
      name,
      view,
      previous ?? null,
    ),
  ];

  const find = <D>(view: View, build: Known, query: Find): Found<D> => {
    const { prefix, from, to, after, limit, descending = false } = query;
    const columns = indexOf(build.shape, query);
    const side = isSide(build.shape, query.index);
    const names = columns.map((name) => `i.${quoted(name)}`);
    const rest = [...names.slice(prefix.length), 'i.id'];
    const where = [
      ...names.map((name, at) => (at < prefix.length ? `${name} = ?` : `${name} is not null`)),
      ...(from === undefined ? [] : [`${names[prefix.length]} >= ?`]),
      ...(to === undefined ? [] : [`${names[prefix.length]} < ?`]),
    ];
    const values: SqlValue[] = [...prefix, ...[from, to].filter((bound) => bound !== undefined)];
    if (after !== undefined) {
      const { key, id } = placeOf(after, columns, prefix);
      where.push(`(${rest.join(', ')}) ${descending ? '<' : '>'} (${rest.map(() => '?').join(', ')})`);
      values.push(...key.slice(prefix.length), id);
    }
    const order = rest.map((name) => `${name} ${descending ? 'desc' : 'asc'}`).join(', ');
    const table = quoted(view);
    const rows = file.all(
      `select i.*, ${side ? `(select doc from ${table} t where t.id = i.id) as doc` : 'i.doc'}
        from ${side ? sideTable(view, query.index) : table} i
        where ${where.join(' and ')} order by ${order} limit ?`,
      ...values,
      limit + 1,
    );
    const found = rows.slice(0, limit).map((row) => ({
      id: row.id as string,
      doc: JSON.parse(row.doc as string) as D,
      cursor: cursorOf({ key: columns.map((name) => row[name] as KeyPart), id: row.id as string }),
    }));
    return { rows: found, next: rows.length > limit ? (found.at(-1)?.cursor ?? null) : null };
  };

  return {
    async make(view, { columns, indexes }) {
      if (known(view)) return;
      const shape = { columns, indexes };
      // Another process may make it at the same time: then its row is there, and nothing of this is done.
      await file.write(
        {
          ...step(
            'insert into builds (view, name, store, shape) values (?, ?, ?, ?)',
            view,
            nameOf(view),
            store,
            JSON.stringify(shape),
          ),
          changes: 1,
        },
        ...makeTables(view, shape).map((sql) => step(sql)),
      );
    },

    async get<D>(view: View, id: string) {
      const doc = within(view, () => file.get(`select doc from ${quoted(view)} where id = ?`, id)?.doc);
      return doc === undefined || doc === null ? undefined : (JSON.parse(doc as string) as D);
    },
    async row<D>(view: View, id: string) {
      // A fold asks for one row after the other: one statement, which sees one moment, too.
      const ask = `select t.*, b.shape as "its shape", b.store as "its store" from builds b
        join ${quoted(view)} t on t.id = ? where b.view = ?`;
      let row: SqlRow | undefined;
      try {
        row = file.get(ask, id, view);
      } catch (error) {
        // There is no such table.
        if (known(view) === undefined) return undefined;
        throw error;
      }
      return row && rowOf<D>(shapeOf(row['its shape'], row['its store'], view), row);
    },
    find: async <D>(view: View, query: Find) =>
      within(view, (build) => find<D>(view, build, query)) ?? { rows: [], next: null },

    async scan<D>(view: View, { after, to, limit }: Scan): Promise<Scanned<D>> {
      const bounds = [after === undefined ? '' : ' and id > ?', to === undefined ? '' : ' and id <= ?'].join(
        '',
      );
      const values = [after, to].filter((bound) => bound !== undefined);
      const found = within(view, ({ shape, checkpoint }) => ({
        checkpoint,
        rows: file
          .all(
            `select * from ${quoted(view)} where doc is not null${bounds} order by id limit ?`,
            ...values,
            limit + 1,
          )
          .map((row) => rowOf<D>(shape, row)),
      }));
      const rows = (found?.rows ?? []).slice(0, limit);
      const more = (found?.rows.length ?? 0) > limit;
      return { rows, next: more ? (rows.at(-1)?.id ?? null) : null, checkpoint: found?.checkpoint };
    },

    checkpoint: async (view) => known(view)?.checkpoint,

    async commit(view, { from, rows, to, fence }) {
      const build = known(view);
      if (!build || build.checkpoint !== from) return 'stale';
      const { by, valuesOf } = rowWrites(view, build.shape);
      const each: (readonly SqlValue[])[] = [];
      for (const [at, row] of rows.entries()) {
        if (at > 0 && at % PREPARED_ROWS === 0) await new Promise(setImmediate);
        checkColumns(build.shape, row.columns);
        each.push(valuesOf(row));
      }
      const onward = 'update builds set checkpoint = ? where view = ? and store = ? and checkpoint is ?';
      const { ok } = await file.write(
        ...fenced(fence),
        { ...step(onward, to, view, store, from ?? null), changes: 1 },
        { by, each },
      );
      if (!ok) return 'stale';
      changes.tell();
      return 'committed';
    },

    async changesSince<D>(cursor: ChangeCursor, limit: number): Promise<Changes<D> | 'restart'> {
      const { view, position, rowId } = cursor;
      const rows = within(view, ({ shape }) =>
        file
          .all(
            `select * from ${quoted(view)} where (position, id) > (?, ?) order by position, id limit ?`,
            position,
            rowId,
            limit,
          )
          .map((row): Row<D> => rowOf<D>(shape, row)),
      );
      return rows ? { rows, next: behind(cursor, rows) } : 'restart';
    },
    onChange: changes.listen,

    active: async (name) => active(name),
    async activate(name, view, seen) {
      const current = active(name);
      if (current?.view !== seen?.view) return 'changed';
      const next = activationOf(
        current,
        view,
        known(view)?.checkpoint,
        current && known(current.view)?.checkpoint,
      );
      if (next === 'behind') return 'behind';
      const asFar = `select 1 where coalesce((select checkpoint from builds where view = ?), '') >=
        coalesce((select checkpoint from builds where view = ?), '')`;
      const written = await file.write(
        stillActive(name, seen),
        { ...step(asFar, view, current?.view ?? ''), changes: 1 },
        ...activeSteps(name, next),
        ...(known(view) ? nameTables(name, view).map((sql) => step(sql)) : []),
      );
      changes.tell();
      return written.ok ? 'activated' : written.step === 0 ? 'changed' : 'behind';
    },
    async builds(name) {
      return file
        .all('select view, checkpoint from builds where name = ? and store = ?', name, store)
        .map((row): Build => ({
          view: row.view as string,
          checkpoint: (row.checkpoint ?? undefined) as Position | undefined,
        }));
    },
    async drop(view) {
      const name = nameOf(view);
      // Again when another build was activated meanwhile: this one may be live by now.
      for (let dropped = false; !dropped;) {
        const current = active(name);
        const left = activationWithout(current, view);
        const build = known(view);
        const written = await file.write(
          stillActive(name, current),
          ...(left && left !== current ? activeSteps(name, left) : []),
          step('delete from builds where view = ?', view),
          ...(build ? dropTables(view, build.shape).map((sql) => step(sql)) : []),
        );
        dropped = written.ok;
      }
    },
    close: () => file.close(),
  };
};

/** What the runtime remembers beside events, in one SQLite file. */
import type { Checkpoints } from '../../ports/checkpoints.ts';
import { OtherStore, StoreUnavailable } from '../../ports/event-store.ts';
import type { Lease, Leases } from '../../ports/lease.ts';
import type { Schedule } from '../../ports/schedule.ts';
import type { Snapshot, Snapshots } from '../../ports/snapshots.ts';
import { BLOCKED_LANES, sqliteBlockedLanes } from './blocked-lanes.ts';
import { CONTROLS, sqliteControls } from './controls.ts';
import type { SqlRow } from './driver.ts';
import { FENCES, fenced } from './fences.ts';
import { openFile, type SqliteFile } from './file.ts';

export const BOOKKEEPING = `
  create table if not exists checkpoints (
    consumer text, partition text, position text not null, store text not null, primary key (consumer, partition)
  ) strict, without rowid;
  create table if not exists schedules (
    schedule text, key text, due_at text not null, primary key (schedule, key)
  ) strict, without rowid;
  create index if not exists due on schedules (schedule, due_at, key);
  create table if not exists snapshots (
    stream text, shape text, store text not null, revision integer not null, snapshot text not null,
    primary key (stream, shape)
  ) strict;
  create table if not exists leases (
    name text primary key, holder text not null, token integer not null, beat integer not null
  ) strict, without rowid;
  create table if not exists carried (store text primary key, to_store text not null) strict, without rowid;
  ${FENCES};
  ${CONTROLS};
  ${BLOCKED_LANES}`;

const sqliteCheckpoints = (file: SqliteFile, store: string): Checkpoints => {
  const read = (group: string, partition: string): string | undefined => {
    const sql = 'select position, store from checkpoints where consumer = ? and partition = ?';
    const found = file.get(sql, group, partition);
    if (found && found.store !== store)
      throw new OtherStore(`the checkpoint of ${group}`, String(found.store), store);
    return found?.position as string | undefined;
  };
  return {
    get: async (group, partition) => read(group, partition),
    async save(group, partition, expected, to, fence) {
      if (read(group, partition) !== expected) return false;
      const change =
        expected === undefined
          ? {
              sql: 'insert into checkpoints (position, consumer, partition, store) values (?, ?, ?, ?)',
              values: [to, group, partition, store],
            }
          : {
              sql: `update checkpoints set position = ?
                where consumer = ? and partition = ? and store = ? and position = ?`,
              values: [to, group, partition, store, expected],
            };
      return (await file.write(...fenced(fence), { ...change, changes: 1 })).ok;
    },
  };
};

const sqliteSchedule = (file: SqliteFile): Schedule => ({
  async set(schedule, key, dueAt) {
    const sql = `insert into schedules (schedule, key, due_at) values (?, ?, ?)
      on conflict (schedule, key) do update set due_at = excluded.due_at`;
    await file.write({ sql, values: [schedule, key, dueAt] });
  },
  async clear(schedule, key) {
    await file.write({
      sql: 'delete from schedules where schedule = ? and key = ?',
      values: [schedule, key],
    });
  },
  async due(schedule, now, limit) {
    const sql = `select key, due_at from schedules where schedule = ? and due_at <= ? order by due_at, key limit ?`;
    return file
      .all(sql, schedule, now, limit)
      .map((row) => ({ key: row.key as string, dueAt: row.due_at as string }));
  },
});

const sqliteSnapshots = (file: SqliteFile, store: string): Snapshots => ({
  async get(stream, shape) {
    const sql = 'select snapshot from snapshots where stream = ? and shape = ? and store = ?';
    const text = file.get(sql, stream, shape, store)?.snapshot;
    return text === undefined ? undefined : (JSON.parse(text as string) as Snapshot);
  },
  async save(stream, shape, snapshot) {
    const sql =
      'insert or replace into snapshots (stream, shape, store, revision, snapshot) values (?, ?, ?, ?, ?)';
    await file.write({ sql, values: [stream, shape, store, snapshot.revision, JSON.stringify(snapshot)] });
  },
});

const leaseOf = (row: SqlRow): Lease => ({
  name: row.name as string,
  holder: row.holder as string,
  token: row.token as number,
  beat: row.beat as number,
});
const sqliteLeases = (file: SqliteFile): Leases => {
  const swap = async (seen: Lease | undefined, to: Lease): Promise<Lease | undefined> => {
    const values = [to.holder, to.token, to.beat, to.name];
    const change = seen
      ? {
          sql: `update leases set holder = ?, token = ?, beat = ?
            where name = ? and holder = ? and token = ? and beat = ?`,
          values: [...values, seen.holder, seen.token, seen.beat],
        }
      : { sql: 'insert into leases (holder, token, beat, name) values (?, ?, ?, ?)', values };
    return (await file.write({ ...change, changes: 1 })).ok ? to : undefined;
  };
  return {
    async read(name) {
      const row = file.get('select name, holder, token, beat from leases where name = ?', name);
      return row && leaseOf(row);
    },
    take: (name, holder, seen) => swap(seen, { name, holder, token: (seen?.token ?? 0) + 1, beat: 0 }),
    renew: (held) => swap(held, { ...held, beat: held.beat + 1 }),
    release: async (held) => void (await swap(held, { ...held, holder: '' })),
  };
};

/** Of the event store with the id `store`. Every write is on disk when it resolves. */
export const openSqliteBookkeeping = ({ path, store }: Readonly<{ path: string; store: string }>) => {
  const file = openFile({
    path,
    what: 'the bookkeeping',
    schema: BOOKKEEPING,
    unavailable: StoreUnavailable,
  });
  return {
    checkpoints: sqliteCheckpoints(file, store),
    blockedLanes: sqliteBlockedLanes(file),
    schedule: sqliteSchedule(file),
    snapshots: sqliteSnapshots(file, store),
    leases: sqliteLeases(file),
    controls: sqliteControls(file),
    close: () => file.close(),
  };
};

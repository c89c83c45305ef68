/** What the runtime remembers beside events, in one database: a collection for each kind. */
import type { Db } from 'mongodb';
import type { Checkpoints } from '../../ports/checkpoints.ts';
import { OtherStore, StoreUnavailable } from '../../ports/event-store.ts';
import type { Lease, Leases } from '../../ports/lease.ts';
import type { Schedule } from '../../ports/schedule.ts';
import type { Snapshot, Snapshots } from '../../ports/snapshots.ts';
import type { Clock } from '../../ports/system.ts';
import { BLOCKED_LANES, mongoBlockedLanes } from './blocked-lanes.ts';
import { DATABASE, databaseIn, openDatabase, put, unlessThere, type Database } from './connection.ts';
import { CONTROLS, mongoControls } from './controls.ts';
import { keeping, notPast } from './fences.ts';

const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts);

type CheckpointDocument = { _id: string; position: string; store: string };
const mongoCheckpoints = ({ run }: Database, store: string): Checkpoints => {
  const checkpoints = (db: Db) => db.collection<CheckpointDocument>('checkpoints');
  const read = async (group: string, partition: string): Promise<string | undefined> => {
    const found = await run((db) => checkpoints(db).findOne({ _id: keyOf(group, partition) }));
    if (found && found.store !== store)
      throw new OtherStore(`the checkpoint of ${group}`, found.store, store);
    return found?.position;
  };
  return {
    get: read,
    async save(group, partition, expected, to, fence) {
      if ((await read(group, partition)) !== expected) return false;
      const id = keyOf(group, partition);
      // Of one that is to be made, the filter matches none, and the id says whether it is there.
      const from = expected === undefined ? { position: { $exists: false } } : { position: expected, store };
      const saved = await run((db) =>
        unlessThere(
          checkpoints(db).updateOne(
            { _id: id, ...from, ...notPast(fence) },
            { $set: { position: to, store }, ...keeping(fence) },
            { upsert: expected === undefined },
          ),
        ),
      );
      return saved !== undefined && saved.matchedCount + saved.upsertedCount === 1;
    },
  };
};

type ScheduleDocument = { _id: string; schedule: string; key: string; dueAt: string };
const mongoSchedule = ({ run }: Database): Schedule => {
  const schedules = (db: Db) => db.collection<ScheduleDocument>('schedules');
  return {
    async set(schedule, key, dueAt) {
      await run((db) => put(schedules(db), keyOf(schedule, key), { schedule, key, dueAt }));
    },
    async clear(schedule, key) {
      await run((db) => schedules(db).deleteOne({ _id: keyOf(schedule, key) }));
    },
    async due(schedule, now, limit) {
      const found = await run((db) =>
        schedules(db)
          .find({ schedule, dueAt: { $lte: now } })
          .sort({ dueAt: 1, key: 1 })
          .limit(limit)
          .toArray(),
      );
      return found.map(({ key, dueAt }) => ({ key, dueAt }));
    },
  };
};

type SnapshotDocument = { _id: string; store: string; snapshot: string };
const mongoSnapshots = ({ run }: Database, store: string): Snapshots => {
  const snapshots = (db: Db) => db.collection<SnapshotDocument>('snapshots');
  return {
    async get(stream, shape) {
      const found = await run((db) => snapshots(db).findOne({ _id: keyOf(stream, shape) }));
      return found?.store === store ? (JSON.parse(found.snapshot) as Snapshot) : undefined;
    },
    async save(stream, shape, snapshot) {
      const fields = { store, snapshot: JSON.stringify(snapshot) };
      await run((db) => put(snapshots(db), keyOf(stream, shape), fields));
    },
  };
};

type LeaseDocument = { _id: string; holder: string; token: number; beat: number };
const mongoLeases = ({ run }: Database): Leases => {
  const leases = (db: Db) => db.collection<LeaseDocument>('leases');
  const swap = async (seen: Lease | undefined, to: Lease): Promise<Lease | undefined> => {
    const { name, holder, token, beat } = to;
    const swapped = await run(async (db) => {
      if (!seen)
        return (await unlessThere(leases(db).insertOne({ _id: name, holder, token, beat }))) !== undefined;
      const found = { _id: name, holder: seen.holder, token: seen.token, beat: seen.beat };
      return (await leases(db).updateOne(found, { $set: { holder, token, beat } })).matchedCount === 1;
    });
    return swapped ? to : undefined;
  };
  return {
    async read(name) {
      const found = await run((db) => leases(db).findOne({ _id: name }));
      return found ? { name, holder: found.holder, token: found.token, beat: found.beat } : undefined;
    },
    take: (name, holder, seen) => swap(seen, { name, holder, token: (seen?.token ?? 0) + 1, beat: 0 }),
    renew: (held) => swap(held, { ...held, beat: held.beat + 1 }),
    release: async (held) => void (await swap(held, { ...held, holder: '' })),
  };
};

/** Of the event store with the id `store`. A majority has every write when it resolves. */
export const openMongoBookkeeping = ({
  url,
  store,
  clock,
}: Readonly<{ url: string; store: string; clock: Clock }>) => {
  const database = openDatabase({
    url,
    database: databaseIn(url) ?? DATABASE,
    what: 'the bookkeeping on MongoDB',
    clock,
    indexes: { schedules: [{ key: { schedule: 1, dueAt: 1, key: 1 } }], ...CONTROLS, ...BLOCKED_LANES },
    unavailable: StoreUnavailable,
  });
  return {
    checkpoints: mongoCheckpoints(database, store),
    blockedLanes: mongoBlockedLanes(database),
    schedule: mongoSchedule(database),
    snapshots: mongoSnapshots(database, store),
    leases: mongoLeases(database),
    controls: mongoControls(database),
    close: database.close,
  };
};

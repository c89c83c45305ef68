/**
 * Without transactions an order of writes keeps this sound: what waits is written before its lane, and a lane goes before
 * the last that waits in it. A crash between the two leaves an event that is found, and repeated, when its lane is
 * blocked again; none is lost.
 *
 * Every write first asks for its lease's token. Who was paused behind that, and wakes when another has taken over, finds
 * the lanes that the other read stamped with a higher token (`guard`); it can add a lane or an event, which is a repeat.
 */
import { ObjectId, type Db } from 'mongodb';
import type { EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../../ports/blocked-lanes.ts';
import type { Fence } from '../../ports/lease.ts';
import { unlessThere, type Database } from './connection.ts';
import { passes, type FenceDocument } from './fences.ts';

export const BLOCKED_LANES = {
  blocked_lanes: [
    { key: { consumer: 1, _id: 1 } },
    { key: { consumer: 1, state: 1, _id: 1 } },
    { key: { consumer: 1, firstAt: 1, _id: 1 } },
    { key: { state: 1, _id: 1 } },
    { key: { stream: 1, _id: 1 } },
    { key: { type: 1, _id: 1 } },
    { key: { lease: 1 } },
  ],
  waiting_events: [{ key: { lane: 1, position: 1, eventId: 1 } }],
} as const;

/**
 * `lane` is the whole record as JSON; what it is found by stands beside it. `lease`, `token`: of who wrote it, or has
 * taken it over; `mark`: another after each write.
 */
type LaneDocument = {
  _id: string;
  consumer: string;
  stream: string;
  type: string;
  state: BlockedLane['state'];
  firstAt: string;
  lane: string;
  lease: string | null;
  token: number;
  mark: ObjectId;
};
/** `event` as JSON. */
type WaitingDocument = { _id: string; lane: string; position: string; eventId: string; event: string };

const laneOf = ({ lane }: LaneDocument): BlockedLane => JSON.parse(lane) as BlockedLane;
/** Matches a lane that nobody with a higher token of the same lease has taken over. */
const notTaken = (fence: Fence | undefined) =>
  fence ? { $or: [{ lease: { $ne: fence.lease } }, { token: { $lte: fence.token } }] } : {};

export const mongoBlockedLanes = ({ run }: Database): BlockedLanes => {
  const lanes = (db: Db) => db.collection<LaneDocument>('blocked_lanes');
  const waiting = (db: Db) => db.collection<WaitingDocument>('waiting_events');
  const allows = (db: Db, fence: Fence | undefined): Promise<boolean> =>
    passes(db.collection<FenceDocument>('fences'), fence);
  const idOf = (lane: string, eventId: string): string => JSON.stringify([lane, eventId]);

  const push = (db: Db, lane: string, event: EventEnvelope) =>
    unlessThere(
      waiting(db).insertOne({
        _id: idOf(lane, event.id),
        lane,
        position: event.position,
        eventId: event.id,
        event: JSON.stringify(event),
      }),
    );

  return {
    guard: (fence) =>
      run(async (db) => {
        if (!(await allows(db, fence))) return 'fenced';
        const { lease, token } = fence;
        await lanes(db).updateMany(
          { lease, token: { $lt: token } },
          { $set: { token, mark: new ObjectId() } },
        );
        return 'kept';
      }),
    block: (lane, fence) =>
      run(async (db) => {
        if (!(await allows(db, fence))) return 'fenced';
        const { id, consumer, state, event, firstAt } = lane;
        await push(db, id, event);
        const { stream, type } = event;
        const [by, token] = fence ? [fence.lease, fence.token] : [null, 0];
        const found = { consumer, stream, type, state, firstAt, lane: JSON.stringify(lane) };
        const document = { ...found, lease: by, token, mark: new ObjectId() };
        const kept = lanes(db).replaceOne({ _id: id, ...notTaken(fence) }, document, { upsert: true });
        return (await unlessThere(kept)) ? 'kept' : 'fenced';
      }),
    enqueue: (id, event, fence) =>
      run(async (db) => {
        if (!(await allows(db, fence))) return 'fenced';
        await push(db, id, event);
        // Whoever found the lane empty a moment ago does not take it away.
        await lanes(db).updateOne({ _id: id }, { $set: { mark: new ObjectId() } });
        return 'kept';
      }),
    async head(id) {
      const [first] = await run((db) =>
        waiting(db).find({ lane: id }).sort({ position: 1, eventId: 1 }).limit(1).toArray(),
      );
      return first && (JSON.parse(first.event) as EventEnvelope);
    },
    dequeue: (id, eventId, fence) =>
      run(async (db) => {
        for (;;) {
          if (!(await allows(db, fence))) return 'fenced';
          const lane = await lanes(db).findOne({ _id: id });
          const another = await waiting(db).findOne({ lane: id, eventId: { $ne: eventId } });
          const gone =
            another || !lane
              ? undefined
              : await lanes(db).deleteOne({ _id: id, mark: lane.mark, ...notTaken(fence) });
          if (gone?.deletedCount === 0) continue;
          await waiting(db).deleteOne({ _id: idOf(id, eventId) });
          return another ? 'more' : 'empty';
        }
      }),
    get: (id) =>
      run(async (db) => {
        const lane = await lanes(db).findOne({ _id: id });
        if (!lane) return undefined;
        return { ...laneOf(lane), queued: await waiting(db).countDocuments({ lane: id }) };
      }),
    tally: (consumer) =>
      run(async (db) => {
        const [retrying, parked, [oldest]] = await Promise.all([
          lanes(db).countDocuments({ consumer, state: 'retrying' }),
          lanes(db).countDocuments({ consumer, state: 'parked' }),
          lanes(db).find({ consumer }).sort({ firstAt: 1, _id: 1 }).limit(1).toArray(),
        ]);
        return {
          retrying,
          parked,
          ...(oldest && { oldest: { id: oldest._id, stream: oldest.stream, firstAt: oldest.firstAt } }),
        };
      }),
    async find({ consumer, stream, type, state }, { after, limit }) {
      const filter = {
        ...(after === undefined ? {} : { _id: { $gt: after } }),
        ...(consumer === undefined ? {} : { consumer }),
        ...(stream === undefined ? {} : { stream }),
        ...(type === undefined ? {} : { type }),
        ...(state === undefined ? {} : { state }),
      };
      const found = await run((db) =>
        lanes(db)
          .find(filter)
          .sort({ _id: 1 })
          .limit(limit + 1)
          .toArray(),
      );
      const items = found.slice(0, limit).map(laneOf);
      return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null };
    },
  };
};

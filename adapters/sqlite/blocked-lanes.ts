import type { EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../../ports/blocked-lanes.ts';
import type { SqlValue } from './driver.ts';
import { fenced } from './fences.ts';
import type { SqliteFile } from './file.ts';
import type { Step } from './writer.ts';

/** `lane` is the whole record as JSON; what it is found by stands beside it. */
export const BLOCKED_LANES = `
  create table if not exists blocked_lanes (
    id text primary key, consumer text not null, stream text not null, type text not null, state text not null,
    first_at text not null, lane text not null
  ) strict;
  create index if not exists blocked_lanes_of_consumer on blocked_lanes (consumer, state, id);
  create index if not exists blocked_lanes_by_age on blocked_lanes (consumer, first_at, id);
  create index if not exists blocked_lanes_by_state on blocked_lanes (state, id);
  create index if not exists blocked_lanes_of_stream on blocked_lanes (stream, id);
  create index if not exists blocked_lanes_of_type on blocked_lanes (type, id);
  create table if not exists waiting_events (
    lane text, position text, event_id text, event text not null, primary key (lane, position, event_id)
  ) strict, without rowid;
  create unique index if not exists waiting_event on waiting_events (lane, event_id)`;

const pushed = (lane: string, event: EventEnvelope): Step => ({
  sql: 'insert or ignore into waiting_events (lane, position, event_id, event) values (?, ?, ?, ?)',
  values: [lane, event.position, event.id, JSON.stringify(event)],
});
const LEFT = 'select count(*) as left from waiting_events where lane = ?';

export const sqliteBlockedLanes = (file: SqliteFile): BlockedLanes => ({
  async guard(fence) {
    return (await file.write(...fenced(fence))).ok ? 'kept' : 'fenced';
  },
  async block(lane, fence) {
    const { id, consumer, state, event, firstAt } = lane;
    const written = await file.write(
      ...fenced(fence),
      {
        sql: `insert or replace into blocked_lanes (id, consumer, stream, type, state, first_at, lane)
          values (?, ?, ?, ?, ?, ?, ?)`,
        values: [id, consumer, event.stream, event.type, state, firstAt, JSON.stringify(lane)],
      },
      pushed(id, event),
    );
    return written.ok ? 'kept' : 'fenced';
  },
  async enqueue(id, event, fence) {
    return (await file.write(...fenced(fence), pushed(id, event))).ok ? 'kept' : 'fenced';
  },
  async head(id) {
    const sql = 'select event from waiting_events where lane = ? order by position, event_id limit 1';
    const text = file.get(sql, id)?.event;
    return text === undefined ? undefined : (JSON.parse(text as string) as EventEnvelope);
  },
  async dequeue(id, eventId, fence) {
    const written = await file.write(
      ...fenced(fence),
      { sql: 'delete from waiting_events where lane = ? and event_id = ?', values: [id, eventId] },
      {
        sql: 'delete from blocked_lanes where id = ? and not exists (select 1 from waiting_events where lane = ?)',
        values: [id, id],
      },
      { sql: LEFT, values: [id] },
    );
    if (!written.ok) return 'fenced';
    return Number(written.rows.at(-1)?.[0]?.left) > 0 ? 'more' : 'empty';
  },
  async get(id) {
    return file.together(() => {
      const text = file.get('select lane from blocked_lanes where id = ?', id)?.lane;
      if (text === undefined) return undefined;
      return { ...(JSON.parse(text as string) as BlockedLane), queued: Number(file.get(LEFT, id)?.left) };
    });
  },
  async tally(consumer) {
    return file.together(() => {
      const counted = 'select state, count(*) as lanes from blocked_lanes where consumer = ? group by state';
      const lanes = new Map(file.all(counted, consumer).map((row) => [row.state, Number(row.lanes)]));
      const first =
        'select id, stream, first_at from blocked_lanes where consumer = ? order by first_at, id limit 1';
      const oldest = file.get(first, consumer);
      return {
        retrying: lanes.get('retrying') ?? 0,
        parked: lanes.get('parked') ?? 0,
        ...(oldest && {
          oldest: {
            id: oldest.id as string,
            stream: oldest.stream as string,
            firstAt: oldest.first_at as string,
          },
        }),
      };
    });
  },
  async find(filter, { after = '', limit }) {
    const given = Object.entries(filter).filter(([, value]) => value !== undefined);
    const conditions = given.map(([column]) => ` and ${column} = ?`).join('');
    const values: SqlValue[] = given.map(([, value]) => value);
    const sql = `select lane from blocked_lanes where id > ?${conditions} order by id limit ?`;
    const found = file
      .all(sql, after, ...values, limit + 1)
      .map((row) => JSON.parse(row.lane as string) as BlockedLane);
    const items = found.slice(0, limit);
    return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null };
  },
});

import type { EventEnvelope, NewEvent, Position } from '../../domain/kernel.ts';
import { PAGE_EVENTS, StoreUnavailable, type Appended, type EventStore } from '../../ports/event-store.ts';
import type { Clock } from '../../ports/system.ts';
import { createChanges } from '../changes.ts';
import { eventSignal, follow } from '../event-signal.ts';
import {
  PAGE_BYTES,
  PAGE_SCANNED,
  checkAppend,
  checkSize,
  numberOf,
  positionAt,
  sameIds,
} from '../stored-event.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { LOOK_EVERY_MS, openFile } from './file.ts';
import { MOVED, movedTo } from './moved.ts';

/** Positions are the row ids: nothing is ever deleted, so they have no gaps. */
const SCHEMA = `
  create table if not exists events (
    position integer primary key,
    stream text not null,
    revision integer not null,
    category text not null generated always as (substr(stream, 1, instr(stream, '-') - 1)) virtual,
    type text not null,
    id text not null,
    schema integer not null,
    data text not null,
    meta text not null
  ) strict;
  create unique index if not exists events_of_stream on events (stream, revision);
  create table if not exists store (id text primary key) strict, without rowid;
  ${MOVED}`;

const FIRST = `insert into events (stream, revision, type, id, schema, data, meta)
  values (?, 0, ?, ?, ?, ?, ?) returning position`;
const NEXT = `insert into events (stream, revision, type, id, schema, data, meta)
  select ?, ?, ?, ?, ?, ?, ? where exists (select 1 from events where stream = ? and revision = ?)
  returning position`;
const COLUMNS = 'position, stream, revision, type, id, schema, data, meta';
const LAST_REVISION = 'select max(revision) as revision from events where stream = ?';
const TAIL = 'select max(position) as position from events';

const eventOf = (row: SqlRow): EventEnvelope => ({
  type: row.type as string,
  stream: row.stream as string,
  revision: row.revision as number,
  id: row.id as string,
  schema: row.schema as number,
  data: JSON.parse(row.data as string) as unknown,
  meta: JSON.parse(row.meta as string) as EventEnvelope['meta'],
  position: positionAt(row.position as number),
});
const charactersOf = ({ data, meta }: SqlRow): number => (data as string).length + (meta as string).length;
const among = (column: string, values: readonly string[] | undefined): string =>
  values ? ` and ${column} in (select value from json_each(?))` : '';

/**
 * Events in an SQLite file. `newId`: of a store that is made here. `clock` paces the look for other processes'
 * appends while anybody subscribes. Who reads sees only what is on disk.
 */
export const openSqliteEventStore = ({
  path,
  clock,
  newId,
}: Readonly<{ path: string; clock: Clock; newId(): string }>): EventStore => {
  const file = openFile({ path, what: 'the event store', schema: SCHEMA, unavailable: StoreUnavailable });
  file.make(`insert into store (id) select '${newId()}' where not exists (select 1 from store)`);
  const storeId = String(file.get('select id from store')?.id);
  const ring = eventSignal();
  const changes = createChanges({ clock, everyMs: LOOK_EVERY_MS, version: () => file.version() });
  const closing = new AbortController();

  const last = (): number => Number(file.get(TAIL)?.position ?? 0);
  const positionOf = (position: number): Position | undefined =>
    position <= 0 ? undefined : positionAt(position);

  /**
   * The answer to an append that was refused: stored before under the same ids, or a conflict. Throws StoreUnavailable once
   * the events have moved.
   */
  const refused = (stream: string, first: number, events: readonly NewEvent[]): Appended => {
    const stored = file.all(
      'select position, id from events where stream = ? and revision between ? and ? order by revision',
      stream,
      first,
      first + events.length - 1,
    );
    const position = stored.at(-1)?.position;
    const ids = stored.map(({ id }) => id as string);
    if (sameIds(ids, events))
      return { ok: true, revision: first + events.length - 1, position: positionAt(Number(position)) };
    const place = movedTo(file);
    if (place !== undefined) throw new StoreUnavailable(`the events have moved to ${place}`);
    const revision = file.get(LAST_REVISION, stream)?.revision;
    return { ok: false, actual: revision === null || revision === undefined ? 'none' : Number(revision) };
  };

  const readAll: EventStore['readAll'] = async (after, { categories, types, limit = PAGE_EVENTS } = {}) => {
    const most = Math.min(limit, PAGE_EVENTS);
    if (!(most >= 1)) throw new RangeError(`a page cannot hold ${limit} events`);
    const from = numberOf(after);
    const page = file.together(() => {
      const tail = last();
      const until = Math.min(tail, from + PAGE_SCANNED);
      const values: SqlValue[] = [from, until];
      for (const list of [categories, types]) if (list) values.push(JSON.stringify(list));
      const events: EventEnvelope[] = [];
      let characters = 0;
      // Past the last one taken, unless there is room for more.
      let scanned = Math.max(from, until);
      file.each(
        `select ${COLUMNS} from events where position > ? and position <= ?
          ${among('category', categories)}${among('type', types)} order by position`,
        values,
        (row) => {
          events.push(eventOf(row));
          characters += charactersOf(row);
          if (events.length < most && characters < PAGE_BYTES) return 'more';
          scanned = Number(row.position);
          return 'enough';
        },
      );
      return {
        events,
        scanned: scanned === from ? after : positionAt(scanned),
        atTail: scanned >= tail,
      };
    });
    // Reading does not wait for anything: who has many pages to go would keep everybody else from their turn.
    if (!page.atTail) await new Promise(setImmediate);
    return page;
  };

  async function* subscribed(
    ...[after, options]: Parameters<EventStore['subscribe']>
  ): AsyncGenerator<Awaited<ReturnType<EventStore['readAll']>>> {
    const stop = changes.listen(ring.ring);
    try {
      yield* follow(readAll, ring, after, {
        ...options,
        signal: AbortSignal.any([options.signal, closing.signal]),
      });
    } finally {
      stop();
    }
  }

  return {
    id: storeId,
    movedTo: async () => movedTo(file),
    async append(stream, expected, events) {
      checkAppend(stream, events);
      const first = expected === 'none' ? 0 : expected + 1;
      const texts = events.map(({ data, meta }) => [JSON.stringify(data), JSON.stringify(meta)] as const);
      checkSize(stream, texts.flat());
      const steps = events.map(({ type, id, schema }, at) => {
        const rest = [type, id, schema, ...texts[at]!];
        const revision = first + at;
        return revision === 0
          ? { sql: FIRST, values: [stream, ...rest], changes: 1 }
          : { sql: NEXT, values: [stream, revision, ...rest, stream, revision - 1], changes: 1 };
      });
      const written = await file.write(...steps);
      if (!written.ok) return refused(stream, first, events);
      changes.tell();
      const position = Number(written.rows.at(-1)?.[0]?.position);
      return { ok: true, revision: first + events.length - 1, position: positionAt(position) };
    },

    async *readStream(stream, { from, limit = Infinity, direction = 'forward' } = {}) {
      const forward = direction === 'forward';
      const sql = `select ${COLUMNS} from events where stream = ? and revision ${forward ? '>=' : '<='} ?
        order by revision ${forward ? 'asc' : 'desc'}`;
      let at = from ?? (forward ? 0 : Number.MAX_SAFE_INTEGER);
      for (let left = limit; left > 0;) {
        const page: EventEnvelope[] = [];
        let characters = 0;
        const most = Math.min(left, PAGE_EVENTS);
        file.each(sql, [stream, at], (row) => {
          page.push(eventOf(row));
          characters += charactersOf(row);
          return page.length < most && characters < PAGE_BYTES ? 'more' : 'enough';
        });
        yield* page;
        if (page.length < most && characters < PAGE_BYTES) return;
        await new Promise(setImmediate);
        left -= page.length;
        at = page.at(-1)!.revision + (forward ? 1 : -1);
      }
    },

    readAll,
    subscribe: subscribed,
    tail: async () => positionOf(last()),

    /**
     * By halves, since events are recorded in the order of their positions; where a clock went back it may stop among
     * the events of that hour.
     */
    async before(mark) {
      if ('position' in mark) return positionOf(Math.min(numberOf(mark.position) - 1, last()));
      const until = Date.parse(mark.time);
      let [low, high] = [0, last()];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        const row = file.get("select meta ->> 'recordedAt' as at from events where position = ?", middle);
        if (Date.parse(row?.at as string) < until) low = middle;
        else high = middle - 1;
      }
      return positionOf(low);
    },

    async close() {
      closing.abort();
      await file.close();
    },
  };
};

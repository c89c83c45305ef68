/** Orders in an EventStoreDB. */
import {
  BACKWARDS,
  END,
  FORWARDS,
  jsonEvent,
  NO_STREAM,
  START,
  type ResolvedEvent,
} from '@eventstore/db-client';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import {
  AppendTooLarge,
  APPEND_BYTES,
  PAGE_EVENTS,
  StoreUnavailable,
  type EventStore,
} from '../../ports/event-store.ts';
import type { Clock } from '../../ports/system.ts';
import { checkAppend, checkSize, PAGE_BYTES, PAGE_SCANNED, passing, textOf } from '../stored-event.ts';
import { createTurns } from '../turns.ts';
import { connect, type Connection } from './connection.ts';
import { placeOf, positionOf, proposed, received } from './record.ts';
import { subscription } from './subscription.ts';

/** `url`: `esdb://…`, with TLS and credentials in it. `prefix`: before the names of streams, where shops share a server. */
export type EventStoreDbOptions = Readonly<{
  url: string;
  prefix?: string;
  clock: Clock;
  newId(): string;
}>;

/** Holds the store's id, in an event that is no event of the port. */
const STORE_STREAM = 'orderfold.store';

type Failure = Readonly<{ type?: string; actualVersion?: bigint | string }>;
const typeOf = (error: unknown): string | undefined => (error as Failure | undefined)?.type;

/** What reads through a stream or the whole store, a page at a time. */
const readers = (connection: Connection, prefix: string) => {
  const collect = async (
    read: Parameters<Connection['read']>[0],
    enough: (item: ResolvedEvent) => boolean = () => false,
  ): Promise<Readonly<{ items: readonly ResolvedEvent[]; ended: boolean }>> => {
    const items: ResolvedEvent[] = [];
    const ended = await connection.read(read, (item) => {
      items.push(item as ResolvedEvent);
      return enough(item as ResolvedEvent);
    });
    return { items, ended };
  };
  return {
    collect,
    /** Empty for a missing stream. */
    async ofStream(
      stream: string,
      from: bigint | typeof START | typeof END,
      count: number,
      backward: boolean,
    ) {
      try {
        const direction = backward ? BACKWARDS : FORWARDS;
        const { items } = await collect(() =>
          connection.client().readStream(prefix + stream, { direction, fromRevision: from, maxCount: count }),
        );
        return items;
      } catch (error) {
        if (typeOf(error) === 'stream-not-found') return [];
        throw error;
      }
    },
    /** Behind `after`; a read of the server begins with it. `count` at most; `ended`: there were no more. */
    async behind(after: Position | undefined, count: number, enough?: (item: ResolvedEvent) => boolean) {
      const asked = after === undefined ? count : count + 1;
      const fromPosition = after === undefined ? START : placeOf(after);
      const { items, ended } = await collect(
        () => connection.client().readAll({ direction: FORWARDS, fromPosition, maxCount: asked }),
        enough,
      );
      const first = items[0]?.event?.position;
      return {
        items: after !== undefined && first && positionOf(first) === after ? items.slice(1) : items,
        ended: ended && items.length < asked,
      };
    },
    /** Before `place`, the last one first. */
    async ahead(place: ReturnType<typeof placeOf> | typeof END, count: number) {
      const { items } = await collect(() =>
        connection.client().readAll({ direction: BACKWARDS, fromPosition: place, maxCount: count }),
      );
      return items;
    },
  };
};

/** The id of the store, which is made with its first use. */
const storeId = async (
  connection: Connection,
  ofStream: ReturnType<typeof readers>['ofStream'],
  prefix: string,
  newId: () => string,
): Promise<string> => {
  for (;;) {
    const [first] = await ofStream(STORE_STREAM, START, 1, false);
    const id = (first?.event?.data as { id?: string } | undefined)?.id;
    if (id !== undefined) return id;
    const made = jsonEvent({ type: 'StoreMade', data: { id: newId() } });
    await connection
      .inTime(
        'be written',
        connection.client().appendToStream(prefix + STORE_STREAM, made, { expectedRevision: NO_STREAM }),
      )
      .catch((error: unknown) => {
        if (typeOf(error) !== 'wrong-expected-version') throw error;
      });
  }
};

/**
 * Throws StoreUnavailable while the server is away. Positions are those of the server's log; what it or others write
 * there is passed over. One store a process: the client keeps what it appends in one table for all clients.
 */
export const openEventStoreDb = async ({
  url,
  prefix = '',
  clock,
  newId,
}: EventStoreDbOptions): Promise<EventStore> => {
  const connection = connect(url, clock);
  const { ofStream, behind, ahead } = readers(connection, prefix);
  const closing = new AbortController();
  const turns = createTurns();
  const open = (): void => {
    if (closing.signal.aborted) throw new StoreUnavailable('the event store is closed');
  };
  /** Up to here there is no event of ours; false once there is one. */
  let emptyUpTo: Position | undefined | false;
  const isEmpty = async (): Promise<boolean> => {
    while (emptyUpTo !== false) {
      const { items, ended } = await behind(emptyUpTo, PAGE_EVENTS);
      if (items.some((item) => received(item, prefix))) emptyUpTo = false;
      else {
        const last = items.at(-1)?.event?.position;
        if (last) emptyUpTo = positionOf(last);
        if (ended) return true;
      }
    }
    return false;
  };
  const id = await storeId(connection, ofStream, prefix, newId).catch(async (error: unknown) => {
    await connection.close();
    throw error;
  });

  const readAll: EventStore['readAll'] = async (after, { limit = PAGE_EVENTS, ...filter } = {}) => {
    open();
    const most = Math.min(limit, PAGE_EVENTS);
    if (!(most >= 1)) throw new RangeError(`a page cannot hold ${limit} events`);
    const passes = passing(filter);
    const isFiltered = filter.categories !== undefined || filter.types !== undefined;
    const events: EventEnvelope[] = [];
    let [scanned, looked, bytes, atTail] = [after, 0, 0, false];
    const isFull = (): boolean => events.length >= most || bytes >= PAGE_BYTES || looked >= PAGE_SCANNED;
    while (!atTail && !isFull()) {
      let read = 0;
      const count = isFiltered ? PAGE_EVENTS : most - events.length;
      const { items, ended } = await behind(scanned, count, ({ event }) => {
        read += JSON.stringify(event?.data ?? null).length;
        return bytes + read >= PAGE_BYTES;
      });
      let taken = 0;
      for (const item of items) {
        if (isFull()) break;
        taken += 1;
        if (item.event?.position) scanned = positionOf(item.event.position);
        const event = received(item, prefix);
        if (event && passes(event)) events.push(event);
        looked += 1;
      }
      bytes += read;
      atTail = ended && taken === items.length;
    }
    if (!atTail) await new Promise(setImmediate);
    if (events.length === 0 && atTail && (await isEmpty())) return { events, scanned: undefined, atTail };
    return { events, scanned, atTail };
  };

  return {
    id,

    async append(stream, expected, events) {
      open();
      checkAppend(stream, events);
      const first = expected === 'none' ? 0 : expected + 1;
      checkSize(
        stream,
        events.map((event, i) => textOf(stream, first + i, event)),
      );
      // One after the other: what depends on an append that is under way would be refused.
      return turns.inTurn(stream, async () => {
        open();
        const expectedRevision = expected === 'none' ? NO_STREAM : BigInt(expected);
        try {
          const { nextExpectedRevision, position } = await connection.inTime(
            'be written',
            connection.client().appendToStream(prefix + stream, events.map(proposed), { expectedRevision }),
          );
          if (!position) throw new StoreUnavailable('EventStoreDB did not say where it has written');
          emptyUpTo = false;
          return { ok: true, revision: Number(nextExpectedRevision), position: positionOf(position) };
        } catch (error) {
          const { actualVersion } = error as Failure;
          if (typeOf(error) === 'wrong-expected-version')
            return { ok: false, actual: typeof actualVersion === 'bigint' ? Number(actualVersion) : 'none' };
          if (typeOf(error) === 'maximum-append-size-exceeded')
            throw new AppendTooLarge(stream, APPEND_BYTES + 1);
          throw error;
        }
      });
    },

    async *readStream(stream, { from, limit = Infinity, direction = 'forward' } = {}) {
      open();
      const backward = direction === 'backward';
      let next = from;
      for (let left = limit; left > 0;) {
        const count = Math.min(left, PAGE_EVENTS);
        const start = next === undefined ? (backward ? END : START) : BigInt(next);
        const items = await ofStream(stream, start, count, backward);
        for (const item of items) {
          const event = received(item, prefix);
          if (event) yield event;
        }
        const last = items.at(-1)?.event;
        if (!last || items.length < count || (backward && last.revision === 0n)) return;
        left -= items.length;
        next = Number(last.revision) + (backward ? -1 : 1);
        await new Promise(setImmediate);
      }
    },

    readAll,
    subscribe: (after, { limit = PAGE_EVENTS, signal, ...filter }) => {
      const either = AbortSignal.any([signal, closing.signal]);
      return subscription(connection, { ...filter, after, limit, prefix, signal: either });
    },

    async tail() {
      open();
      const [last] = await ahead(END, 1);
      return last?.event?.position && !(await isEmpty()) ? positionOf(last.event.position) : undefined;
    },

    async before(mark) {
      open();
      const until = 'time' in mark ? Date.parse(mark.time) : Infinity;
      let place: ReturnType<typeof placeOf> | typeof END = 'position' in mark ? placeOf(mark.position) : END;
      for (;;) {
        const items: readonly ResolvedEvent[] = await ahead(place, PAGE_EVENTS).catch((error: unknown) => {
          if ('position' in mark && /InvalidPosition/.test(String(error)))
            throw new RangeError(`at ${mark.position} no event of this store begins`);
          throw error;
        });
        for (const item of items) {
          const event = received(item, prefix);
          if (event && Date.parse(event.meta.recordedAt) < until) return event.position;
        }
        const last = items.at(-1)?.event?.position;
        if (!last || items.length < PAGE_EVENTS) return undefined;
        place = last;
      }
    },

    async close() {
      closing.abort();
      await turns.over();
      await connection.close();
    },
  };
};

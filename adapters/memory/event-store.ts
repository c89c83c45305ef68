import type { EventEnvelope } from '../../domain/kernel.ts';
import { PAGE_EVENTS, StoreUnavailable, type EventStore } from '../../ports/event-store.ts';
import { eventSignal, follow } from '../event-signal.ts';
import {
  checkAppend,
  checkSize,
  eventOf,
  numberOf,
  passing,
  PAGE_BYTES,
  PAGE_SCANNED,
  positionAt,
  sameIds,
  textOf,
} from '../stored-event.ts';

/** The event store's specification: everything in memory, kept as JSON text and lost with the process. */
export const memoryEventStore = (id = 'memory'): EventStore => {
  const texts: string[] = []; // the event at position n is texts[n - 1]
  const streams = new Map<string, number[]>();
  const ring = eventSignal();
  const closing = new AbortController();
  const open = (): void => {
    if (closing.signal.aborted) throw new StoreUnavailable('the event store is closed');
  };
  const at = (position: number): EventEnvelope => eventOf(texts[position - 1]!, position);

  const readAll: EventStore['readAll'] = async (after, { limit = PAGE_EVENTS, ...filter } = {}) => {
    open();
    const most = Math.min(limit, PAGE_EVENTS);
    if (!(most >= 1)) throw new RangeError(`a page cannot hold ${limit} events`);
    const passes = passing(filter);
    const first = numberOf(after);
    const until = Math.min(texts.length, first + PAGE_SCANNED);
    const events: EventEnvelope[] = [];
    let [scanned, characters] = [first, 0];
    while (scanned < until && events.length < most && characters < PAGE_BYTES) {
      const event = at((scanned += 1));
      if (!passes(event)) continue;
      events.push(event);
      characters += texts[scanned - 1]!.length;
    }
    const atTail = scanned >= texts.length;
    if (!atTail) await new Promise(setImmediate);
    return { events, scanned: scanned === first ? after : positionAt(scanned), atTail };
  };

  return {
    id,
    async append(stream, expected, events) {
      open();
      checkAppend(stream, events);
      const positions = streams.get(stream) ?? [];
      const first = expected === 'none' ? 0 : expected + 1;
      const added = events.map((event, i) => textOf(stream, first + i, event));
      checkSize(stream, added);
      const last = first + events.length - 1;
      if (positions.length !== first) {
        const stored = positions.slice(first, last + 1);
        const position = stored.at(-1);
        if (
          position !== undefined &&
          sameIds(
            stored.map((n) => at(n).id),
            events,
          )
        )
          return { ok: true, revision: last, position: positionAt(position) };
        return { ok: false, actual: positions.length === 0 ? 'none' : positions.length - 1 };
      }
      for (const text of added) positions.push(texts.push(text));
      streams.set(stream, positions);
      ring.ring();
      return { ok: true, revision: last, position: positionAt(texts.length) };
    },

    async *readStream(stream, { from, limit = Infinity, direction = 'forward' } = {}) {
      open();
      const positions = streams.get(stream) ?? [];
      const step = direction === 'forward' ? 1 : -1;
      const start = direction === 'forward' ? (from ?? 0) : Math.min(from ?? Infinity, positions.length - 1);
      for (let i = start, n = 0; i >= 0 && i < positions.length && n < limit; i += step, n++) {
        if (n > 0 && n % PAGE_EVENTS === 0) await new Promise(setImmediate);
        yield at(positions[i]!);
      }
    },

    readAll,
    subscribe: (after, options) =>
      follow(readAll, ring, after, { ...options, signal: AbortSignal.any([options.signal, closing.signal]) }),

    async tail() {
      open();
      return texts.length === 0 ? undefined : positionAt(texts.length);
    },

    async before(mark) {
      open();
      let last = 0;
      if ('position' in mark) last = Math.min(numberOf(mark.position) - 1, texts.length);
      else
        for (let n = 1; n <= texts.length; n++)
          if (Date.parse(at(n).meta.recordedAt) < Date.parse(mark.time)) last = n;
      return last <= 0 ? undefined : positionAt(last);
    },

    async close() {
      closing.abort();
    },
  };
};

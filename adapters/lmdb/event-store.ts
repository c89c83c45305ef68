import { StoreUnavailable, type Appended, type EventStore } from '../../ports/event-store.ts';
import type { EventEnvelope, NewEvent } from '../../domain/kernel.ts';
import type { Clock } from '../../ports/system.ts';
import { eventSignal, follow } from '../event-signal.ts';
import {
  PAGE_BYTES,
  PAGE_EVENTS,
  PAGE_SCANNED,
  checkAppend,
  eventOf,
  numberOf,
  pageOf,
  positionAt,
  sameIds,
  textOf,
} from '../stored-event.ts';
import { openEnvironment } from './environment.ts';

const BATCH_APPENDS = 1024;
const BATCH_CHARACTERS = 8 * 1024 * 1024;
const POLL_MS = 250;
const LAST_REVISION = Number.MAX_SAFE_INTEGER;

type Waiting = Readonly<{
  stream: string;
  first: number;
  events: readonly NewEvent[];
  texts: readonly string[];
  characters: number;
  resolve(appended: Appended): void;
  reject(error: unknown): void;
}>;
type Plan = Readonly<{
  writes: readonly Readonly<{ append: Waiting; position: number }>[];
  answers: ReadonlyMap<Waiting, Appended>;
  first: number;
  last: number;
}>;

/**
 * Events in an LMDB environment: `events` holds position → text, `streams` [stream, revision] → position.
 *
 * Appends that come while a commit is under way share the next one: one transaction, one flush. Expectations
 * are checked against the last commit on this thread, then everything is written on lmdb's thread, if the
 * position that comes next is still free there; when another process took it meanwhile, they are checked
 * again under the write lock.
 *
 * `readAll` and `subscribe` hand out only what is on disk, so that no checkpoint ever lies ahead of the store
 * after a power cut. `clock` paces the look for other processes' appends while anybody subscribes.
 */
export const openLmdbEventStore = ({
  folder,
  clock,
}: Readonly<{ folder: string; clock: Clock }>): EventStore => {
  const env = openEnvironment(
    folder,
    'the event store',
    (message, cause) => new StoreUnavailable(message, { cause }),
  );
  const events = env.strings<number>('events');
  const streams = env.numbers<[string, number]>('streams');
  const ring = eventSignal();
  const closing = new AbortController();

  let queue: Waiting[] = [];
  let running: Promise<void> | undefined;
  let writingFrom = Infinity; // the first position of the commit under way
  let durable = 0; // every position up to here is known to be on disk

  const lastPosition = (): number => {
    for (const position of events.getKeys({ reverse: true, limit: 1 })) return position;
    return 0;
  };
  const lastRevision = (stream: string): number | undefined => {
    for (const [, revision] of streams.getKeys({
      start: [stream, LAST_REVISION],
      end: [stream, -1],
      reverse: true,
      limit: 1,
    }))
      return revision;
    return undefined;
  };
  const idAt = (stream: string, revision: number): string | undefined => {
    const position = streams.get([stream, revision]);
    return position === undefined ? undefined : eventOf(events.get(position)!, position).id;
  };

  /** The answer that needs no write: done before, or a conflict. Undefined when the events can be stored. */
  const answered = ({ stream, first, events: given }: Waiting): Appended | undefined => {
    if (!streams.doesExist([stream, first]) && (first === 0 || streams.doesExist([stream, first - 1])))
      return undefined;
    const last = first + given.length - 1;
    const position = streams.get([stream, last]);
    if (
      position !== undefined &&
      sameIds(
        given.map((_, i) => idAt(stream, first + i)),
        given,
      )
    )
      return { ok: true, revision: last, position: positionAt(position) };
    return { ok: false, actual: lastRevision(stream) ?? 'none' };
  };

  const planned = (batch: readonly Waiting[]): Plan => {
    const first = lastPosition() + 1;
    const answers = new Map<Waiting, Appended>();
    const writes: { append: Waiting; position: number }[] = [];
    let next = first;
    for (const append of batch) {
      const done = answered(append);
      if (done) {
        answers.set(append, done);
        continue;
      }
      writes.push({ append, position: next });
      next += append.texts.length;
      answers.set(append, {
        ok: true,
        revision: append.first + append.texts.length - 1,
        position: positionAt(next - 1),
      });
    }
    return { writes, answers, first, last: next - 1 };
  };
  const write = ({ writes }: Plan): void => {
    for (const { append, position } of writes)
      for (const [i, text] of append.texts.entries()) {
        void events.put(position + i, text);
        void streams.put([append.stream, append.first + i], position + i);
      }
  };
  const stored = async (batch: readonly Waiting[]): Promise<Plan> => {
    const plan = env.read(() => planned(batch));
    writingFrom = plan.first;
    if (plan.writes.length === 0 || (await env.writeIfAbsent(events, plan.first, () => write(plan))))
      return plan;
    return env.transaction(() => {
      const again = planned(batch);
      writingFrom = again.first;
      write(again);
      return again;
    });
  };

  const isOnDisk = async (upTo: number): Promise<void> => {
    if (upTo <= durable) return;
    await env.flush();
    durable = Math.max(durable, upTo);
  };

  /** At most one append a stream: the next of the same stream is checked against what this one wrote. */
  const taken = (): Waiting[] => {
    const batch: Waiting[] = [];
    const left: Waiting[] = [];
    const names = new Set<string>();
    let characters = 0;
    for (const append of queue) {
      const fits =
        batch.length === 0 ||
        (batch.length < BATCH_APPENDS && characters + append.characters <= BATCH_CHARACTERS);
      if (!fits || names.has(append.stream)) {
        left.push(append);
      } else {
        batch.push(append);
        characters += append.characters;
      }
      names.add(append.stream);
    }
    queue = left;
    return batch;
  };
  const run = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = taken();
      try {
        const plan = await stored(batch);
        const found = batch.map((append) => plan.answers.get(append)!);
        // What was there before may have been written by a process, or a commit, whose flush is not known to
        // have succeeded.
        const before = Math.max(
          0,
          ...found
            .map((answer) => (answer.ok ? numberOf(answer.position) : 0))
            .filter((position) => position < plan.first),
        );
        if (plan.writes.length > 0) durable = Math.max(durable, plan.last);
        else await isOnDisk(before);
        for (const [i, append] of batch.entries()) append.resolve(found[i]!);
        if (plan.writes.length > 0) ring.ring();
      } catch (error) {
        for (const append of batch) append.reject(error);
      } finally {
        writingFrom = Infinity;
      }
    }
    running = undefined;
  };

  const readAll: EventStore['readAll'] = async (after, options = {}) => {
    const page = env.read(() => {
      const last = Math.min(lastPosition(), writingFrom - 1);
      return pageOf(
        events.getRange({ start: numberOf(after) + 1, limit: PAGE_SCANNED + 1 }),
        after,
        last,
        options,
      );
    });
    await isOnDisk(numberOf(page.scanned));
    return page;
  };

  /**
   * One page of a stream, `at` inclusive, in steps of +1 or -1; what is read is bounded, no transaction
   * outlives the call.
   */
  const streamPage = (stream: string, at: number, step: 1 | -1, limit: number): EventEnvelope[] => {
    const page: EventEnvelope[] = [];
    let characters = 0;
    for (
      let revision = at;
      revision >= 0 && page.length < limit && characters < PAGE_BYTES;
      revision += step
    ) {
      const position = streams.get([stream, revision]);
      if (position === undefined) break;
      const text = events.get(position)!;
      characters += text.length;
      page.push(eventOf(text, position));
    }
    return page;
  };

  let subscribers = 0;
  let polling: AbortController | undefined;
  const poll = async (signal: AbortSignal): Promise<void> => {
    for (let seen = -1; !signal.aborted; await clock.sleep(POLL_MS, signal)) {
      let last = seen;
      try {
        last = env.read(lastPosition);
      } catch {
        // The subscriptions find out by themselves when they read.
      }
      if (last !== seen) ring.ring();
      seen = last;
    }
  };
  async function* subscribed(
    ...[after, options]: Parameters<EventStore['subscribe']>
  ): AsyncGenerator<Awaited<ReturnType<EventStore['readAll']>>> {
    subscribers += 1;
    if (!polling) void poll(AbortSignal.any([(polling = new AbortController()).signal, closing.signal]));
    try {
      yield* follow(readAll, ring, after, {
        ...options,
        signal: AbortSignal.any([options.signal, closing.signal]),
      });
    } finally {
      subscribers -= 1;
      if (subscribers === 0) {
        polling?.abort();
        polling = undefined;
      }
    }
  }

  return {
    append(stream, expected, given) {
      return new Promise((resolve, reject) => {
        checkAppend(stream, given);
        if (closing.signal.aborted) throw new StoreUnavailable('the event store is closed');
        const first = expected === 'none' ? 0 : expected + 1;
        const texts = given.map((event, i) => textOf(stream, first + i, event));
        const characters = texts.reduce((sum, { length }) => sum + length, 0);
        queue.push({ stream, first, events: given, texts, characters, resolve, reject });
        running ??= Promise.resolve().then(run); // a microtask later, with what else was appended in this turn
      });
    },

    async *readStream(stream, { from, limit = Infinity, direction = 'forward' } = {}) {
      const step = direction === 'forward' ? 1 : -1;
      let at =
        direction === 'forward'
          ? (from ?? 0)
          : env.read(() => Math.min(from ?? Infinity, lastRevision(stream) ?? -1));
      for (let left = limit; left > 0;) {
        const size = Math.min(left, PAGE_EVENTS);
        const page = env.read(() => streamPage(stream, at, step, size));
        yield* page;
        if (page.length === 0) return;
        left -= page.length;
        at += page.length * step;
      }
    },

    readAll,
    subscribe: subscribed,

    async tail() {
      const last = env.read(() => Math.min(lastPosition(), writingFrom - 1));
      await isOnDisk(last);
      return last === 0 ? undefined : positionAt(last);
    },

    /**
     * By halves, since events are recorded in the order of their positions; where a clock went back it may
     * stop among the events of that hour.
     */
    async before(time) {
      const until = Date.parse(time);
      const found = env.read(() => {
        let [low, high] = [0, Math.min(lastPosition(), writingFrom - 1)];
        while (low < high) {
          const middle = Math.ceil((low + high) / 2);
          if (Date.parse(eventOf(events.get(middle)!, middle).meta.recordedAt) < until) low = middle;
          else high = middle - 1;
        }
        return low;
      });
      await isOnDisk(found);
      return found === 0 ? undefined : positionAt(found);
    },

    async close() {
      closing.abort();
      await running;
      await env.close();
    },
  };
};

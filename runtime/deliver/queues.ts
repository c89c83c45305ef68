import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import type { Blocked, Bookkeeping } from '../../ports/bookkeeping.ts';
import type { Clock, Log } from '../../ports/system.ts';
import type { Attempt, FailedFor } from './attempt.ts';
import {
  blockedBy,
  blockedOf,
  discardParkedIn,
  parkingEntry,
  retryParkedIn,
  waitingOf,
  type ParkingEntry,
  type Waiting,
} from './blocked-streams.ts';
import { nameOf } from '../retry.ts';
import type { Lanes } from './lanes.ts';
import { rest, waker } from '../wake.ts';

const LOOK_EVERY_MS = 1_000;
const LOOK_PAGE = 1_000;
const SYSTEM: Actor = { id: 'consumer-runtime', role: 'system' };

export type QueuesOptions = Readonly<{
  name: string;
  /** Streams worked off at once at most: retries must not crowd out what is new. */
  parallel: number;
  books: Bookkeeping;
  clock: Clock;
  logger: Log;
  lanes: Lanes;
  attempt: Attempt;
  audit(entry: ParkingEntry): Promise<void>;
  /** Repeats a write until it succeeds; throws when the consumer ends first. */
  durably<T>(act: () => Promise<T>): Promise<T>;
  /** Runs `task` in the lane of `stream` unless the consumer ends first. */
  inLane(stream: string, task: () => Promise<void>): Promise<void>;
  stop(why: string): void;
  halt: AbortSignal;
  /** For handlers: aborts when the time to drain is over. */
  abort: AbortSignal;
  /** How long the breaker has been open so far. */
  pausedMs(): number;
  onChange(): void;
}>;

export type Counts = Readonly<{
  retrying: number;
  parked: number;
  oldest: Readonly<{ id: string; stream: string; since: string }> | undefined;
}>;

export type Queues = Readonly<{
  /** Reads what waits from the books, beside what is known. */
  load(): Promise<void>;
  /** In the stream's lane: puts `event` behind what blocks its stream. False when nothing does. */
  behind(event: EventEnvelope, partition: string): Promise<boolean>;
  /**
   * In the stream's lane: carries out the verdict on an event that failed. False: the consumer stops, nothing
   * is finished.
   */
  settle(failed: FailedFor, partition: string | undefined): Promise<boolean>;
  retry(id: string, by: Readonly<{ actor: Actor; reason: string }>): Promise<boolean>;
  discard(id: string, by: Readonly<{ actor: Actor; reason: string }>): Promise<boolean>;
  /** Another process follows `partition` now. */
  forget(partition: string): void;
  counts(): Counts;
  /** Whether something is due that has not been tried. */
  due(): boolean;
  /** Works off what falls due until the consumer ends. */
  run(): Promise<void>;
}>;

/** The streams that wait behind a failed event: in the books durably, here what is needed to find them. */
export const queues = (options: QueuesOptions): Queues => {
  const {
    name,
    parallel,
    books,
    clock,
    logger,
    lanes,
    attempt,
    audit,
    durably,
    inLane,
    stop,
    halt,
    abort,
    pausedMs,
    onChange,
  } = options;
  const waiting = new Map<string, Waiting>();
  const dueRest = rest(clock);
  const lookRest = rest(clock);
  const drained = waker();
  let draining = 0;
  const nowMs = (): number => clock.now().getTime();
  halt.addEventListener('abort', () => {
    dueRest.poke();
    lookRest.poke();
    drained.wake();
  });

  const keep = (blocked: Blocked, partition: string | undefined): Waiting => {
    const kept = waitingOf(blocked, pausedMs(), partition ?? waiting.get(blocked.stream)?.partition);
    waiting.set(blocked.stream, kept);
    (kept.state === 'parked' ? lookRest : dueRest).poke();
    return kept;
  };
  const makeDue = (entry: Waiting): void => {
    entry.state = 'retrying';
    entry.dueAtMs = nowMs();
    dueRest.poke();
  };

  /**
   * The event is queued as well as named: where events were replayed to the stream meanwhile, it is not the
   * head.
   */
  const settle: Queues['settle'] = async ({ event, error, history, verdict }, partition) => {
    const now = clock.now();
    const about = {
      consumer: name,
      stream: event.stream,
      revision: event.revision,
      type: event.type,
      attempts: history.attempts,
      error: nameOf(error),
    };
    if (verdict.do === 'stop') {
      stop(`${verdict.why} (${event.type}, ${event.stream}@${event.revision})`);
      return false;
    }
    if (verdict.do === 'retry') {
      const dueAt = new Date(now.getTime() + verdict.afterMs).toISOString();
      const blocked = blockedBy(name, event, error, history, now, { state: 'retrying', dueAt });
      await durably(() => books.block(blocked));
      await durably(() => books.enqueue(name, event.stream, event));
      keep(blocked, partition).history = history;
      logger.warn({ ...about, dueAt }, 'an event failed and will be tried again; its stream waits');
    } else {
      const blocked = blockedBy(name, event, error, history, now, { state: 'parked' });
      // Audited first: a crash between the two repeats the entry, the other way round it would be missing for
      // ever.
      const entry = parkingEntry('EventParked', blocked, {
        actor: SYSTEM,
        why: verdict.why,
        at: now.toISOString(),
      });
      await durably(() => audit(entry));
      await durably(() => books.block(blocked));
      await durably(() => books.enqueue(name, event.stream, event));
      keep(blocked, partition);
      logger.error(
        { ...about, id: blocked.id, why: verdict.why },
        'an event is parked; its stream waits for an operator',
      );
    }
    onChange();
    return true;
  };

  /** In the stream's lane: the head, then what waits behind it, in order, until it is empty or one fails. */
  const drain = async (stream: string): Promise<void> => {
    const entry = waiting.get(stream);
    if (!entry) return;
    for (;;) {
      const head = await durably(() => books.head(name, stream));
      if (!head) break;
      const history = head.id === entry.headId ? entry.history : undefined;
      entry.headId = head.id;
      entry.headRevision = head.revision;
      const outcome = await attempt(head, abort, history);
      if (outcome === 'halted') return;
      if (outcome !== 'done') {
        await settle(outcome, entry.partition);
        return;
      }
      if ((await durably(() => books.dequeue(name, stream, head.id))) === 'empty') break;
    }
    waiting.delete(stream);
    onChange();
  };

  const launch = async (entry: Waiting): Promise<void> => {
    entry.draining = true;
    draining += 1;
    await inLane(entry.stream, () => drain(entry.stream));
    entry.draining = false;
    draining -= 1;
    drained.wake();
    dueRest.poke();
  };
  const isDue = (entry: Waiting): boolean =>
    entry.state === 'retrying' && !entry.draining && entry.dueAtMs <= nowMs();

  const runDue = async (): Promise<void> => {
    while (!halt.aborted) {
      const due = [...waiting.values()].filter(isDue).sort((a, b) => a.dueAtMs - b.dueAtMs);
      for (const entry of due) {
        while (draining >= parallel && !halt.aborted) await drained.next();
        if (halt.aborted) return;
        if (waiting.get(entry.stream) === entry && isDue(entry)) void launch(entry);
      }
      let earliest = Infinity;
      for (const entry of waiting.values())
        if (entry.state === 'retrying' && !entry.draining) earliest = Math.min(earliest, entry.dueAtMs);
      await dueRest.sleep(earliest === Infinity ? undefined : Math.max(0, earliest - nowMs()));
    }
  };

  /** What another process has done to a stream that is parked here: retried or discarded by a script. */
  const refresh = async (entry: Waiting): Promise<void> => {
    if (waiting.get(entry.stream) !== entry || entry.state !== 'parked') return;
    const blocked = await durably(() => books.blocked(entry.id));
    if (!blocked) makeDue(entry);
    else if (blocked.state === 'retrying') keep(blocked, entry.partition);
  };
  /** A page of what is parked in the books a second: what is parked here and not there has changed. */
  const look = async (after: string | undefined): Promise<string | undefined> => {
    const page = await books.findBlocked(
      { consumer: name, state: 'parked' },
      after === undefined ? { limit: LOOK_PAGE } : { after, limit: LOOK_PAGE },
    );
    const there = new Set(page.items.map(({ id }) => id));
    const last = page.next === null ? undefined : page.items.at(-1)?.id;
    for (const entry of waiting.values()) {
      const covered = (after === undefined || entry.id > after) && (last === undefined || entry.id <= last);
      if (entry.state === 'parked' && covered && !there.has(entry.id))
        void inLane(entry.stream, () => refresh(entry));
    }
    return page.next ?? undefined;
  };
  const anyParked = (): boolean => {
    for (const entry of waiting.values()) if (entry.state === 'parked') return true;
    return false;
  };
  const runLook = async (): Promise<void> => {
    for (let after: string | undefined; !halt.aborted;) {
      await lookRest.sleep(anyParked() ? LOOK_EVERY_MS : undefined);
      if (halt.aborted) return;
      try {
        after = await look(after);
      } catch (error) {
        logger.warn(
          { consumer: name, error: nameOf(error) },
          'what is parked could not be read; looking again',
        );
      }
    }
  };

  const operate =
    (
      type: 'ParkedEventRetried' | 'ParkedEventDiscarded',
      act: (books: Bookkeeping, id: string, now: Date) => Promise<boolean>,
    ): Queues['retry'] =>
    async (id, { actor, reason }) => {
      const found = await books.blocked(id);
      if (found?.consumer !== name) return false;
      return lanes.run(found.stream, async () => {
        if (halt.aborted) throw new Error(`consumer ${name} is not running`);
        const blocked = await books.blocked(id);
        if (blocked?.state !== 'parked') return false;
        const now = clock.now();
        await audit(parkingEntry(type, blocked, { actor, why: reason, at: now.toISOString() }));
        await act(books, id, now);
        const left = await books.blocked(id);
        if (left) keep(left, undefined);
        else waiting.delete(found.stream);
        onChange();
        return true;
      });
    };

  /**
   * A script discarded what was parked while `event` was queued behind it: without a record nobody would come
   * back to the queue.
   */
  const blockAgain = async (event: EventEnvelope, partition: string): Promise<void> => {
    const head = (await durably(() => books.head(name, event.stream))) ?? event;
    const now = clock.now();
    const history = { attempts: 0, firstAtMs: now.getTime(), pausedMs: pausedMs() };
    const blocked = blockedBy(name, head, new Error('not tried yet'), history, now, {
      state: 'retrying',
      dueAt: now.toISOString(),
    });
    await durably(() => books.block(blocked));
    keep(blocked, partition);
  };

  return {
    async load() {
      for await (const blocked of blockedOf(books, name)) {
        if (waiting.has(blocked.stream)) continue;
        const entry = keep(blocked, undefined);
        // A crash between dropping a parked head and writing down the next one.
        if (entry.state === 'parked' && (await books.head(name, blocked.stream))?.id !== blocked.event.id)
          makeDue(entry);
      }
    },
    async behind(event, partition) {
      const entry = waiting.get(event.stream);
      if (!entry) return false;
      entry.partition = partition;
      // Not behind the head: handled before a crash and delivered again, or the head itself.
      if (event.revision <= entry.headRevision) return true;
      await durably(() => books.enqueue(name, event.stream, event));
      if (entry.state === 'parked' && !(await durably(() => books.blocked(entry.id))))
        await blockAgain(event, partition);
      return true;
    },
    settle,
    retry: operate('ParkedEventRetried', retryParkedIn),
    discard: operate('ParkedEventDiscarded', discardParkedIn),
    forget(partition) {
      for (const entry of waiting.values())
        if (entry.partition === partition && !entry.draining) waiting.delete(entry.stream);
    },
    counts() {
      let [retrying, parked] = [0, 0];
      let oldest: Waiting | undefined;
      for (const entry of waiting.values()) {
        if (entry.state === 'parked') parked += 1;
        else retrying += 1;
        if (!oldest || entry.history.firstAtMs < oldest.history.firstAtMs) oldest = entry;
      }
      return {
        retrying,
        parked,
        oldest: oldest && {
          id: oldest.id,
          stream: oldest.stream,
          since: new Date(oldest.history.firstAtMs).toISOString(),
        },
      };
    },
    due: () => [...waiting.values()].some(isDue),
    async run() {
      await Promise.all([runDue(), runLook()]);
    },
  };
};

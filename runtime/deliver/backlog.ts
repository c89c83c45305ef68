/** The lanes of one consumer that are blocked: in the books durably, here what is needed to find them. */
import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import type { Blocked, Bookkeeping } from '../../ports/bookkeeping.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { backoffMs, isRetriable, nameOf } from '../retry.ts';
import { rest } from '../wake.ts';
import type { FailedFor } from './attempt.ts';
import {
  blockedBy,
  blockedOf,
  discardParkedIn,
  parkingEntry,
  retryParkedIn,
  type History,
  type ParkingEntry,
} from './blocked.ts';
import { Halted, type Lanes } from './lanes.ts';

const LOOK_EVERY_MS = 1_000;
const LOOK_PAGE = 1_000;
const BOOKS_RETRY_CAP_MS = 5_000;
const SYSTEM: Actor = { id: 'consumer-runtime', role: 'system' };

export type BacklogOptions = Readonly<{
  /** The consumer's name. */
  name: string;
  books: Bookkeeping;
  clock: Clock;
  log: Log;
  lanes: Lanes;
  /** Aborts when the consumer ends. */
  halt: AbortSignal;
  audit(entry: ParkingEntry): Promise<void>;
  /** How long the breaker has been open so far. */
  pausedMs(): number;
  onChange(): void;
}>;

/** A blocked lane; its events stay in the books. */
export type BlockedLane = {
  readonly id: string;
  readonly stream: string;
  state: Blocked['state'];
  dueAtMs: number;
  headId: string;
  headRevision: number;
  history: History;
  /** Its events are being worked off, or wait for their turn. */
  draining: boolean;
  /** Where its events come from, once known: it goes when the partition is taken away. */
  partition: string | undefined;
};
export type Counts = Readonly<{
  retrying: number;
  parked: number;
  oldest: Readonly<{ id: string; stream: string; since: string }> | undefined;
}>;
type By = Readonly<{ actor: Actor; reason: string }>;

export type Backlog = Readonly<{
  /** Reads what is blocked from the books, beside what is known. */
  load(): Promise<void>;
  /** In the event's lane: puts `event` behind what blocks it. False when nothing does. */
  queueBehind(event: EventEnvelope, partition: string): Promise<boolean>;
  /** In the event's lane: the event failed and is retried later, or parked, its lane behind it. */
  block(failed: FailedFor, partition: string | undefined): Promise<void>;
  /** Lanes to be tried now, the one that has waited longest first. */
  due(): readonly BlockedLane[];
  isDue(lane: BlockedLane): boolean;
  /** Resolves when a lane falls due, or one may have. */
  untilDue(): Promise<void>;
  /** Lets `untilDue` look again. */
  poke(): void;
  /** In the lane: its first event, with how often it has failed if it is the one that blocks. */
  head(
    lane: BlockedLane,
  ): Promise<Readonly<{ event: EventEnvelope; history: History | undefined }> | undefined>;
  /** In the lane: its first event is done. False when nothing is left behind it. */
  pass(lane: BlockedLane, event: EventEnvelope): Promise<boolean>;
  /** In the lane: nothing is left. */
  unblock(lane: BlockedLane): void;
  of(stream: string): BlockedLane | undefined;
  /** By an operator; audited. False when nothing of this consumer is parked under `id`. */
  retryParked(id: string, by: By): Promise<boolean>;
  discardParked(id: string, by: By): Promise<boolean>;
  /** Another process follows `partition` now. */
  forget(partition: string): void;
  counts(): Counts;
  /** Takes up what other processes do to parked lanes, until the consumer ends. */
  watch(): Promise<void>;
  /** Repeats a write to the books until it succeeds; throws Halted when the consumer ends first. */
  durably<T>(act: () => Promise<T>): Promise<T>;
}>;

export const createBacklog = (options: BacklogOptions): Backlog => {
  const { name, books, clock, log, lanes, halt, audit, pausedMs, onChange } = options;
  const blockedLanes = new Map<string, BlockedLane>();
  const dueRest = rest(clock);
  const lookRest = rest(clock);
  const nowMs = (): number => clock.now().getTime();
  halt.addEventListener('abort', () => {
    dueRest.poke();
    lookRest.poke();
  });

  const durably: Backlog['durably'] = async (act) => {
    for (let failures = 1; ; failures++) {
      try {
        return await act();
      } catch (error) {
        if (halt.aborted) throw new Halted();
        if (!isRetriable(error)) throw error;
        log.warn(
          { consumer: name, failures, error: nameOf(error) },
          'the books cannot be written; trying again',
        );
        await clock.sleep(Math.min(BOOKS_RETRY_CAP_MS, backoffMs(failures, 1)), halt);
      }
    }
  };

  const keep = (blocked: Blocked, partition: string | undefined): BlockedLane => {
    const { id, stream, state, dueAt, event, attempts, firstAt } = blocked;
    const kept: BlockedLane = {
      id,
      stream,
      state,
      dueAtMs: dueAt === undefined ? 0 : Date.parse(dueAt),
      headId: event.id,
      headRevision: event.revision,
      history: { attempts, firstAtMs: Date.parse(firstAt), pausedMs: pausedMs() },
      draining: false,
      partition: partition ?? blockedLanes.get(stream)?.partition,
    };
    blockedLanes.set(stream, kept);
    (state === 'parked' ? lookRest : dueRest).poke();
    return kept;
  };
  const makeDue = (lane: BlockedLane): void => {
    lane.state = 'retrying';
    lane.dueAtMs = nowMs();
    dueRest.poke();
  };
  const isDue = (lane: BlockedLane): boolean =>
    lane.state === 'retrying' && !lane.draining && lane.dueAtMs <= nowMs();

  /** The event is queued as well as named: where events were replayed to the stream meanwhile, it is not the head. */
  const write = async (blocked: Blocked): Promise<void> => {
    await durably(() => books.block(blocked));
    await durably(() => books.enqueue(name, blocked.stream, blocked.event));
  };

  /**
   * A script discarded what was parked while `event` was queued behind it: without a record nobody would come
   * back to the queue.
   */
  const blockAgain = async (event: EventEnvelope, partition: string): Promise<void> => {
    const head = (await durably(() => books.head(name, event.stream))) ?? event;
    const now = clock.now();
    const history = { attempts: 0, firstAtMs: now.getTime(), pausedMs: pausedMs() };
    const again = { state: 'retrying', dueAt: now.toISOString() } as const;
    const blocked = blockedBy(name, head, new Error('not tried yet'), history, now, again);
    await durably(() => books.block(blocked));
    keep(blocked, partition);
  };

  /** What another process has done to a lane that is parked here: retried or discarded by a script. */
  const refresh = async (lane: BlockedLane): Promise<void> => {
    if (blockedLanes.get(lane.stream) !== lane || lane.state !== 'parked') return;
    const blocked = await durably(() => books.blocked(lane.id));
    if (!blocked) makeDue(lane);
    else if (blocked.state === 'retrying') keep(blocked, lane.partition);
  };
  /** A page of what is parked in the books: what is parked here and not there has changed. */
  const look = async (after: string | undefined): Promise<string | undefined> => {
    const page = await books.findBlocked(
      { consumer: name, state: 'parked' },
      after === undefined ? { limit: LOOK_PAGE } : { after, limit: LOOK_PAGE },
    );
    const there = new Set(page.items.map(({ id }) => id));
    const last = page.next === null ? undefined : page.items.at(-1)?.id;
    for (const lane of blockedLanes.values()) {
      const covered = (after === undefined || lane.id > after) && (last === undefined || lane.id <= last);
      if (lane.state === 'parked' && covered && !there.has(lane.id))
        void lanes.start(lane.stream, () => refresh(lane));
    }
    return page.next ?? undefined;
  };
  const anyParked = (): boolean => {
    for (const lane of blockedLanes.values()) if (lane.state === 'parked') return true;
    return false;
  };

  const operate =
    (
      type: 'ParkedEventRetried' | 'ParkedEventDiscarded',
      act: (kept: Bookkeeping, id: string, now: Date) => Promise<boolean>,
    ): Backlog['retryParked'] =>
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
        else blockedLanes.delete(found.stream);
        onChange();
        return true;
      });
    };

  return {
    durably,
    async load() {
      for await (const blocked of blockedOf(books, name)) {
        if (blockedLanes.has(blocked.stream)) continue;
        const lane = keep(blocked, undefined);
        // A crash between dropping a parked head and writing down the next one.
        if (lane.state === 'parked' && (await books.head(name, blocked.stream))?.id !== blocked.event.id)
          makeDue(lane);
      }
    },

    async queueBehind(event, partition) {
      const lane = blockedLanes.get(event.stream);
      if (!lane) return false;
      lane.partition = partition;
      // Not behind the head: handled before a crash and delivered again, or the head itself.
      if (event.revision <= lane.headRevision) return true;
      await durably(() => books.enqueue(name, event.stream, event));
      if (lane.state === 'parked' && !(await durably(() => books.blocked(lane.id))))
        await blockAgain(event, partition);
      return true;
    },

    async block({ event, error, history, verdict }, partition) {
      const now = clock.now();
      const { stream, revision, type } = event;
      const about = {
        consumer: name,
        stream,
        revision,
        type,
        attempts: history.attempts,
        error: nameOf(error),
      };
      if (verdict.do === 'retry') {
        const dueAt = new Date(now.getTime() + verdict.afterMs).toISOString();
        const blocked = blockedBy(name, event, error, history, now, { state: 'retrying', dueAt });
        await write(blocked);
        keep(blocked, partition).history = history;
        log.warn({ ...about, dueAt }, 'an event failed and will be tried again; its stream waits');
      } else {
        const blocked = blockedBy(name, event, error, history, now, { state: 'parked' });
        // Audited first: a crash between the two repeats the entry, the other way round it would be missing
        // for ever.
        const entry = { actor: SYSTEM, why: verdict.why, at: now.toISOString() };
        await durably(() => audit(parkingEntry('EventParked', blocked, entry)));
        await write(blocked);
        keep(blocked, partition);
        log.error(
          { ...about, id: blocked.id, why: verdict.why },
          'an event is parked; its stream waits for an operator',
        );
      }
      onChange();
    },

    due: () => [...blockedLanes.values()].filter(isDue).sort((a, b) => a.dueAtMs - b.dueAtMs),
    isDue: (lane) => blockedLanes.get(lane.stream) === lane && isDue(lane),
    async untilDue() {
      let earliest = Infinity;
      for (const lane of blockedLanes.values())
        if (lane.state === 'retrying' && !lane.draining) earliest = Math.min(earliest, lane.dueAtMs);
      await dueRest.sleep(earliest === Infinity ? undefined : Math.max(0, earliest - nowMs()));
    },
    poke: dueRest.poke,
    of: (stream) => blockedLanes.get(stream),

    async head(lane) {
      const event = await durably(() => books.head(name, lane.stream));
      if (!event) return undefined;
      const history = event.id === lane.headId ? lane.history : undefined;
      lane.headId = event.id;
      lane.headRevision = event.revision;
      return { event, history };
    },
    pass: async (lane, event) => (await durably(() => books.dequeue(name, lane.stream, event.id))) === 'more',
    unblock({ stream }) {
      blockedLanes.delete(stream);
      onChange();
    },

    retryParked: operate('ParkedEventRetried', retryParkedIn),
    discardParked: operate('ParkedEventDiscarded', discardParkedIn),

    forget(partition) {
      for (const lane of blockedLanes.values())
        if (lane.partition === partition && !lane.draining) blockedLanes.delete(lane.stream);
    },
    counts() {
      let [retrying, parked] = [0, 0];
      let oldest: BlockedLane | undefined;
      for (const lane of blockedLanes.values()) {
        if (lane.state === 'parked') parked += 1;
        else retrying += 1;
        if (!oldest || lane.history.firstAtMs < oldest.history.firstAtMs) oldest = lane;
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

    async watch() {
      for (let after: string | undefined; !halt.aborted;) {
        await lookRest.sleep(anyParked() ? LOOK_EVERY_MS : undefined);
        if (halt.aborted) return;
        try {
          after = await look(after);
        } catch (error) {
          log.warn(
            { consumer: name, error: nameOf(error) },
            'what is parked could not be read; looking again',
          );
        }
      }
    },
  };
};

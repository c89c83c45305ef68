/** The lanes of one consumer that are blocked: kept durably, here what is needed to find them. */
import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../../ports/blocked-lanes.ts';
import type { Assignment } from '../../ports/event-feed.ts';
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
  type Lane,
  type ParkingEntry,
} from './blocked.ts';
import { Halted, type Lanes } from './lanes.ts';

const LOOK_EVERY_MS = 1_000;
const LOOK_PAGE = 1_000;
const LONGEST_WAIT_MS = 5_000;
const SYSTEM: Actor = { id: 'consumer-runtime', role: 'system' };

export type BacklogOptions = Readonly<{
  /** The consumer's name. */
  name: string;
  blockedLanes: BlockedLanes;
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

/** A lane in this process: what it is called, and whose partition it is in. */
export type LaneHere = Readonly<{ name: string; key: string; assignment: Assignment }>;
export const laneIn = (assignment: Assignment, key: string): LaneHere => ({
  name: `${assignment.partition}\n${key}`,
  key,
  assignment,
});

/** A lane that is blocked; its events stay where they are kept. */
export type Waiting = {
  readonly id: string;
  readonly lane: LaneHere;
  readonly stream: string;
  state: BlockedLane['state'];
  dueAtMs: number;
  headId: string;
  headPosition: string;
  history: History;
  /** Its events are being worked off, or wait for their turn. */
  draining: boolean;
};
export type Counts = Readonly<{
  retrying: number;
  parked: number;
  oldest: Readonly<{ id: string; stream: string; since: string }> | undefined;
}>;
type By = Readonly<{ actor: Actor; reason: string }>;

export type Backlog = Readonly<{
  /** Reads what is blocked in a partition that was assigned. */
  load(assignment: Assignment): Promise<void>;
  /** In the event's lane: puts `event` behind what blocks it. False when nothing does. */
  queueBehind(event: EventEnvelope, lane: LaneHere): Promise<boolean>;
  /** In the event's lane: the event failed and is retried later, or parked, its lane behind it. */
  block(failed: FailedFor, lane: LaneHere): Promise<void>;
  /** Lanes to be tried now, the one that has waited longest first. */
  due(): readonly Waiting[];
  isDue(waiting: Waiting): boolean;
  /** Resolves when a lane falls due, or one may have. */
  untilDue(): Promise<void>;
  /** Lets `untilDue` look again. */
  poke(): void;
  /** In the lane: its first event, with how often it has failed if it is the one that blocks. */
  head(
    waiting: Waiting,
  ): Promise<Readonly<{ event: EventEnvelope; history: History | undefined }> | undefined>;
  /** In the lane: its first event is done. False when nothing is left behind it. */
  pass(waiting: Waiting, event: EventEnvelope): Promise<boolean>;
  /** In the lane: nothing is left. */
  unblock(waiting: Waiting): void;
  of(lane: LaneHere): Waiting | undefined;
  /** By an operator; audited. False when nothing of this consumer is parked here under `id`. */
  retryParked(id: string, by: By): Promise<boolean>;
  discardParked(id: string, by: By): Promise<boolean>;
  /** The partition is gone. */
  forget(assignment: Assignment): void;
  counts(): Counts;
  /** Takes up what other processes do to parked lanes, until the consumer ends. */
  watch(): Promise<void>;
}>;

export const createBacklog = (options: BacklogOptions): Backlog => {
  const { name, blockedLanes, clock, log, lanes, halt, audit, pausedMs, onChange } = options;
  const here = new Map<string, Waiting>();
  const dueRest = rest(clock);
  const lookRest = rest(clock);
  const nowMs = (): number => clock.now().getTime();
  halt.addEventListener('abort', () => {
    dueRest.poke();
    lookRest.poke();
  });

  /** Repeats a write until it succeeds; throws Halted when the partition is gone, or the consumer ends, before that. */
  const durably = async <T>({ signal }: Assignment, act: () => Promise<T>): Promise<Exclude<T, 'fenced'>> => {
    for (let failures = 1; ; failures++) {
      try {
        const done = await act();
        if (done === 'fenced') throw new Halted();
        return done as Exclude<T, 'fenced'>;
      } catch (error) {
        if (halt.aborted || signal.aborted) throw new Halted();
        if (!isRetriable(error)) throw error;
        log.warn(
          { consumer: name, failures, error: nameOf(error) },
          'what is blocked cannot be written or read; trying again',
        );
        await clock.sleep(Math.min(LONGEST_WAIT_MS, backoffMs(failures, 1)), AbortSignal.any([halt, signal]));
      }
    }
  };
  const kept = ({ key, assignment: { partition } }: LaneHere): Lane => ({ consumer: name, partition, key });

  /** What comes back from the disk once the partition is gone is another's: kept here, nobody would forget it. */
  const keep = (blocked: BlockedLane, lane: LaneHere): Waiting => {
    if (lane.assignment.signal.aborted) throw new Halted();
    const { id, state, dueAt, event, attempts, firstAt } = blocked;
    const waiting: Waiting = {
      id,
      lane,
      stream: event.stream,
      state,
      dueAtMs: dueAt === undefined ? 0 : Date.parse(dueAt),
      headId: event.id,
      headPosition: event.position,
      history: { attempts, firstAtMs: Date.parse(firstAt), pausedMs: pausedMs() },
      draining: false,
    };
    here.set(lane.name, waiting);
    (state === 'parked' ? lookRest : dueRest).poke();
    return waiting;
  };
  const makeDue = (waiting: Waiting): void => {
    waiting.state = 'retrying';
    waiting.dueAtMs = nowMs();
    dueRest.poke();
  };
  const isDue = (waiting: Waiting): boolean =>
    waiting.state === 'retrying' && !waiting.draining && waiting.dueAtMs <= nowMs();

  const write = (blocked: BlockedLane, { assignment }: LaneHere): Promise<'kept'> =>
    durably(assignment, () => blockedLanes.block(blocked, assignment.fence));

  /**
   * A script discarded what was parked while `event` was queued behind it: without a record nobody would come
   * back to the queue.
   */
  const blockAgain = async (event: EventEnvelope, lane: LaneHere, id: string): Promise<void> => {
    const head = (await durably(lane.assignment, () => blockedLanes.head(id))) ?? event;
    const now = clock.now();
    const history = { attempts: 0, firstAtMs: now.getTime(), pausedMs: pausedMs() };
    const again = { state: 'retrying', dueAt: now.toISOString() } as const;
    const blocked = blockedBy(kept(lane), head, new Error('not tried yet'), history, now, again);
    await write(blocked, lane);
    keep(blocked, lane);
  };

  /** What another process has done to a lane that is parked here: retried or discarded by a script. */
  const refresh = async (waiting: Waiting): Promise<void> => {
    const { id, lane } = waiting;
    if (here.get(lane.name) !== waiting || waiting.state !== 'parked') return;
    const blocked = await durably(lane.assignment, () => blockedLanes.get(id));
    if (!blocked) makeDue(waiting);
    else if (blocked.state === 'retrying') keep(blocked, lane);
  };
  /** A page of what is kept as parked: what is parked here and not there has changed. */
  const look = async (after: string | undefined): Promise<string | undefined> => {
    const page = await blockedLanes.find(
      { consumer: name, state: 'parked' },
      after === undefined ? { limit: LOOK_PAGE } : { after, limit: LOOK_PAGE },
    );
    const there = new Set(page.items.map(({ id }) => id));
    const last = page.next === null ? undefined : page.items.at(-1)?.id;
    for (const waiting of here.values()) {
      const { id, state, lane } = waiting;
      const covered = (after === undefined || id > after) && (last === undefined || id <= last);
      if (state === 'parked' && covered && !there.has(id))
        void lanes.start(lane.name, () => refresh(waiting));
    }
    return page.next ?? undefined;
  };
  const anyParked = (): boolean => {
    for (const { state } of here.values()) if (state === 'parked') return true;
    return false;
  };

  const operate =
    (
      type: 'ParkedEventRetried' | 'ParkedEventDiscarded',
      act: (blocked: BlockedLanes, id: string, now: Date) => Promise<boolean>,
    ): Backlog['retryParked'] =>
    async (id, { actor, reason }) => {
      const found = [...here.values()].find((waiting) => waiting.id === id);
      if (!found) return false;
      const { lane } = found;
      return lanes.run(lane.name, async () => {
        if (halt.aborted) throw new Error(`consumer ${name} is not running`);
        const blocked = await blockedLanes.get(id);
        if (blocked?.state !== 'parked') return false;
        const now = clock.now();
        await audit(parkingEntry(type, blocked, { actor, why: reason, at: now.toISOString() }));
        await act(blockedLanes, id, now);
        const left = await blockedLanes.get(id);
        if (left) keep(left, lane);
        else here.delete(lane.name);
        onChange();
        return true;
      });
    };

  return {
    async load(assignment) {
      const { partition } = assignment;
      await durably(assignment, async () => {
        for await (const blocked of blockedOf(blockedLanes, name)) {
          if (blocked.partition !== partition) continue;
          const lane = laneIn(assignment, blocked.key);
          if (here.has(lane.name)) continue;
          const waiting = keep(blocked, lane);
          // A crash between dropping a parked head and writing down the next one.
          if (waiting.state === 'parked' && (await blockedLanes.head(blocked.id))?.id !== blocked.event.id)
            makeDue(waiting);
        }
      });
    },

    async queueBehind(event, lane) {
      const waiting = here.get(lane.name);
      if (!waiting) return false;
      // Not behind the head: handled before a crash and delivered again, or the head itself.
      if (event.position <= waiting.headPosition) return true;
      const { id } = waiting;
      await durably(lane.assignment, () => blockedLanes.enqueue(id, event, lane.assignment.fence));
      if (waiting.state === 'parked' && !(await durably(lane.assignment, () => blockedLanes.get(id))))
        await blockAgain(event, lane, id);
      return true;
    },

    async block({ event, error, history, verdict }, lane) {
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
        const blocked = blockedBy(kept(lane), event, error, history, now, { state: 'retrying', dueAt });
        await write(blocked, lane);
        keep(blocked, lane).history = history;
        log.warn({ ...about, dueAt }, 'an event failed and will be tried again; its lane waits');
      } else {
        const blocked = blockedBy(kept(lane), event, error, history, now, { state: 'parked' });
        // Audited first: a crash between the two repeats the entry, the other way round it would be missing
        // for ever.
        const entry = { actor: SYSTEM, why: verdict.why, at: now.toISOString() };
        await durably(lane.assignment, () => audit(parkingEntry('EventParked', blocked, entry)));
        await write(blocked, lane);
        keep(blocked, lane);
        log.error(
          { ...about, id: blocked.id, why: verdict.why },
          'an event is parked; its lane waits for an operator',
        );
      }
      onChange();
    },

    due: () => [...here.values()].filter(isDue).sort((a, b) => a.dueAtMs - b.dueAtMs),
    isDue: (waiting) => here.get(waiting.lane.name) === waiting && isDue(waiting),
    async untilDue() {
      let earliest = Infinity;
      for (const waiting of here.values())
        if (waiting.state === 'retrying' && !waiting.draining) earliest = Math.min(earliest, waiting.dueAtMs);
      await dueRest.sleep(earliest === Infinity ? undefined : Math.max(0, earliest - nowMs()));
    },
    poke: dueRest.poke,
    of: ({ name: lane }) => here.get(lane),

    async head(waiting) {
      const event = await durably(waiting.lane.assignment, () => blockedLanes.head(waiting.id));
      if (!event) return undefined;
      const history = event.id === waiting.headId ? waiting.history : undefined;
      waiting.headId = event.id;
      waiting.headPosition = event.position;
      return { event, history };
    },
    async pass({ id, lane: { assignment } }, event) {
      return (
        (await durably(assignment, () => blockedLanes.dequeue(id, event.id, assignment.fence))) === 'more'
      );
    },
    unblock({ lane }) {
      here.delete(lane.name);
      onChange();
    },

    retryParked: operate('ParkedEventRetried', retryParkedIn),
    discardParked: operate('ParkedEventDiscarded', discardParkedIn),

    forget(assignment) {
      for (const { lane } of here.values()) if (lane.assignment === assignment) here.delete(lane.name);
    },
    counts() {
      let [retrying, parked] = [0, 0];
      let oldest: Waiting | undefined;
      for (const waiting of here.values()) {
        if (waiting.state === 'parked') parked += 1;
        else retrying += 1;
        if (!oldest || waiting.history.firstAtMs < oldest.history.firstAtMs) oldest = waiting;
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

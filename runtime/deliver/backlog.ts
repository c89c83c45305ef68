/** The lanes of one consumer that are blocked: kept durably, here what is needed to find them. */
import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../../ports/blocked-lanes.ts';
import type { Assignment, EventFeed } from '../../ports/event-feed.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { backoffMs, isRetriable, nameOf } from '../retry.ts';
import { rest } from '../wake.ts';
import type { FailedFor } from './attempt.ts';
import {
  blockedBy,
  blockedOf,
  dueNow,
  moveLane,
  parkingEntry,
  type History,
  type Lane,
  type ParkingEntry,
} from './blocked.ts';
import { Halted, type Lanes } from './lanes.ts';
import type { By, ParkedRequest } from './parked.ts';

const LONGEST_WAIT_MS = 5_000;
const AUDITED = { retry: 'ParkedEventRetried', discard: 'ParkedEventDiscarded' } as const;
const SYSTEM: Actor = { id: 'consumer-runtime', role: 'system' };

export type BacklogOptions = Readonly<{
  /** The consumer's name. */
  name: string;
  blockedLanes: BlockedLanes;
  clock: Clock;
  log: Log;
  lanes: Lanes;
  /** Which partition a blocked lane is in, as the feed says. */
  homeOf: EventFeed['homeOf'];
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
  state: BlockedLane['state'];
  dueAtMs: number;
  headId: string;
  headPosition: string;
  history: History;
  /** Its events are being worked off, or wait for their turn. */
  draining: boolean;
};
export type Backlog = Readonly<{
  /** Reads what is blocked in a partition that was assigned. */
  load(assignment: Assignment): Promise<void>;
  /** In the event's lane: puts `event` behind what blocks it. False when nothing does. */
  queueBehind(event: EventEnvelope, lane: LaneHere): Promise<boolean>;
  /** In the event's lane: the same for an event that is handed over again, which comes before what is newer. */
  queueAgain(event: EventEnvelope, lane: LaneHere): Promise<boolean>;
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
  /** For an operator, in the lane; audited. False when nothing is parked under `id` in this partition. */
  operate(act: ParkedRequest['do'], id: string, assignment: Assignment, by: By): Promise<boolean>;
  /** The partition is gone. */
  forget(assignment: Assignment): void;
  /** Lanes that wait. */
  size(): number;
}>;

export const createBacklog = (options: BacklogOptions): Backlog => {
  const { name, blockedLanes, clock, log, lanes, homeOf, halt, audit, pausedMs, onChange } = options;
  const here = new Map<string, Waiting>();
  const dueRest = rest(clock);
  const nowMs = (): number => clock.now().getTime();
  halt.addEventListener('abort', dueRest.poke);

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
      state,
      dueAtMs: dueAt === undefined ? 0 : Date.parse(dueAt),
      headId: event.id,
      headPosition: event.position,
      history: { attempts, firstAtMs: Date.parse(firstAt), pausedMs: pausedMs() },
      draining: false,
    };
    here.set(lane.name, waiting);
    dueRest.poke();
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

  /** Drops the parked event; the record of what waits behind it, if anything does. */
  const discard = async (blocked: BlockedLane, lane: LaneHere): Promise<BlockedLane | undefined> => {
    const { id, event } = blocked;
    const { assignment } = lane;
    if ((await durably(assignment, () => blockedLanes.dequeue(id, event.id, assignment.fence))) === 'empty')
      return undefined;
    const next = await durably(assignment, () => blockedLanes.head(id));
    return next && { ...blocked, event: next, error: { message: 'not tried yet', stack: '' } };
  };
  const operateIn = async (
    act: ParkedRequest['do'],
    id: string,
    lane: LaneHere,
    { actor, reason }: By,
  ): Promise<boolean> => {
    const found = await durably(lane.assignment, () => blockedLanes.get(id));
    if (found?.state !== 'parked') return false;
    const { queued: _queued, ...blocked } = found;
    const now = clock.now();
    // Audited first: a crash between the two repeats the entry, the other way round it would be missing for ever.
    const entry = parkingEntry(AUDITED[act], blocked, { actor, why: reason, at: now.toISOString() });
    await durably(lane.assignment, () => audit(entry));
    const left = act === 'retry' ? blocked : await discard(blocked, lane);
    if (left) {
      const due = dueNow(left, now);
      await write(due, lane);
      keep(due, lane);
    } else here.delete(lane.name);
    onChange();
    return true;
  };

  return {
    async load(assignment) {
      const { partition, fence } = assignment;
      // Whoever held it before and does not know yet adds nothing to what is read here.
      if (fence) await durably(assignment, () => blockedLanes.guard(fence));
      await durably(assignment, async () => {
        for await (const blocked of blockedOf(blockedLanes, { consumer: name })) {
          if (homeOf(blocked.partition, blocked.event.stream) !== partition) continue;
          const lane = laneIn(assignment, blocked.key);
          if (here.has(lane.name)) continue;
          const found =
            blocked.partition === partition
              ? blocked
              : await moveLane(blockedLanes, blocked, kept(lane), fence);
          if (found === 'fenced') return found;
          const waiting = keep(found, lane);
          if (waiting.state !== 'parked') continue;
          const head = await blockedLanes.head(found.id);
          // A crash between dropping a parked head and writing down the next one.
          if (!head || head.position > found.event.position) makeDue(waiting);
        }
        return undefined;
      });
    },

    async queueBehind(event, lane) {
      const waiting = here.get(lane.name);
      if (!waiting) return false;
      // Not behind the head: handled before a crash and delivered again, or the head itself.
      if (event.position <= waiting.headPosition) return true;
      await durably(lane.assignment, () => blockedLanes.enqueue(waiting.id, event, lane.assignment.fence));
      return true;
    },

    async queueAgain(event, lane) {
      const waiting = here.get(lane.name);
      if (!waiting) return false;
      await durably(lane.assignment, () => blockedLanes.enqueue(waiting.id, event, lane.assignment.fence));
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
        // Audited first, as above.
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

    async operate(act, id, assignment, by) {
      const blocked = await durably(assignment, () => blockedLanes.get(id));
      if (blocked?.consumer !== name || blocked.partition !== assignment.partition) return false;
      const lane = laneIn(assignment, blocked.key);
      return lanes.run(lane.name, () => operateIn(act, id, lane, by));
    },

    forget(assignment) {
      for (const { lane } of here.values()) if (lane.assignment === assignment) here.delete(lane.name);
    },
    size: () => here.size,
  };
};

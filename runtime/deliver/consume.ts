import { setMaxListeners } from 'node:events';
import type { EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedLanes } from '../../ports/blocked-lanes.ts';
import type { Consumer } from '../../ports/consumer.ts';
import type { Controls } from '../../ports/controls.ts';
import {
  UNREADABLE,
  type Assignment,
  type Batch,
  type EventFeed,
  type FeedSubscription,
} from '../../ports/event-feed.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Schedule } from '../../ports/schedule.ts';
import type { Clock, Log, Randomness } from '../../ports/system.ts';
import type { Leased } from '../lease.ts';
import { nameOf } from '../retry.ts';
import { carryOutAsked } from './asked.ts';
import { createAttempt, createGate, type FailedFor } from './attempt.ts';
import { createBacklog, laneIn, type LaneHere } from './backlog.ts';
import { runBeside } from './beside.ts';
import type { ParkingEntry } from './blocked.ts';
import { samplingBreaker, type BreakerState } from './breaker.ts';
import { createLanes, createWindow, Halted, type Taken, type Window } from './lanes.ts';
import { createPasses } from './passes.ts';
import { watchPause, type Pause } from './pause.ts';
import { runRetries } from './retries.ts';
import { rest, waker } from '../wake.ts';

export type ConsumeOptions = Readonly<{
  consumer: Consumer;
  feed: EventFeed;
  /** For what is handed over again. */
  store: Pick<EventStore, 'readAll' | 'readStream'>;
  blockedLanes: BlockedLanes;
  schedule: Schedule;
  controls: Controls;
  leased: Leased;
  clock: Clock;
  randomness: Randomness;
  log: Log;
  /** Writes down that something is parked, retried or discarded, before it is; a crash may repeat it. */
  audit(entry: ParkingEntry): Promise<void>;
  /** How long `close` lets running handlers go on before their signal aborts. */
  drainMs?: number;
}>;

export type ConsumerStatus = Readonly<{
  name: string;
  /**
   * standby: another process runs it. paused: by an operator, or the outside is down and the breaker open. stopped:
   * closed, or by itself, and then `why` says so.
   */
  state: 'running' | 'standby' | 'paused' | 'stopped';
  why: string | undefined;
  /** By an operator; it may have handlers that run until they end. */
  paused?: Pause;
  /** Handlers running now. */
  inFlight: number;
  /** Events taken on and not finished. */
  unfinished: number;
  /** ISO 8601: when the last event was finished. */
  lastEventAt: string | undefined;
  /** Lanes that wait, in partitions that are held here. */
  blocked: number;
  /** Failed attempts that were, or will be, made again, since the start. */
  retries: number;
  breaker: BreakerState;
}>;

export type RunningConsumer = Readonly<{
  /** Starts no more handlers, lets those that run finish within `drainMs`, saves commits. */
  close(): Promise<void>;
  status(): ConsumerStatus;
  /**
   * Resolves at the tail with nothing in flight (what is parked, or to be retried later, aside), or once
   * stopped; not while it stands by.
   */
  idle(): Promise<void>;
}>;

const BATCH = 256;
const DRAIN_MS = 10_000;
/** How long a handler that was told to stop may take to do so. */
const ABORTED_MS = 1_000;
const LOOK_MS = 100;

type Partition = {
  readonly assignment: Assignment;
  readonly window: Window;
  readonly work: AbortSignal;
  committed: string | undefined;
};

/**
 * Runs a consumer on an event feed: each lane strictly in order, lanes in parallel, effects first and the
 * checkpoint last. What fails is retried, parked with its lane behind it, or stops the consumer, as its
 * policy says; nothing is skipped.
 */
export const consume = async (options: ConsumeOptions): Promise<RunningConsumer> => {
  const { consumer, feed, store, blockedLanes, schedule, controls, leased, clock, randomness, log } = options;
  const { audit, drainMs = DRAIN_MS } = options;
  const { name, concurrency } = consumer;
  const unfinishedLimit = Math.max(256, 16 * concurrency);
  /** One slow event must not hold up the others, yet what a crash repeats, and memory, need a bound. */
  const spanLimit = 40 * unfinishedLimit;

  const halt = new AbortController();
  const abort = new AbortController();
  /** What goes on when the consumer has stopped by itself ends when it is closed. */
  const closing = new AbortController();
  // Many handlers and waits listen to one signal at once by design.
  setMaxListeners(0, halt.signal, abort.signal);
  /** There may be room for more. */
  const roomier = waker();
  /** There may be nothing left to do. */
  const calmer = waker();
  const looking = rest(clock);
  const breaker = samplingBreaker(consumer.breaker ? {} : { minimumCalls: Infinity });
  const gate = createGate({ limit: concurrency, breaker, clock });
  const pausing = watchPause({
    controls,
    consumer: name,
    clock,
    log,
    signal: closing.signal,
    onChange: (waits) => (waits ? gate.hold() : gate.open()),
  });
  const partitions = new Map<string, Partition>();
  let subscription: FeedSubscription | undefined;
  let ending: Promise<void> | undefined;
  let why: string | undefined;
  let retries = 0;
  let lastEventAt: string | undefined;

  const stop = (reason: string): void => {
    if (ending) return;
    why = reason;
    log.error({ consumer: name, why }, 'the consumer has stopped');
    void shutDown();
  };
  const lanes = createLanes({
    halt: halt.signal,
    onEmpty: calmer.wake,
    onError: (lane, error) =>
      stop(
        `the runtime failed at ${lane}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      ),
  });
  const attempt = createAttempt({
    consumer,
    gate,
    breaker,
    clock,
    randomness,
    halt: halt.signal,
    onRetry: () => (retries += 1),
  });
  const backlog = createBacklog({
    name,
    blockedLanes,
    clock,
    log,
    lanes,
    homeOf: feed.homeOf,
    halt: halt.signal,
    audit,
    pausedMs: () => breaker.pausedMs(clock.now().getTime()),
    onChange: calmer.wake,
  });
  /** Carries the verdict out. False: the consumer stops, nothing is finished. */
  const settle = async (failed: FailedFor, lane: LaneHere): Promise<boolean> => {
    const { event, verdict } = failed;
    if (verdict.do === 'stop') {
      stop(`${verdict.why} (${event.type}, ${event.stream}@${event.revision})`);
      return false;
    }
    await backlog.block(failed, lane);
    return true;
  };

  const commit = (partition: Partition): void => {
    const { assignment, window, committed } = partition;
    const boundary = window.boundary();
    if (!subscription || boundary === undefined || boundary === committed || assignment.signal.aborted)
      return;
    partition.committed = boundary;
    subscription
      .commit(assignment.partition, boundary)
      .catch((error: unknown) =>
        log.warn({ consumer: name, error: nameOf(error) }, 'a commit failed; the next one covers it'),
      );
  };
  const finish = (partition: Partition, taken: Taken): void => {
    partition.window.finish(taken);
    lastEventAt = clock.now().toISOString();
    commit(partition);
    roomier.wake();
  };
  const laneOf = (event: EventEnvelope, assignment: Assignment): LaneHere =>
    laneIn(assignment, (event.type === UNREADABLE ? undefined : consumer.laneOf)?.(event) ?? event.stream);
  /** In the event's lane. False: it is not finished, since the partition is gone or the consumer ends. */
  const handled = async (event: EventEnvelope, lane: LaneHere, work: AbortSignal): Promise<boolean> => {
    const outcome = await attempt(event, work, undefined);
    if (outcome === 'halted' || (outcome !== 'done' && lane.assignment.signal.aborted)) return false;
    return outcome === 'done' || settle(outcome, lane);
  };
  const deliver = async (
    event: EventEnvelope,
    lane: LaneHere,
    partition: Partition,
    taken: Taken,
  ): Promise<void> => {
    if (lane.assignment.signal.aborted) return;
    if ((await backlog.queueBehind(event, lane)) || (await handled(event, lane, partition.work)))
      finish(partition, taken);
  };
  const passes = createPasses({
    consumer,
    store,
    partitionOf: feed.partitionOf,
    controls,
    clock,
    log,
    halt: halt.signal,
    async handOver(event, assignment) {
      const partition = partitions.get(assignment.partition);
      if (partition?.assignment !== assignment) return false; // gone by now
      const lane = laneOf(event, assignment);
      let finished = false;
      await lanes.start(lane.name, async () => {
        if (!assignment.signal.aborted)
          finished = (await backlog.queueAgain(event, lane)) || (await handled(event, lane, partition.work));
      });
      return finished;
    },
  });

  const onAssigned = async (assignment: Assignment): Promise<void> => {
    const { partition: id, signal } = assignment;
    const work = AbortSignal.any([signal, abort.signal]);
    setMaxListeners(0, signal, work);
    const fresh: Partition = { assignment, window: createWindow(), work, committed: undefined };
    signal.addEventListener(
      'abort',
      () => {
        if (partitions.get(id) === fresh) partitions.delete(id);
        if (!halt.signal.aborted) backlog.forget(assignment);
        roomier.wake();
        calmer.wake();
      },
      { once: true },
    );
    // What an earlier holder has left blocked, and what waits behind it, comes before anything new.
    await backlog.load(assignment);
    if (signal.aborted) return;
    partitions.set(id, fresh);
    looking.poke();
    calmer.wake();
  };
  const unfinished = (): number => {
    let sum = 0;
    for (const { window } of partitions.values()) sum += window.unfinished();
    return sum;
  };
  /**
   * Waits for room for one more; false when the partition is gone. While the consumer ends there is no room.
   */
  const roomIn = async ({ window, assignment: { signal } }: Partition): Promise<boolean> => {
    while (
      !signal.aborted &&
      (halt.signal.aborted || unfinished() >= unfinishedLimit || window.span() >= spanLimit)
    )
      await roomier.next();
    return !signal.aborted;
  };
  const onBatch = async (batch: Batch): Promise<void> => {
    const partition = partitions.get(batch.partition);
    if (partition?.assignment.signal !== batch.signal) return; // gone by now
    for (const { event, cursor } of batch.deliveries) {
      if (!(await roomIn(partition))) return;
      const taken = partition.window.take(cursor);
      const lane = laneOf(event, partition.assignment);
      if (event.meta.origin === 'import') finish(partition, taken);
      else void lanes.start(lane.name, () => deliver(event, lane, partition, taken));
    }
    if (!(await roomIn(partition))) return;
    partition.window.pass(batch.through);
    commit(partition);
    calmer.wake();
  };
  const notTaken = (error: unknown): void => {
    if (!(error instanceof Halted)) stop(`a batch could not be taken on: ${nameOf(error)}`);
  };

  const shutDown = (): Promise<void> =>
    (ending ??= (async () => {
      halt.abort();
      gate.shut();
      roomier.wake();
      calmer.wake();
      const drained = new AbortController();
      void lanes.empty().then(() => drained.abort());
      await clock.sleep(drainMs, drained.signal);
      abort.abort();
      await clock.sleep(ABORTED_MS, drained.signal);
      await running;
      await passes.ended();
      await subscription?.close();
    })());

  const retrying = runRetries({
    backlog,
    lanes,
    parallel: concurrency,
    attempt,
    settle,
    halt: halt.signal,
    abort: abort.signal,
  });
  const asked = carryOutAsked({
    name,
    controls,
    clock,
    log,
    halt: halt.signal,
    looking,
    held: () => [...partitions.values()].map(({ assignment }) => assignment),
    backlog,
    passes,
  });
  const running = Promise.all([retrying, asked]);
  try {
    subscription = await feed.subscribe(
      name,
      { ...consumer.handles, from: consumer.from, batchSize: BATCH },
      {
        onAssigned: (assignment) => onAssigned(assignment).catch(notTaken),
        onBatch: (batch) => onBatch(batch).catch(notTaken),
      },
    );
  } catch (error) {
    closing.abort();
    await shutDown();
    throw error;
  }
  subscription.ended.then(
    () => stop('the feed has ended'),
    (error: unknown) => stop(error instanceof Error ? error.message : String(error)),
  );
  // What was finished before the subscription was known.
  for (const partition of partitions.values()) commit(partition);

  const beside = runBeside({ consumer, schedule, leased, pausing, signal: closing.signal, clock, log });
  const quiet = (): boolean =>
    partitions.size > 0 && lanes.size() === 0 && unfinished() === 0 && backlog.due().length === 0;
  return {
    async close() {
      closing.abort();
      await beside.heard;
      await shutDown();
      await Promise.all([beside.done, pausing.ended]);
    },
    status: () => {
      const paused = pausing.now();
      return {
        name,
        state: ending
          ? 'stopped'
          : partitions.size === 0
            ? 'standby'
            : breaker.state() === 'closed' && paused === undefined
              ? 'running'
              : 'paused',
        why,
        ...(typeof paused === 'object' ? { paused } : {}),
        inFlight: gate.running(),
        unfinished: unfinished(),
        lastEventAt,
        blocked: backlog.size(),
        retries,
        breaker: breaker.state(),
      };
    },
    async idle() {
      while (!halt.signal.aborted) {
        const behind = async (): Promise<boolean> => (await feed.lag(name)).some(({ events }) => events > 0);
        if (quiet() && !(await behind()) && quiet()) return;
        const look = new AbortController();
        await Promise.race([calmer.next(), clock.sleep(LOOK_MS, look.signal)]);
        look.abort();
      }
    },
  };
};

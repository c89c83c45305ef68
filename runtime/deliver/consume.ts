import { setMaxListeners } from 'node:events';
import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import type { Bookkeeping } from '../../ports/bookkeeping.ts';
import type { Consumer } from '../../ports/consumer.ts';
import type { Batch, EventLog, LogSubscription } from '../../ports/event-log.ts';
import type { Clock, Log, Randomness } from '../../ports/system.ts';
import { nameOf } from '../retry.ts';
import { createAttempt, createGate, type FailedFor } from './attempt.ts';
import { createBacklog, type Counts } from './backlog.ts';
import type { ParkingEntry } from './blocked.ts';
import { samplingBreaker, type BreakerState } from './breaker.ts';
import { createLanes, createWindow, type Taken, type Window } from './lanes.ts';
import { runRetries } from './retries.ts';
import { runSchedule } from './schedule.ts';
import { waker } from '../wake.ts';

export type ConsumeOptions = Readonly<{
  consumer: Consumer;
  eventLog: EventLog;
  books: Bookkeeping;
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
   * paused: the outside is down and the breaker open. stopped: closed, or by itself, and then `why` says so.
   */
  state: 'running' | 'paused' | 'stopped';
  why: string | undefined;
  /** Handlers running now. */
  inFlight: number;
  /** Events taken on and not finished. */
  unfinished: number;
  /** ISO 8601: when the last event was finished. */
  lastEventAt: string | undefined;
  blocked: Counts;
  /** Failed attempts that were, or will be, made again, since the start. */
  retries: number;
  breaker: BreakerState;
}>;

export type RunningConsumer = Readonly<{
  /** Starts no more handlers, lets those that run finish within `drainMs`, saves commits. */
  close(): Promise<void>;
  status(): ConsumerStatus;
  /**
   * False when nothing is parked under `id`. Throws when the consumer has stopped (write through the books
   * then).
   */
  retryParked(id: string, by?: Readonly<{ actor: Actor; reason: string }>): Promise<boolean>;
  /** Drops the parked event; what waits behind it goes on. */
  discardParked(id: string, by: Readonly<{ actor: Actor; reason: string }>): Promise<boolean>;
  /**
   * Resolves at the tail with nothing in flight (what is parked, or to be retried later, aside), or once
   * stopped.
   */
  idle(): Promise<void>;
}>;

const BATCH = 256;
const DRAIN_MS = 10_000;
/** How long a handler that was told to stop may take to do so. */
const ABORTED_MS = 1_000;
const LOOK_MS = 100;
const DUE_AT_ONCE = 256;
const OPERATOR = { actor: { id: 'operator', role: 'operator' }, reason: 'retried' } as const;

type Partition = {
  readonly name: string;
  readonly window: Window;
  readonly signal: AbortSignal;
  readonly work: AbortSignal;
  committed: string | undefined;
};

/**
 * Runs a consumer on an event log: each stream strictly in order, streams in parallel, effects first and the
 * checkpoint last. What fails is retried, parked with its stream behind it, or stops the consumer, as its
 * policy says; nothing is skipped.
 */
export const consume = async (options: ConsumeOptions): Promise<RunningConsumer> => {
  const { consumer, eventLog, books, clock, randomness, log, audit, drainMs = DRAIN_MS } = options;
  const { name, concurrency } = consumer;
  const unfinishedLimit = Math.max(256, 16 * concurrency);
  /** One slow event must not hold up the others, yet what a crash repeats, and memory, need a bound. */
  const spanLimit = 40 * unfinishedLimit;

  const halt = new AbortController();
  const abort = new AbortController();
  // Many handlers and waits listen to one signal at once by design.
  setMaxListeners(0, halt.signal, abort.signal);
  /** There may be room for more. */
  const roomier = waker();
  /** There may be nothing left to do. */
  const calmer = waker();
  const breaker = samplingBreaker(consumer.breaker ? {} : { minimumCalls: Infinity });
  const gate = createGate({ limit: concurrency, breaker, clock });
  const partitions = new Map<string, Partition>();
  let subscribing: Promise<LogSubscription> | undefined;
  let subscription: LogSubscription | undefined;
  let ending: Promise<void> | undefined;
  let why: string | undefined;
  let retries = 0;
  /** A partition was taken away, and what was known of its blocked streams with it. */
  let forgotten = false;
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
    books,
    clock,
    log,
    lanes,
    halt: halt.signal,
    audit,
    pausedMs: () => breaker.pausedMs(clock.now().getTime()),
    onChange: calmer.wake,
  });
  /** Carries the verdict out. False: the consumer stops, nothing is finished. */
  const settle = async (failed: FailedFor, partition: string | undefined): Promise<boolean> => {
    const { event, verdict } = failed;
    if (verdict.do === 'stop') {
      stop(`${verdict.why} (${event.type}, ${event.stream}@${event.revision})`);
      return false;
    }
    await backlog.block(failed, partition);
    return true;
  };

  const commit = (partition: Partition): void => {
    const boundary = partition.window.boundary();
    if (
      !subscription ||
      boundary === undefined ||
      boundary === partition.committed ||
      partition.signal.aborted
    )
      return;
    partition.committed = boundary;
    subscription
      .commit(partition.name, boundary)
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
  const deliver = async (event: EventEnvelope, partition: Partition, taken: Taken): Promise<void> => {
    if (partition.signal.aborted) return;
    if (!(await backlog.queueBehind(event, partition.name))) {
      const outcome = await attempt(event, partition.work, undefined);
      if (outcome === 'halted') return;
      if (outcome !== 'done' && !(await settle(outcome, partition.name))) return;
    }
    finish(partition, taken);
  };

  const partitionOf = async ({ partition: id, signal }: Batch): Promise<Partition> => {
    const known = partitions.get(id);
    if (known?.signal === signal) return known;
    // Another process may have followed it meanwhile and have left streams blocked; so does who replays
    // events to this consumer.
    if (partitions.size > 0 || known || forgotten) await backlog.durably(backlog.load);
    forgotten = false;
    const fresh: Partition = {
      name: id,
      window: createWindow(),
      signal,
      work: AbortSignal.any([signal, abort.signal]),
      committed: undefined,
    };
    setMaxListeners(0, signal, fresh.work);
    partitions.set(id, fresh);
    signal.addEventListener(
      'abort',
      () => {
        if (partitions.get(id) === fresh) partitions.delete(id);
        if (!halt.signal.aborted) backlog.forget(id);
        forgotten = true;
        roomier.wake();
        calmer.wake();
      },
      { once: true },
    );
    return fresh;
  };
  const unfinished = (): number => {
    let sum = 0;
    for (const partition of partitions.values()) sum += partition.window.unfinished();
    return sum;
  };
  /**
   * Waits for room for one more; false when the partition is gone. While the consumer ends there is no room.
   */
  const roomIn = async ({ window: taken, signal }: Partition): Promise<boolean> => {
    while (
      !signal.aborted &&
      (halt.signal.aborted || unfinished() >= unfinishedLimit || taken.span() >= spanLimit)
    )
      await roomier.next();
    return !signal.aborted;
  };
  const onBatch = async (batch: Batch): Promise<void> => {
    const partition = await partitionOf(batch);
    for (const { event, cursor } of batch.deliveries) {
      if (!(await roomIn(partition))) return;
      const taken = partition.window.take(cursor);
      if (event.meta.origin === 'import') finish(partition, taken);
      else void lanes.start(event.stream, () => deliver(event, partition, taken));
    }
    if (!(await roomIn(partition))) return;
    partition.window.pass(batch.through);
    commit(partition);
    calmer.wake();
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
      await (await subscribing?.catch(() => undefined))?.close();
    })());

  await backlog.load();
  const retrying = runRetries({
    backlog,
    lanes,
    parallel: concurrency,
    attempt,
    settle,
    halt: halt.signal,
    abort: abort.signal,
  });
  const running = Promise.all([retrying, backlog.watch()]);
  subscribing = eventLog.subscribe(
    name,
    { ...consumer.handles, from: consumer.from, batchSize: BATCH },
    (batch) =>
      onBatch(batch).catch((error: unknown) => stop(`a batch could not be taken on: ${nameOf(error)}`)),
  );
  try {
    subscription = await subscribing;
  } catch (error) {
    await shutDown();
    throw error;
  }
  subscription.ended.then(
    () => stop('the log has ended'),
    (error: unknown) => stop(error instanceof Error ? error.message : String(error)),
  );
  const schedules = (consumer.schedules ?? []).map(({ name: schedule, onDue }) =>
    runSchedule({ books, clock, log, name: schedule, batch: DUE_AT_ONCE, onDue }),
  );
  const listening = consumer.listen?.();
  // What was finished before the subscription was known.
  for (const partition of partitions.values()) commit(partition);

  const quiet = (): boolean => lanes.size() === 0 && unfinished() === 0 && backlog.due().length === 0;
  return {
    // What runs beside the handling goes on when the consumer has stopped by itself: only who closes it ends both.
    async close() {
      await listening?.stop();
      await shutDown();
      await Promise.all(schedules.map((schedule) => schedule.close()));
    },
    status: () => ({
      name,
      state: ending ? 'stopped' : breaker.state() === 'closed' ? 'running' : 'paused',
      why,
      inFlight: gate.running(),
      unfinished: unfinished(),
      lastEventAt,
      blocked: backlog.counts(),
      retries,
      breaker: breaker.state(),
    }),
    retryParked: (id, by = OPERATOR) => backlog.retryParked(id, by),
    discardParked: backlog.discardParked,
    async idle() {
      while (!halt.signal.aborted) {
        if (quiet() && (await eventLog.lag(name)).events === 0 && quiet()) return;
        const look = new AbortController();
        await Promise.race([calmer.next(), clock.sleep(LOOK_MS, look.signal)]);
        look.abort();
      }
    },
  };
};

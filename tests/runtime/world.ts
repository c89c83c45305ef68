/**
 * A small world to run a consumer in: memory adapters, a clock that stands still, a handler that a test
 * steers.
 */
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import type { EventEnvelope, NewEvent, Position } from '../../domain/kernel.ts';
import type { Consumer, Failure, Verdict } from '../../ports/consumer.ts';
import type { EventPublisher } from '../../ports/event-publisher.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { Clock, Log, Randomness } from '../../ports/system.ts';
import type { ParkingEntry } from '../../runtime/deliver/blocked.ts';
import { consume, type ConsumeOptions, type RunningConsumer } from '../../runtime/deliver/consume.ts';
import { askForParked, type By } from '../../runtime/deliver/parked.ts';
import { decimalDistance, storeFeed } from '../../runtime/feed/store-feed.ts';
import { createLeased, type Leased } from '../../runtime/lease.ts';
import { fakeClock } from '../fake-clock.ts';
import { quietLog } from '../quiet-log.ts';

export const LEASE_MS = 5_000;
export const START = '2026-01-05T09:00:00.000Z';
export const randomness: Randomness = {
  uuid: () => '0190163d-8694-739b-aea5-966c26f8ad91',
  fraction: () => 0.5,
};

export const newEvent = (
  stream: string,
  n: number,
  origin: 'live' | 'import' = 'live',
  at = START,
): NewEvent => ({
  type: stream.startsWith('other-') ? 'Other' : 'Happened',
  data: { n },
  id: `${stream}/${n}`,
  schema: 1,
  meta: {
    at,
    recordedAt: at,
    origin,
    actor: { id: 't', role: 'system' },
    commandId: `${stream}/${n}`,
    correlationId: 'c',
    causationId: 'c',
    previousHash: '0'.repeat(64),
  },
});

export const name = ({ stream, revision }: EventEnvelope): string => `${stream}@${revision}`;
export const outage = (): OutsideError =>
  new OutsideError('no answer', { retriable: true, outcome: 'unknown' });

/** A promise that a test opens by hand. */
export const latch = (): Readonly<{ opened: Promise<void>; open(): void }> => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
};

/** What random failures are answered with: tried again soon, tried again later, parked. */
export const VERDICTS = {
  short: { do: 'retry', afterMs: 300 },
  long: { do: 'retry', afterMs: 4_000 },
  park: { do: 'park', why: 'random' },
} as const satisfies Readonly<Record<string, Verdict>>;

const OPERATOR: By = { actor: { id: 'olga', role: 'operator' }, reason: 'sold by phone' };

export type Steering = {
  handle(event: EventEnvelope, signal: AbortSignal): Promise<void>;
  onFailure(failure: Failure): Verdict;
};

/** Appends the next event of each stream named, in this order; answers the positions. */
export const happening = (store: EventStore, clock: Clock) => {
  const revisions = new Map<string, number>();
  return async (...streams: readonly string[]): Promise<readonly Position[]> => {
    const positions: Position[] = [];
    for (const stream of streams) {
      const last = revisions.get(stream);
      const n = last === undefined ? 0 : last + 1;
      const at = clock.now().toISOString();
      const appended = await store.append(stream, last ?? 'none', [newEvent(stream, n, 'live', at)]);
      if (!appended.ok) throw new Error(`${stream} is at ${appended.actual}`);
      revisions.set(stream, n);
      positions.push(appended.position);
    }
    return positions;
  };
};
/** The same, published as a forwarder would; answers the positions. */
export const publishing = (store: EventStore, clock: Clock, publisher: EventPublisher) => {
  const happen = happening(store, clock);
  return async (...streams: readonly string[]): Promise<readonly Position[]> => {
    const before = await store.tail();
    await happen(...streams);
    const { events } = await store.readAll(before);
    await publisher.publish(events);
    return events.map(({ position }) => position);
  };
};

export const world = (over: Partial<Consumer> = {}, drainMs?: number) => {
  const clock = fakeClock(START);
  const store = memoryEventStore();
  const { checkpoints, blockedLanes, schedule, leases, controls } = memoryBookkeeping(store.id);
  /** `order-a@0`, in the order in which handling ended well. */
  const handled: string[] = [];
  const tried: string[] = [];
  const failures: Failure[] = [];
  const audited: ParkingEntry[] = [];
  const errors: string[] = [];
  const atOnce = { now: 0, most: 0 };
  const steering: Steering = {
    handle: async () => undefined,
    onFailure: () => ({ do: 'park', why: 'broken' }),
  };
  const log: Log = { ...quietLog, error: (_fields, sentence) => void errors.push(sentence) };

  const consumer: Consumer = {
    name: 'tester',
    handles: { categories: ['order'], types: ['Happened'] },
    effects: ['writes into a list'],
    from: 'beginning',
    concurrency: 4,
    breaker: false,
    async handle(event, signal) {
      tried.push(name(event));
      atOnce.most = Math.max(atOnce.most, (atOnce.now += 1));
      try {
        await steering.handle(event, signal);
        handled.push(name(event));
      } finally {
        atOnce.now -= 1;
      }
    },
    onFailure(failure) {
      failures.push(failure);
      return steering.onFailure(failure);
    },
    ...over,
  };
  let processes = 0;
  /** As another process has it. */
  const leased = (): Leased =>
    createLeased({ leases, holder: `process ${++processes}`, ttlMs: LEASE_MS, clock, log: quietLog });
  const feedOptions = { store, checkpoints, clock, log: quietLog };
  const feed = () => storeFeed({ ...feedOptions, leased: leased(), distance: decimalDistance(1) });
  const start = (options: Partial<ConsumeOptions> = {}): Promise<RunningConsumer> =>
    consume({
      consumer,
      store,
      feed: feed(),
      blockedLanes,
      schedule,
      controls,
      leased: leased(),
      clock,
      randomness,
      log,
      audit: async (entry) => void audited.push(entry),
      ...(drainMs === undefined ? {} : { drainMs }),
      ...options,
    });

  const happen = happening(store, clock);
  /** Moves the clock on in small steps until `condition` holds; throws after `withinMs` of its time. */
  const advanceUntil = async (
    what: string,
    condition: () => boolean | Promise<boolean>,
    withinMs = 60_000,
    stepMs = 50,
  ): Promise<void> => {
    for (let spentMs = 0; !(await condition()); spentMs += stepMs) {
      if (spentMs > withinMs) throw new Error(`in vain for ${withinMs} ms: ${what}`);
      await clock.advance(stepMs);
    }
  };
  const checkpoint = (): Promise<string | undefined> => checkpoints.get('tester', 'all');
  let controlIds = 0;
  /** As an operator asks for it; false when nothing is parked under `id`, or nobody carries it out. */
  const operate = async (act: 'retry' | 'discard', id: string, by: By = OPERATOR): Promise<boolean> => {
    const lane = await blockedLanes.get(id);
    if (lane?.state !== 'parked') return false;
    const newId = (): string => String((controlIds += 1)).padStart(6, '0');
    return (await askForParked({ controls, clock, newId }, act, [lane], by)).done === 1;
  };
  return {
    clock,
    store,
    checkpoints,
    blockedLanes,
    schedule,
    leases,
    controls,
    operate,
    leased,
    feedOptions,
    handled,
    tried,
    failures,
    audited,
    errors,
    atOnce,
    steering,
    consumer,
    start,
    feed,
    happen,
    advanceUntil,
    checkpoint,
  };
};

/** A world whose `order-a@1` fails while `broken.on`. */
export const brokenWorld = (verdict: { do: 'retry'; afterMs: number } | { do: 'park'; why: string }) => {
  const w = world();
  const fault = { on: true };
  w.steering.handle = async (event) => {
    if (fault.on && name(event) === 'order-a@1') throw new Error('broken');
  };
  w.steering.onFailure = () => verdict;
  return { ...w, fault };
};

/** Handled revisions of one stream. */
export const of = (handled: readonly string[], stream: string): readonly string[] =>
  handled.filter((one) => one.startsWith(`${stream}@`));
/** The store's position number `n`, from 1, as text that sorts. */
export const position = (checkpoint: string | undefined): number => Number(checkpoint ?? 0);

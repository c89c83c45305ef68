/** What operators see and do about consumers, parked events and views. */
import type { Actor } from '../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../ports/blocked-lanes.ts';
import type { Controls } from '../ports/controls.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import type { Clock } from '../ports/system.ts';
import { blockedOf } from '../runtime/deliver/blocked.ts';
import type { RunningConsumer } from '../runtime/deliver/consume.ts';
import { askForParked, type Carried } from '../runtime/deliver/parked.ts';
import type { ViewOperations } from './view-builds.ts';

/**
 * How one consumer is doing. `inFlight`: handlers running; `retrying`, `parked`: lanes that wait; times are
 * ISO 8601.
 */
export type ConsumerReport = Readonly<{
  name: string;
  state: 'running' | 'standby' | 'paused' | 'stopped';
  lag: Readonly<{ events: number; seconds: number }>;
  heartbeatAt: string | null;
  inFlight: number;
  retrying: number;
  parked: number;
  breaker: 'closed' | 'open' | 'half-open';
  oldestBlocked?: Readonly<{ stream: string; since: string }>;
}>;

/** `stream`: of the event that failed. `queued`: events of the lane that wait, the failed one included. */
export type ParkedItem = Omit<BlockedLane, 'state' | 'dueAt' | 'partition' | 'key'> &
  Readonly<{ stream: string; queued: number }>;
/** `type`: of the event that failed. */
export type ParkedFilter = Readonly<{ consumer?: string; stream?: string; type?: string }>;

/** Parked events: found, tried again, dropped. */
export interface Parked {
  /** Pages in order of id, `limit` at most. */
  find(
    filter: ParkedFilter,
    page: Readonly<{ after?: string; limit: number }>,
  ): Promise<Readonly<{ items: readonly ParkedItem[]; next: string | null }>>;
  get(id: string): Promise<ParkedItem | undefined>;
  /** Undefined when nothing is parked under `id`. */
  retry(id: string, actor: Actor): Promise<Carried | undefined>;
  discard(id: string, by: Readonly<{ actor: Actor; reason: string }>): Promise<Carried | undefined>;
  /** Retries all that match (an empty filter: all there is). */
  retryMatching(filter: ParkedFilter, actor: Actor): Promise<Carried>;
}

/** What operators can see and do. Retrying and discarding are audited by whoever implements this. */
export interface Operations {
  consumers(): Promise<readonly ConsumerReport[]>;
  views: ViewOperations;
  parked: Parked;
}

export type ParkedDeps = Readonly<{
  blockedLanes: BlockedLanes;
  controls: Controls;
  clock: Clock;
  newId(): string;
}>;
export type OperationsDeps = ParkedDeps &
  Readonly<{ running: ReadonlyMap<string, RunningConsumer>; feed: EventFeed; views: ViewOperations }>;

const RETRIED = 'asked for by an operator';

/** Parked events: found, tried again, dropped; also by a script, whichever process runs their consumer. */
export const createParked = (deps: ParkedDeps): Parked => {
  const { blockedLanes } = deps;
  const parkedLane = async (id: string) => {
    const blocked = await blockedLanes.get(id);
    return blocked?.state === 'parked' ? blocked : undefined;
  };
  const parkedOf = async (id: string): Promise<ParkedItem | undefined> => {
    const blocked = await parkedLane(id);
    if (!blocked) return undefined;
    const { state: _state, dueAt: _dueAt, partition: _partition, key: _key, ...item } = blocked;
    return { ...item, stream: item.event.stream };
  };
  /** Another may have been faster. */
  const orNone = (carried: Carried): Carried | undefined =>
    carried.done + carried.asked > 0 ? carried : undefined;

  return {
    async find(filter, page) {
      const found = await blockedLanes.find({ ...filter, state: 'parked' }, page);
      const items = await Promise.all(found.items.map(({ id }) => parkedOf(id)));
      return { items: items.filter((item) => item !== undefined), next: found.next };
    },
    get: parkedOf,
    async retry(id, actor) {
      const lane = await parkedLane(id);
      return lane && orNone(await askForParked(deps, 'retry', [lane], { actor, reason: RETRIED }));
    },
    async discard(id, by) {
      const lane = await parkedLane(id);
      return lane && orNone(await askForParked(deps, 'discard', [lane], by));
    },
    retryMatching: (filter, actor) =>
      askForParked(deps, 'retry', blockedOf(blockedLanes, { ...filter, state: 'parked' }), {
        actor,
        reason: RETRIED,
      }),
  };
};

export const createOperations = (deps: OperationsDeps): Operations => {
  const { blockedLanes, feed, running, views } = deps;
  return {
    async consumers() {
      const reports = [...running].map(async ([name, consumer]) => {
        const status = consumer.status();
        const [lags, blocked] = await Promise.all([feed.lag(name), blockedLanes.tally(name)]);
        const lag = {
          events: lags.reduce((sum, { events }) => sum + events, 0),
          seconds: Math.max(0, ...lags.map(({ seconds }) => seconds)),
        };
        return {
          name,
          state: status.state,
          lag,
          heartbeatAt: status.lastEventAt ?? null,
          inFlight: status.inFlight,
          retrying: blocked.retrying,
          parked: blocked.parked,
          breaker: status.breaker,
          ...(blocked.oldest && {
            oldestBlocked: { stream: blocked.oldest.stream, since: blocked.oldest.firstAt },
          }),
        };
      });
      return Promise.all(reports);
    },
    views,
    parked: createParked(deps),
  };
};

/** What operators see and do about consumers, parked events and views. */
import type { Actor } from '../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../ports/blocked-lanes.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import type { Clock } from '../ports/system.ts';
import {
  discardParkedIn,
  parkingEntry,
  retryParkedIn,
  type ParkingEntry,
} from '../runtime/deliver/blocked.ts';
import type { RunningConsumer } from '../runtime/deliver/consume.ts';
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
  /** False when nothing is parked under `id`. */
  retry(id: string, actor: Actor): Promise<boolean>;
  discard(id: string, by: Readonly<{ actor: Actor; reason: string }>): Promise<boolean>;
  /** Retries all that match (an empty filter: all there is); says how many. */
  retryMatching(filter: ParkedFilter, actor: Actor): Promise<number>;
}

/** What operators can see and do. Retrying and discarding are audited by whoever implements this. */
export interface Operations {
  consumers(): Promise<readonly ConsumerReport[]>;
  views: ViewOperations;
  parked: Parked;
}

export type ParkedDeps = Readonly<{
  blockedLanes: BlockedLanes;
  clock: Clock;
  running: ReadonlyMap<string, RunningConsumer>;
  audit(entry: ParkingEntry): Promise<void>;
}>;
export type OperationsDeps = ParkedDeps & Readonly<{ feed: EventFeed; views: ViewOperations }>;

const PAGE = 200;

/**
 * Parked events: found, tried again, dropped; also by a script, beside the server that runs their consumer.
 */
export const createParked = ({ blockedLanes, clock, running, audit }: ParkedDeps): Parked => {
  const parkedOf = async (id: string): Promise<ParkedItem | undefined> => {
    const blocked = await blockedLanes.get(id);
    if (blocked?.state !== 'parked') return undefined;
    const { state: _state, dueAt: _dueAt, partition: _partition, key: _key, ...item } = blocked;
    return { ...item, stream: item.event.stream };
  };
  const retry = async (id: string, actor: Actor): Promise<boolean> => {
    const blocked = await blockedLanes.get(id);
    if (blocked?.state !== 'parked') return false;
    const here = running.get(blocked.consumer);
    if (here && here.status().state !== 'stopped')
      return here.retryParked(id, { actor, reason: 'asked for by an operator' });
    // Its consumer runs in another process, which sees what is written here within a second.
    await audit(
      parkingEntry('ParkedEventRetried', blocked, {
        actor,
        why: 'asked for by an operator',
        at: clock.now().toISOString(),
      }),
    );
    return retryParkedIn(blockedLanes, id, clock.now());
  };

  return {
    async find(filter, page) {
      const found = await blockedLanes.find({ ...filter, state: 'parked' }, page);
      const items = await Promise.all(found.items.map(({ id }) => parkedOf(id)));
      return { items: items.filter((item) => item !== undefined), next: found.next };
    },
    get: parkedOf,
    retry,
    async discard(id, by) {
      const blocked = await blockedLanes.get(id);
      if (blocked?.state !== 'parked') return false;
      const here = running.get(blocked.consumer);
      if (here && here.status().state !== 'stopped') return here.discardParked(id, by);
      await audit(
        parkingEntry('ParkedEventDiscarded', blocked, {
          actor: by.actor,
          why: by.reason,
          at: clock.now().toISOString(),
        }),
      );
      return discardParkedIn(blockedLanes, id, clock.now());
    },
    async retryMatching(filter, actor) {
      let count = 0;
      for (let after: string | undefined; ;) {
        const { items, next } = await blockedLanes.find(
          { ...filter, state: 'parked' },
          { limit: PAGE, ...(after === undefined ? {} : { after }) },
        );
        for (const { id } of items) if (await retry(id, actor)) count += 1;
        if (next === null) return count;
        after = next;
      }
    },
  };
};

export const createOperations = (deps: OperationsDeps): Operations => {
  const { blockedLanes, feed, running, views } = deps;
  return {
    async consumers() {
      const reports = [...running].map(async ([name, consumer]) => {
        const status = consumer.status();
        const [lags, oldest] = await Promise.all([
          feed.lag(name),
          blockedLanes.find({ consumer: name }, { limit: PAGE }),
        ]);
        const lag = {
          events: lags.reduce((sum, { events }) => sum + events, 0),
          seconds: Math.max(0, ...lags.map(({ seconds }) => seconds)),
        };
        const [first] = [...oldest.items].sort((a, b) => (a.firstAt < b.firstAt ? -1 : 1));
        return {
          name,
          state: status.state,
          lag,
          heartbeatAt: status.lastEventAt ?? null,
          inFlight: status.inFlight,
          retrying: status.blocked.retrying,
          parked: status.blocked.parked,
          breaker: status.breaker,
          ...(first ? { oldestBlocked: { stream: first.event.stream, since: first.firstAt } } : {}),
        };
      });
      return Promise.all(reports);
    },
    views,
    parked: createParked(deps),
  };
};

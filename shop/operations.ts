/** What operators see and do about consumers, parked events and views. */
import type { Actor, Position } from '../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../ports/blocked-lanes.ts';
import type { ConsumerDeclaration } from '../ports/consumer.ts';
import type { Controls } from '../ports/controls.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import type { EventFilter } from '../ports/event-store.ts';
import type { Clock } from '../ports/system.ts';
import { blockedOf } from '../runtime/deliver/blocked.ts';
import type { ConsumerStatus } from '../runtime/deliver/consume.ts';
import { forwardGroup, type ForwardStatus } from '../runtime/feed/forward.ts';
import { askForParked, type Carried } from '../runtime/deliver/parked.ts';
import type { Presence } from '../runtime/presence.ts';
import { consumerIn, forwardIn } from './overview.ts';
import type { ViewOperations } from './view-builds.ts';

/**
 * How one consumer is doing, in all processes together. `inFlight`: handlers running; `retrying`, `parked`: lanes that
 * wait; `heartbeatAt`: when a process that runs it told of itself last; times are ISO 8601.
 */
export type ConsumerReport = Readonly<{
  name: string;
  state: ConsumerStatus['state'];
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

/** How far a category has come on its way into the log. `position`: everything up to there is in it. */
export type ForwardReport = Readonly<{
  category: string;
  state: ForwardStatus['state'];
  /** While it has failed. */
  why?: string;
  position: Position | null;
  lag: Readonly<{ events: number; seconds: number }>;
}>;

/** What operators can see and do. Retrying and discarding are audited by whoever implements this. */
export interface Operations {
  /** All that run, and those that were killed within the hour. */
  processes(): Promise<readonly Presence[]>;
  consumers(): Promise<readonly ConsumerReport[]>;
  /** Empty where the store is its own log. */
  forward(): Promise<readonly ForwardReport[]>;
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
  Readonly<{
    consumers: readonly Pick<ConsumerDeclaration, 'name' | 'handles'>[];
    /** What every process does. */
    present(): Promise<readonly Presence[]>;
    feed: EventFeed;
    /** Categories that are forwarded from the store, which `onStore` follows, into a log. */
    forwarded: readonly string[];
    onStore: EventFeed;
    views: ViewOperations;
  }>;

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
  const { blockedLanes, consumers, feed, forwarded, onStore, present, views } = deps;
  const lagOf = async (from: EventFeed, group: string, filter: EventFilter) => {
    const lags = await from.lag(group, filter);
    return {
      events: lags.reduce((sum, { events }) => sum + events, 0),
      seconds: Math.max(0, ...lags.map(({ seconds }) => seconds)),
    };
  };
  return {
    processes: present,
    async consumers() {
      const processes = await present();
      const reports = consumers.map(async ({ name, handles }) => {
        const [lag, blocked] = await Promise.all([lagOf(feed, name, handles), blockedLanes.tally(name)]);
        return {
          name,
          ...consumerIn(processes, name),
          lag,
          retrying: blocked.retrying,
          parked: blocked.parked,
          ...(blocked.oldest && {
            oldestBlocked: { stream: blocked.oldest.stream, since: blocked.oldest.firstAt },
          }),
        };
      });
      return Promise.all(reports);
    },
    async forward() {
      const processes = forwarded.length > 0 ? await present() : [];
      const reports = forwarded.map(async (category) => {
        const group = forwardGroup(category);
        const [lag, position] = await Promise.all([
          lagOf(onStore, group, { categories: [category] }),
          onStore.reached(group),
        ]);
        return { category, ...forwardIn(processes, category), position: position ?? null, lag };
      });
      return Promise.all(reports);
    },
    views,
    parked: createParked(deps),
  };
};

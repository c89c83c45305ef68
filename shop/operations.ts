/** What operators see and do about consumers, parked events and views. */
import type { Actor } from '../domain/kernel.ts';
import type { Blocked, Bookkeeping } from '../ports/bookkeeping.ts';
import type { EventLog } from '../ports/event-log.ts';
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
 * How one consumer is doing. `inFlight`: handlers running; `retrying`, `parked`: streams that wait; times are
 * ISO 8601.
 */
export type ConsumerReport = Readonly<{
  name: string;
  state: 'running' | 'paused' | 'stopped';
  lag: Readonly<{ events: number; seconds: number }>;
  heartbeatAt: string | null;
  inFlight: number;
  retrying: number;
  parked: number;
  breaker: 'closed' | 'open' | 'half-open';
  oldestBlocked?: Readonly<{ stream: string; since: string }>;
}>;

/** `queued`: events of the stream that wait, the failed one included. */
export type ParkedItem = Omit<Blocked, 'state' | 'dueAt'> & Readonly<{ queued: number }>;
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
  books: Bookkeeping;
  clock: Clock;
  running: ReadonlyMap<string, RunningConsumer>;
  audit(entry: ParkingEntry): Promise<void>;
}>;
export type OperationsDeps = ParkedDeps & Readonly<{ eventLog: EventLog; views: ViewOperations }>;

const PAGE = 200;

/**
 * Parked events: found, tried again, dropped; also by a script, beside the server that runs their consumer.
 */
export const createParked = ({ books, clock, running, audit }: ParkedDeps): Parked => {
  const parkedOf = async (id: string): Promise<ParkedItem | undefined> => {
    const blocked = await books.blocked(id);
    if (blocked?.state !== 'parked') return undefined;
    const { state: _state, dueAt: _dueAt, ...item } = blocked;
    return item;
  };
  const retry = async (id: string, actor: Actor): Promise<boolean> => {
    const blocked = await books.blocked(id);
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
    return retryParkedIn(books, id, clock.now());
  };

  return {
    async find(filter, page) {
      const found = await books.findBlocked({ ...filter, state: 'parked' }, page);
      const items = await Promise.all(found.items.map(({ id }) => parkedOf(id)));
      return { items: items.filter((item) => item !== undefined), next: found.next };
    },
    get: parkedOf,
    retry,
    async discard(id, by) {
      const blocked = await books.blocked(id);
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
      return discardParkedIn(books, id, clock.now());
    },
    async retryMatching(filter, actor) {
      let count = 0;
      for (let after: string | undefined; ;) {
        const { items, next } = await books.findBlocked(
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
  const { books, eventLog, running, views } = deps;
  return {
    async consumers() {
      const reports = [...running].map(async ([name, consumer]) => {
        const status = consumer.status();
        const [lag, oldest] = await Promise.all([
          eventLog.lag(name),
          books.findBlocked({ consumer: name }, { limit: PAGE }),
        ]);
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
          ...(first ? { oldestBlocked: { stream: first.stream, since: first.firstAt } } : {}),
        };
      });
      return Promise.all(reports);
    },
    views,
    parked: createParked(deps),
  };
};

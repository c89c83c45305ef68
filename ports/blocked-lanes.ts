import type { EventEnvelope } from '../domain/kernel.ts';
import type { Fence } from './lease.ts';

/**
 * A lane of a consumer that waits behind a failed event: retried at `dueAt`, or parked until an operator acts (Kafka
 * users call that dead-letter). A lane is (consumer, partition, key), the key the stream unless the consumer says
 * otherwise; `id` is derived from them; `event` is the one that failed. What waits behind it is in the order of
 * positions, each event once by its id.
 */
export type BlockedLane = Readonly<{
  id: string;
  consumer: string;
  partition: string;
  key: string;
  state: 'retrying' | 'parked';
  event: EventEnvelope;
  error: Readonly<{ message: string; stack: string }>;
  attempts: number;
  /** ISO 8601, as the other times. */
  firstAt: string;
  lastAt: string;
  /** While retrying. */
  dueAt?: string;
}>;
/** `stream`, `type`: of the event that failed. */
export type BlockedFilter = Readonly<{
  consumer?: string;
  stream?: string;
  type?: string;
  state?: BlockedLane['state'];
}>;
/** `after`: the id that the page before ended with. */
export type BlockedPage = Readonly<{ after?: string; limit: number }>;

/** How many lanes of a consumer wait, and the one that has for longest. */
export type Tally = Readonly<{
  retrying: number;
  parked: number;
  oldest?: Readonly<{ id: string; stream: string; firstAt: string }>;
}>;

/** Durable when they resolve; a write that the fence refuses answers 'fenced' and changes nothing. */
export interface BlockedLanes {
  /** Refuses lower tokens from now on: who takes lanes over says so before it reads them. */
  guard(fence: Fence): Promise<'kept' | 'fenced'>;
  /** Writes (or replaces) what is known of a blocked lane, and queues its event where it is not. */
  block(lane: BlockedLane, fence?: Fence): Promise<'kept' | 'fenced'>;
  /** Queues an event behind the blocked lane `id`. */
  enqueue(id: string, event: EventEnvelope, fence?: Fence): Promise<'kept' | 'fenced'>;
  /** The first event of the lane's queue. */
  head(id: string): Promise<EventEnvelope | undefined>;
  /** Takes an event out of the queue. With the queue empty the lane is no longer blocked. Says whether anything is left. */
  dequeue(id: string, eventId: string, fence?: Fence): Promise<'more' | 'empty' | 'fenced'>;
  /** `queued`: events that wait, the failed one included. */
  get(id: string): Promise<(BlockedLane & Readonly<{ queued: number }>) | undefined>;
  tally(consumer: string): Promise<Tally>;
  /** Pages in order of id; `limit` at most. */
  find(
    filter: BlockedFilter,
    page: BlockedPage,
  ): Promise<Readonly<{ items: readonly BlockedLane[]; next: string | null }>>;
}

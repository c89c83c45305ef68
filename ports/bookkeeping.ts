import type { EventEnvelope } from '../domain/kernel.ts';

/**
 * A stream that waits behind a failed event, for one consumer alone: retried at `dueAt`, or parked until an
 * operator acts (Kafka users call that dead-letter). `id` is derived from consumer and stream; `event` is the
 * one that failed.
 */
export type Blocked = Readonly<{
  id: string;
  consumer: string;
  stream: string;
  state: 'retrying' | 'parked';
  event: EventEnvelope;
  error: Readonly<{ message: string; stack: string }>;
  attempts: number;
  firstAt: string;
  lastAt: string;
  /** ISO 8601, while retrying. */
  dueAt?: string;
}>;
export type BlockedFilter = Readonly<{
  consumer?: string;
  stream?: string;
  type?: string;
  state?: Blocked['state'];
}>;

export type Scheduled = Readonly<{ key: string; dueAt: string }>;
export type Snapshot = Readonly<{ revision: number; state: unknown; previousHash: string; at: string }>;

/**
 * What the runtime has to remember beside events: checkpoints, blocked streams, schedules, snapshots. All
 * writes are durable when they resolve.
 */
export interface Bookkeeping {
  checkpoint(group: string, partition: string): Promise<string | undefined>;
  /** Compare-and-set; false when another process has moved it. */
  saveCheckpoint(
    group: string,
    partition: string,
    expected: string | undefined,
    to: string,
  ): Promise<boolean>;

  /**
   * Writes (or replaces) what is known of a blocked stream; its event becomes the queue's head if the queue
   * is empty.
   */
  block(blocked: Blocked): Promise<void>;
  /** Queues an event behind a blocked stream, once by its id. */
  enqueue(consumer: string, stream: string, event: EventEnvelope): Promise<void>;
  /** The head of the stream's queue. */
  head(consumer: string, stream: string): Promise<EventEnvelope | undefined>;
  /**
   * Takes `eventId` off the head. With the queue empty the stream is no longer blocked. Says whether anything
   * is left.
   */
  dequeue(consumer: string, stream: string, eventId: string): Promise<'more' | 'empty'>;
  blocked(id: string): Promise<(Blocked & Readonly<{ queued: number }>) | undefined>;
  /** Pages in order of id; `limit` at most. */
  findBlocked(
    filter: BlockedFilter,
    page: Readonly<{ after?: string; limit: number }>,
  ): Promise<Readonly<{ items: readonly Blocked[]; next: string | null }>>;

  /** Sets (or moves) the time at which `key` falls due in `schedule`. */
  schedule(schedule: string, key: string, dueAt: string): Promise<void>;
  unschedule(schedule: string, key: string): Promise<void>;
  /** What is due at `now`, earliest first, `limit` at most. It stays until it is unscheduled. */
  due(schedule: string, now: string, limit: number): Promise<readonly Scheduled[]>;

  /** A cache: losing it changes nothing. `shape` names the state's version; another one finds nothing. */
  snapshot(stream: string, shape: string): Promise<Snapshot | undefined>;
  saveSnapshot(stream: string, shape: string, snapshot: Snapshot): Promise<void>;
  close(): Promise<void>;
}

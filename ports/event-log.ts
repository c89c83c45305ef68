import type { EventEnvelope } from '../domain/kernel.ts';
import type { EventFilter } from './event-store.ts';

/** An event and the cursor (a position, an offset) that its partition may be committed to once it is finished. */
export type Delivery = Readonly<{ event: EventEnvelope; cursor: string }>;

/**
 * A run of one partition, in order; one stream is always in one partition. `through`: cursor past what a filter left out.
 * `signal` aborts when the partition is taken away or the subscription closes: stop work, commit nothing more.
 */
export type Batch = Readonly<{ partition: string; deliveries: readonly Delivery[]; through: string; atTail: boolean; signal: AbortSignal }>;

export type LogSubscription = Readonly<{
  /** Everything of the partition up to `cursor` is finished. Durable soon, not at once: a crash repeats. */
  commit(partition: string, cursor: string): Promise<void>;
  /** Stops delivery, resolves when no call of `onBatch` is running and commits are saved. */
  close(): Promise<void>;
  /** Resolves when the subscription has ended by itself (rejects with why it could not go on). */
  readonly ended: Promise<void>;
}>;

export type Lag = Readonly<{ events: number; seconds: number }>;

/** A log that consumer groups follow: at least once, in order per stream. */
export interface EventLog {
  publish(events: readonly EventEnvelope[]): Promise<void>;
  /**
   * `from`: where a group that has no checkpoint yet starts. The next batch of a partition comes once `onBatch` has
   * resolved, which therefore means "ready for more", not "finished".
   */
  subscribe(
    group: string,
    options: EventFilter & Readonly<{ from: 'beginning' | 'now'; batchSize: number }>,
    onBatch: (batch: Batch) => Promise<void>,
  ): Promise<LogSubscription>;
  lag(group: string): Promise<Lag>;
}

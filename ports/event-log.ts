import type { EventEnvelope, Position } from '../domain/kernel.ts';
import type { EventFilter } from './event-store.ts';

/**
 * An event and the cursor (a position, an offset) that its partition may be committed to once it is finished.
 */
export type Delivery = Readonly<{ event: EventEnvelope; cursor: string }>;

/**
 * A run of one partition, in order; one stream is always in one partition. `through`: cursor past what a
 * filter left out. `signal` aborts when the partition is taken away or the subscription closes: stop work,
 * commit nothing more.
 */
export type Batch = Readonly<{
  partition: string;
  deliveries: readonly Delivery[];
  through: string;
  atTail: boolean;
  signal: AbortSignal;
}>;

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
   * `from`: where a group that has no checkpoint yet starts. The next batch of a partition comes once
   * `onBatch` has resolved, which therefore means "ready for more", not "finished".
   */
  subscribe(
    group: string,
    options: EventFilter & Readonly<{ from: 'beginning' | 'now'; batchSize: number }>,
    onBatch: (batch: Batch) => Promise<void>,
  ): Promise<LogSubscription>;
  lag(group: string): Promise<Lag>;
  /** Up to where a group has finished everything, as last saved; undefined is the beginning. */
  reached(group: string): Promise<Position | undefined>;
  /**
   * Sets a group (back or forward) so that it goes on behind `to`; undefined is the beginning. Durable when
   * it resolves. A process that runs the group hears of it within seconds, stops its work and goes on from
   * there; else it counts at the next start.
   */
  seek(group: string, to: Position | undefined): Promise<void>;
}

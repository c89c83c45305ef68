import type { EventEnvelope, Position } from '../domain/kernel.ts';
import type { EventFilter } from './event-store.ts';
import type { Fence } from './lease.ts';

/**
 * The type of what stands for a message that is none of our events: its stream is the message's key, its data has `why`,
 * the bytes and where they came from. Nobody handles it: it is parked in sight.
 */
export const UNREADABLE = 'Unreadable';

/**
 * An event and the cursor (a position, an offset; sorts as text) that its partition may be committed to once it is
 * finished.
 */
export type Delivery = Readonly<{ event: EventEnvelope; cursor: string }>;

/**
 * A partition that a member is given. `signal` aborts when it is gone, which may be long after another member has it:
 * stop work, commit nothing more. `fence`: what writes about it carry, where the feed has one to give.
 */
export type Assignment = Readonly<{ partition: string; signal: AbortSignal; fence?: Fence }>;

/**
 * A run of one partition, in order; one stream is always in one partition. `through`: cursor past what a filter left
 * out.
 */
export type Batch = Assignment &
  Readonly<{ deliveries: readonly Delivery[]; through: string; atTail: boolean }>;

export type Member = Readonly<{
  /** The partition's first batch waits for it; a partition without events is told of too. */
  onAssigned(assignment: Assignment): Promise<void>;
  /** Resolves when it is ready for more, which does not mean finished. */
  onBatch(batch: Batch): Promise<void>;
}>;

export type FeedSubscription = Readonly<{
  /** Everything of the partition up to `cursor` is finished. Durable soon, not at once: a crash repeats. */
  commit(partition: string, cursor: string): Promise<void>;
  /** Stops delivery; resolves when no call of the member is running and commits are saved. */
  close(): Promise<void>;
  /** Resolves when the subscription has ended by itself (rejects with why it could not go on). */
  readonly ended: Promise<void>;
}>;

/** Events behind what is finished, and the age of the oldest of them. */
export type Lag = Readonly<{ partition: string; events: number; seconds: number }>;

/** Where a group begins that has no checkpoint yet; `behind`: exclusive. */
export type From = 'beginning' | 'now' | Readonly<{ behind: Position }>;

/** Events as consumer groups follow them: at least once, in order per stream, each partition by one member. */
export interface EventFeed {
  subscribe(
    group: string,
    options: EventFilter & Readonly<{ from: From; batchSize: number }>,
    member: Member,
  ): Promise<FeedSubscription>;
  /** Where the events of `stream` are delivered. */
  partitionOf(stream: string): string;
  /** All in which streams of these categories are delivered. */
  partitionsOf(categories: readonly string[]): readonly string[];
  /**
   * The partition that has to do with what was kept under the name `partition`: itself, or where `stream` is delivered
   * when this feed has none of that name, since another feed was in use then.
   */
  homeOf(partition: string, stream: string): string;
  /** `filter`: what the group listens to, for who does not run it. Without, more may be counted than concerns it. */
  lag(group: string, filter?: EventFilter): Promise<readonly Lag[]>;
  /** Up to where a group has finished everything, as last saved; undefined is the beginning. */
  reached(group: string): Promise<Position | undefined>;
}

import type { EventEnvelope } from '../domain/kernel.ts';
import type { EventFilter } from './event-store.ts';

/** What to do about an event that could not be handled: a value, so that a test can read the policy. */
export type Verdict =
  | Readonly<{ do: 'retry'; afterMs: number }>
  | Readonly<{ do: 'park'; why: string }>
  | Readonly<{ do: 'stop'; why: string }>;

/**
 * `attempt` counts from 1; `sinceFirstMs`: how long ago the first one failed; `fraction`: 0 ≤ x < 1, for
 * jitter.
 */
export type Failure = Readonly<{
  event: EventEnvelope;
  error: unknown;
  attempt: number;
  sinceFirstMs: number;
  fraction: number;
}>;

/** Does what fell due and clears `key` or moves it; one that throws, or leaves it in place, comes again with backoff. */
export type OwnSchedule = Readonly<{ name: string; onDue(key: string): Promise<void> }>;

/** Something that tells by itself, as long as it is listened to. */
export type Listening = Readonly<{
  /** Resolves when nothing that was told is still being taken in. */
  stop(): Promise<void>;
}>;

/** As long as a consumer of Kafka's own may take over what it has polled (max.poll.interval.ms). */
export const HANDLER_LIMIT_MS = 300_000;

/**
 * What a consumer says of itself before it is handed anything. `name` is the group and the scope of the
 * effects: never rename it. `effects`: what it does that others notice, for who would have it do it again: "sends mails". `concurrency`: lanes handled at once at most. `breaker: true`: pause all of the
 * consumer while its outside world is down. `limitMs`: how long one event may take, HANDLER_LIMIT_MS unless said.
 */
export type ConsumerDeclaration = Readonly<{
  name: string;
  handles: Required<EventFilter>;
  effects: readonly string[];
  from: 'beginning' | 'now';
  concurrency: number;
  breaker: boolean;
  limitMs?: number;
  /** The lane, in its partition, in which an event waits its turn: its stream, unless it is about something else. */
  laneOf?(event: EventEnvelope): string;
}>;

/**
 * What a consumer does. `handle` first folds the order and does only what it still needs, so that the same
 * event again does nothing. `schedules` and `listen`: what runs beside it, in the process that runs the
 * consumer.
 */
export type ConsumerBehaviour = Readonly<{
  handle(event: EventEnvelope, signal: AbortSignal): Promise<void>;
  onFailure(failure: Failure): Verdict;
  schedules?: readonly OwnSchedule[];
  listen?(): Listening;
}>;

export type Consumer = ConsumerDeclaration & ConsumerBehaviour;

import type { EventEnvelope } from '../domain/kernel.ts';
import type { OrderCommand } from '../domain/order/commands.ts';
import type { OrderState } from '../domain/order/state.ts';
import type { StockCommand, StockEvent, StockState } from '../domain/stock/stock.ts';
import type { AnalyticsSink } from './analytics-sink.ts';
import type { EventFilter } from './event-store.ts';
import type { Mailer } from './mailer.ts';
import type { PaymentGateway } from './payment-gateway.ts';
import type { Vault } from './vault.ts';
import type { Warehouse } from './warehouse.ts';

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

/**
 * `name` is the group and the scope of the effects: never rename it. `handle` first folds the order and does
 * only what it still needs, so that the same event again does nothing. `concurrency`: streams handled at once
 * at most. `breaker: true`: pause all of the consumer while its outside world is down.
 */
export type Consumer = Readonly<{
  name: string;
  handles: Required<EventFilter>;
  sideEffects: boolean;
  from: 'beginning' | 'now';
  concurrency: number;
  breaker: boolean;
  handle(event: EventEnvelope, signal: AbortSignal): Promise<void>;
  onFailure(failure: Failure): Verdict;
}>;

/**
 * Why a consumer commands: the event that it handles, and which of its steps this is. The command's id is
 * derived from both.
 */
export type Cause = Readonly<{ event: EventEnvelope; step: string }>;

/** Orders as a consumer sees them. */
export interface Orders {
  load(orderId: string): Promise<OrderState>;
  /**
   * Carries `command` out and answers the order as it then is. Throws (not retriable, so it parks) when the
   * order refuses.
   */
  command(orderId: string, command: OrderCommand, cause: Cause): Promise<OrderState>;
}
export interface Stocks {
  /** `events` is empty when there was nothing to do or the stock refused. */
  command(
    sku: string,
    command: StockCommand,
    cause: Cause,
  ): Promise<Readonly<{ state: StockState; events: readonly StockEvent[] }>>;
}
/** Things that fall due, by key. */
export interface Deadlines {
  set(key: string, dueAt: string): Promise<void>;
  clear(key: string): Promise<void>;
}

/**
 * What a consumer may be handed; it takes what it needs. `onFailure`: the policy for consumers of the
 * outside.
 */
export type ConsumerDeps = Readonly<{
  orders: Orders;
  stocks: Stocks;
  gateway: PaymentGateway;
  warehouse: Warehouse;
  mailer: Mailer;
  sink: AnalyticsSink;
  vault: Vault;
  deadlines: Deadlines;
  onFailure: Consumer['onFailure'];
  /** Runs `work` on all items, at most `limit` at once; rejects with the first error after all have ended. */
  inParallel<T, U>(items: readonly T[], limit: number, work: (item: T) => Promise<U>): Promise<U[]>;
}>;

/** What the API is handed. It opens nothing itself: the composition root does. */
import type { Actor, Position } from '../domain/kernel.ts';
import type { OrderState } from '../domain/order/state.ts';
import type { Blocked } from '../ports/bookkeeping.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import type { Vault } from '../ports/vault.ts';
import type { Checkout } from '../runtime/checkout.ts';
import type { Executor } from '../runtime/execute.ts';
import type { Prices } from '../runtime/prices.ts';
import type { ProjectionStatus } from '../runtime/project.ts';
import type { ViewReader } from '../runtime/views.ts';
import type { Authentication } from './auth.ts';

/** A row of the view `order-status`: the order folded up to `position`. */
export type OrderStatusRow = Readonly<{ state: OrderState; position: Position }>;
/** A row of the view `catalogue`. */
export type CatalogueRow = Readonly<{ sku: string; name: string; priceMinor: number; currency: string; onHand: number; reserved: number }>;

/** How one consumer is doing. `inFlight`: handlers running; `retrying`, `parked`: streams that wait; times are ISO 8601. */
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

/** What operators can see and do. Retrying and discarding are audited by whoever implements this. */
export interface Operations {
  consumers(): Promise<readonly ConsumerReport[]>;
  projections(): Promise<readonly ProjectionStatus[]>;
  parked: Readonly<{
    /** Pages in order of id, `limit` at most. */
    find(filter: ParkedFilter, page: Readonly<{ after?: string; limit: number }>): Promise<Readonly<{ items: readonly ParkedItem[]; next: string | null }>>;
    get(id: string): Promise<ParkedItem | undefined>;
    /** False when nothing is parked under `id`. */
    retry(id: string, actor: Actor): Promise<boolean>;
    discard(id: string, by: Readonly<{ actor: Actor; reason: string }>): Promise<boolean>;
    /** Retries all that match (an empty filter: all there is); says how many. */
    retryMatching(filter: ParkedFilter, actor: Actor): Promise<number>;
  }>;
}

/** Whether requests can be served; `why` is shown to anyone and holds nothing secret. */
export type Readiness = Readonly<{ ok: true }> | Readonly<{ ok: false; why: string }>;

export type ApiDeps = Readonly<{
  store: EventStore;
  executor: Executor;
  vault: Vault;
  clock: Clock;
  randomness: Randomness;
  log: Log;
  checkout: Checkout;
  prices: Pick<Prices, 'forget'>;
  orderStatus: ViewReader<OrderStatusRow>;
  catalogue: ViewReader<CatalogueRow>;
  auth: Authentication;
  /** Secrets that sign what warehouse and payment provider send; without one the webhook answers 404. */
  webhooks: Readonly<{ warehouseSecret?: string; paymentSecret?: string }>;
  operations: Operations;
  ready(): Promise<Readiness>;
  /** The shop's currency (ISO 4217): the catalogue holds no other. */
  currency: string;
}>;

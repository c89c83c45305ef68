/** What the API is handed. It opens nothing itself: the composition root does. */
import type { Actor } from '../domain/kernel.ts';
import type { Blocked } from '../ports/bookkeeping.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import type { Vault } from '../ports/vault.ts';
import type { Checkout } from '../runtime/checkout.ts';
import type { Executor } from '../runtime/execute.ts';
import type { Prices } from '../runtime/prices.ts';
import type { ViewReader } from '../runtime/views.ts';
import type { Live } from '../runtime/live.ts';
import type { Authentication } from './auth.ts';
import type {
  AuditRow,
  CatalogueRow,
  CustomerOrdersRow,
  OperationsRow,
  OrderStatusRow,
  SalesRow,
  StockLevelsRow,
} from './rows.ts';

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

/**
 * A build that is neither live nor kept to go back to. `begun`: by another process, or left by one that was
 * killed. `share`: of the way, 0 to 1.
 */
export type BuildReport = Readonly<{
  view: string;
  state: 'building' | 'ready' | 'failed' | 'begun';
  position: string | null;
  share: number | null;
  eventsPerSecond: number | null;
  secondsLeft: number | null;
  error?: string;
}>;
/**
 * How one view is doing. `view`: the build that readers see, null until there is one; `previous`: what a
 * roll-back goes to.
 */
export type ViewReport = Readonly<{
  name: string;
  view: string | null;
  previous: string | null;
  state: 'building' | 'running' | 'failed' | 'stopped';
  position: string | null;
  lag: Readonly<{ events: number; seconds: number }>;
  failed?: Readonly<{ position: string; type: string; stream: string; error: string }>;
  build?: BuildReport;
}>;
export type SwitchedView = Readonly<{ name: string; view: string; previous: string | null }>;

/** What operators can see and do. Retrying and discarding are audited by whoever implements this. */
export interface Operations {
  consumers(): Promise<readonly ConsumerReport[]>;
  /**
   * Each answers undefined for a name that no view has; throws BuildRefused where the builds do not allow it.
   * Audited by whoever implements this.
   */
  views: Readonly<{
    list(): Promise<readonly ViewReport[]>;
    /** Begins to fill the next build, or goes on with the one that was begun; answers at once. */
    rebuild(name: string, actor: Actor): Promise<BuildReport | undefined>;
    activate(name: string, actor: Actor): Promise<SwitchedView | undefined>;
    rollBack(name: string, actor: Actor): Promise<SwitchedView | undefined>;
  }>;
  parked: Readonly<{
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
  stockLevels: ViewReader<StockLevelsRow>;
  customerOrders: ViewReader<CustomerOrdersRow>;
  auditLog: ViewReader<AuditRow>;
  sales: ViewReader<SalesRow>;
  operationsView: ViewReader<OperationsRow>;
  live: Live;
  auth: Authentication;
  /** Secrets that sign what warehouse and payment provider send; without one the webhook answers 404. */
  webhooks: Readonly<{ warehouseSecret?: string; paymentSecret?: string }>;
  operations: Operations;
  ready(): Promise<Readiness>;
  /** IANA time zone of the shop's days. */
  timeZone: string;
  /** The shop's currency (ISO 4217): the catalogue holds no other. */
  currency: string;
}>;

/** What the API is handed. It opens nothing itself: the composition root does. */
import type { EventStore } from '../ports/event-store.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import type { Vault } from '../ports/vault.ts';
import type { Checkout } from '../shop/checkout.ts';
import type { Executor } from '../runtime/command/execute.ts';
import type { Prices } from '../shop/prices.ts';
import type { ViewReader } from '../runtime/view/read.ts';
import type { Live } from '../shop/live.ts';
import type { Seats } from '../shop/seats.ts';
import type { Operations } from '../shop/operations.ts';
import type { Authentication } from './auth.ts';
import type { AuditRow } from '../projections/audit-log.ts';
import type { CatalogueRow } from '../projections/catalogue.ts';
import type { CustomerOrdersRow } from '../projections/customer-orders.ts';
import type { OperationsRow } from '../projections/operations.ts';
import type { OrderStatusRow } from '../projections/order-status.ts';
import type { SalesRow } from '../projections/sales.ts';
import type { StockLevelsRow } from '../projections/stock-levels.ts';

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
  /** Requests that wait for a view. */
  waits: Seats;
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

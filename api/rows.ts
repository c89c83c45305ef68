/** Rows of the views as the API reads them. */
import type { Position } from '../domain/kernel.ts';
import type { DurationCounts } from '../domain/duration-counts.ts';
import type { OrderEventData } from '../domain/order/events.ts';
import type { OrderState } from '../domain/order/state.ts';
import type { StockLevels } from '../domain/stock/levels.ts';

/** A row of the view `order-status`: the order folded up to `position`. */
export type OrderStatusRow = Readonly<{ state: OrderState; position: Position }>;
/** A row of the view `catalogue`. */
export type CatalogueRow = Readonly<{
  sku: string;
  name: string;
  priceMinor: number;
  currency: string;
  onHand: number;
  reserved: number;
}>;

/**
 * Rows of the view `sales` for a minute, an hour or a day (`start`: ISO 8601, UTC), for a SKU in a month, and
 * for an order.
 */
export type SalesPeriod = Readonly<{
  kind: 'minute' | 'hour' | 'day';
  start: string;
  currency: string;
  orders: number;
  units: number;
  revenueMinor: number;
  returnedMinor: number;
}>;
/** `month`: YYYY-MM; `days`: by day of the month. */
export type SalesSku = Readonly<{
  kind: 'sku';
  month: string;
  currency: string;
  sku: string;
  name: string;
  namedAt: string;
  days: Readonly<Record<number, readonly [units: number, revenueMinor: number, returnedMinor: number]>>;
}>;
export type SalesRow = SalesPeriod | SalesSku | Readonly<{ kind: 'order' }>;

export type OperationsMark =
  'placed' | 'reserved' | 'authorized' | 'confirmed' | 'dispatched' | 'delivered' | 'cancelled' | 'returned';
/** Rows of the view `operations` for a day of placing and for an order. */
export type OperationsDay = Readonly<{
  kind: 'day';
  day: string;
  orders: Readonly<Partial<Record<OperationsMark, number>>>;
  times: Readonly<Partial<Record<OperationsMark, DurationCounts>>>;
}>;
export type OperationsRow = OperationsDay | Readonly<{ kind: 'order'; orderId: string; placedAt: string }>;

export type { AuditRow } from '../shop/audit.ts';

/** A row of the view `stock-levels`. */
export type StockLevelsRow = StockLevels & Readonly<{ sku: string; available: number; updatedAt: string }>;

/**
 * Rows of the view `customer-orders` for an order and for a customer, whose ids are `order:<id>` and
 * `customer:<id>`.
 */
export type CustomerOrder = Readonly<{
  kind: 'order';
  orderId: string;
  customerId: string;
  placedAt: string;
  currency: string;
  totalMinor: number;
  capturedMinor: number;
  refundedMinor: number;
  units: number;
  outcome?: OrderEventData['OrderClosed']['outcome'];
}>;
export type CustomerSummary = Readonly<{
  kind: 'customer';
  customerId: string;
  orders: number;
  open: number;
  units: number;
  firstPlacedAt: string;
  lastPlacedAt: string;
  amounts: Readonly<
    Record<string, Readonly<{ orderedMinor: number; capturedMinor: number; refundedMinor: number }>>
  >;
}>;
export type CustomerOrdersRow = CustomerOrder | CustomerSummary;

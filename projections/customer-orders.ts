/**
 * What a customer has ordered: a row per order, as a list shows it, and a row per customer that sums them up.
 */
import type { Category } from '../domain/index.ts';
import { keyOf, type EventEnvelope } from '../domain/kernel.ts';
import { orderEvent, type OrderEvent, type OrderEventData } from '../domain/order/events.ts';
import type { Projection } from '../ports/projection.ts';

/**
 * `units`: as ordered. `outcome`: while the order is closed. `wasOpen`: whether it was open before the last
 * event.
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
  wasOpen: boolean;
}>;
export type CustomerAmounts = Readonly<{
  orderedMinor: number;
  capturedMinor: number;
  refundedMinor: number;
}>;
/** `open`: orders that are not closed. `amounts`: by currency. */
export type CustomerSummary = Readonly<{
  kind: 'customer';
  customerId: string;
  orders: number;
  open: number;
  units: number;
  firstPlacedAt: string;
  lastPlacedAt: string;
  amounts: Readonly<Record<string, CustomerAmounts>>;
}>;
export type CustomerOrdersRow = CustomerOrder | CustomerSummary;

/** Ids of customers are free text: what stands before them keeps them apart from orders. */
export const customerRowId = (customerId: string): string => `customer:${customerId}`;

/**
 * Goods or money are on their way once more: a late fact opens a closed order again, as the order's own fold
 * has it.
 */
const reopens = ({ type, data }: OrderEvent): boolean => {
  switch (type) {
    case 'PaymentRetryRequested':
    case 'ShipmentDispatched':
    case 'ReturnReceived':
    case 'RefundRequested':
      return true;
    case 'PaymentAuthorized':
      // An authorization of nothing secures nothing.
      return data.amountMinor > 0;
    default:
      return false;
  }
};

const isOpen = (row: CustomerOrder): boolean => row.outcome === undefined;

const placed = (
  { orderId, customerId, currency, totals, lines }: OrderEventData['OrderPlaced'],
  placedAt: string,
): CustomerOrder => ({
  kind: 'order',
  orderId,
  customerId,
  placedAt,
  currency,
  totalMinor: totals.totalMinor,
  capturedMinor: 0,
  refundedMinor: 0,
  units: lines.reduce((sum, { quantity }) => sum + quantity, 0),
  wasOpen: false,
});

const orderAfter = (before: CustomerOrder | undefined, event: EventEnvelope<OrderEvent>): CustomerOrder => {
  if (event.type === 'OrderPlaced') return placed(event.data, event.meta.at);
  if (!before) throw new Error(`${event.stream} does not begin with OrderPlaced`);
  const row = before.wasOpen === isOpen(before) ? before : { ...before, wasOpen: isOpen(before) };
  if (event.type === 'PaymentCaptured')
    return { ...row, capturedMinor: row.capturedMinor + event.data.amountMinor };
  if (event.type === 'PaymentRefunded')
    return { ...row, refundedMinor: row.refundedMinor + event.data.amountMinor };
  if (event.type === 'OrderClosed') return { ...row, outcome: event.data.outcome };
  if (isOpen(row) || !reopens(event)) return row;
  const { outcome: _over, ...open } = row;
  return open;
};

const NOTHING: CustomerAmounts = { orderedMinor: 0, capturedMinor: 0, refundedMinor: 0 };

/** `order`: its row, after the same event. */
const customerAfter = (
  before: CustomerSummary | undefined,
  { type, data }: OrderEvent,
  order: CustomerOrder,
): CustomerSummary => {
  const { customerId, placedAt, currency } = order;
  const row = before ?? {
    kind: 'customer',
    customerId,
    orders: 0,
    open: 0,
    units: 0,
    firstPlacedAt: placedAt,
    lastPlacedAt: placedAt,
    amounts: {},
  };
  const was = row.amounts[currency] ?? NOTHING;
  const changed = (
    change: Partial<CustomerSummary>,
    amounts: Partial<CustomerAmounts> = {},
  ): CustomerSummary => ({
    ...row,
    ...change,
    open: row.open + Number(isOpen(order)) - Number(order.wasOpen),
    amounts: { ...row.amounts, [currency]: { ...was, ...amounts } },
  });
  switch (type) {
    case 'OrderPlaced':
      return changed(
        {
          orders: row.orders + 1,
          units: row.units + order.units,
          // History that is imported need not come in the order of time.
          firstPlacedAt: placedAt < row.firstPlacedAt ? placedAt : row.firstPlacedAt,
          lastPlacedAt: placedAt > row.lastPlacedAt ? placedAt : row.lastPlacedAt,
        },
        { orderedMinor: was.orderedMinor + order.totalMinor },
      );
    case 'PaymentCaptured':
      return changed({}, { capturedMinor: was.capturedMinor + data.amountMinor });
    case 'PaymentRefunded':
      return changed({}, { refundedMinor: was.refundedMinor + data.amountMinor });
    default:
      return changed({});
  }
};

const COUNTED: ReadonlySet<string> = new Set([
  'OrderPlaced',
  'PaymentCaptured',
  'PaymentRefunded',
] satisfies OrderEvent['type'][]);

/** `customer` finds orders, by the time of placing; rows of customers are found by their id alone. */
export const customerOrders: Projection<CustomerOrdersRow, Category> = {
  name: 'customer-orders',
  version: 2,
  categories: ['order'],
  columns: {
    kind: 'text',
    customerId: 'text',
    placedAt: 'text',
    currency: 'text',
    totalMinor: 'integer',
    capturedMinor: 'integer',
    refundedMinor: 'integer',
    units: 'integer',
  },
  indexes: { customer: ['customerId', 'placedAt'] },
  idsOf: (event) => [`order:${keyOf(event.stream)}`],
  furtherIdsOf: (row, event) =>
    row.kind === 'order' && (COUNTED.has(event.type) || row.wasOpen !== isOpen(row))
      ? [customerRowId(row.customerId)]
      : [],
  apply(row, event, _id, from) {
    if (from?.kind === 'order')
      return customerAfter(row?.kind === 'customer' ? row : undefined, orderEvent(event), from);
    return orderAfter(row?.kind === 'order' ? row : undefined, orderEvent(event));
  },
  columnsOf(row) {
    const { kind, customerId, units } = row;
    if (kind === 'customer') return { kind, customerId, units };
    const { placedAt, currency, totalMinor, capturedMinor, refundedMinor } = row;
    return { kind, customerId, placedAt, currency, totalMinor, capturedMinor, refundedMinor, units };
  },
};

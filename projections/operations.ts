/**
 * How far orders come and how long that takes them: a funnel by the day of placing, and which orders are not
 * finished.
 */
import type { Category } from '../domain/index.ts';
import { counted, type DurationCounts } from '../domain/duration-counts.ts';
import { keyOf, type EventEnvelope } from '../domain/kernel.ts';
import { orderEvent, type OrderEventType } from '../domain/order/events.ts';
import { shopCalendar } from '../domain/shop-day.ts';
import type { Projection } from '../ports/projection.ts';

export type Mark =
  'placed' | 'reserved' | 'authorized' | 'confirmed' | 'dispatched' | 'delivered' | 'cancelled' | 'returned';
/**
 * `reached`: when the order came to each mark for the first time; `latest`: the mark it reached last, at that
 * revision.
 */
export type OperationsOrder = Readonly<{
  kind: 'order';
  orderId: string;
  placedAt: string;
  day: string;
  closed: boolean;
  reached: Readonly<Partial<Record<Mark, string>>>;
  latest: Readonly<{ mark: Mark; revision: number }>;
}>;
/**
 * Of the orders placed on `day`: how many reached each mark, and how long it took those that came there live.
 */
export type OperationsDay = Readonly<{
  kind: 'day';
  day: string;
  orders: Readonly<Partial<Record<Mark, number>>>;
  times: Readonly<Partial<Record<Mark, DurationCounts>>>;
}>;
export type OperationsRow = OperationsOrder | OperationsDay;

const MARK_OF: Readonly<Partial<Record<string, Mark>>> = {
  OrderPlaced: 'placed',
  StockReserved: 'reserved',
  PaymentAuthorized: 'authorized',
  OrderConfirmed: 'confirmed',
  ShipmentDispatched: 'dispatched',
  ShipmentDelivered: 'delivered',
  OrderCancelled: 'cancelled',
  ReturnReceived: 'returned',
} satisfies Partial<Record<OrderEventType, Mark>>;
/**
 * What a step waits for. Stock and payment are asked side by side: both are timed from placing, confirmation
 * from the later one.
 */
const WAITS_FOR: Readonly<Partial<Record<Mark, readonly Mark[]>>> = {
  reserved: ['placed'],
  authorized: ['placed'],
  confirmed: ['reserved', 'authorized'],
  dispatched: ['confirmed'],
  delivered: ['dispatched'],
};
/**
 * What opens a closed order again, as the order itself sees it: goods or money are on their way once more.
 */
const REOPENING = new Set<string>([
  'PaymentAuthorized',
  'PaymentRetryRequested',
  'ShipmentDispatched',
  'RefundRequested',
  'ReturnReceived',
] satisfies OrderEventType[]);
const HEARD = new Set([...Object.keys(MARK_OF), ...REOPENING, 'OrderClosed']);

const closedAfter = (closed: boolean, event: EventEnvelope): boolean => {
  if (event.type === 'OrderClosed') return true;
  if (!REOPENING.has(event.type)) return closed;
  const { type, data } = orderEvent(event);
  // An authorization of nothing secures nothing.
  return closed && type === 'PaymentAuthorized' && data.amountMinor === 0;
};

const orderRow = (
  before: OperationsOrder | undefined,
  event: EventEnvelope,
  dayOf: (atMs: number) => string,
): OperationsOrder => {
  const { at } = event.meta;
  const mark = MARK_OF[event.type];
  if (!before) {
    if (mark !== 'placed')
      throw new Error(`${event.stream} begins with ${event.type} and not with its placing`);
    return {
      kind: 'order',
      orderId: keyOf(event.stream),
      placedAt: at,
      day: dayOf(Date.parse(at)),
      closed: false,
      reached: { placed: at },
      latest: { mark, revision: event.revision },
    };
  }
  const closed = closedAfter(before.closed, event);
  if (mark === undefined || before.reached[mark] !== undefined)
    return closed === before.closed ? before : { ...before, closed };
  return {
    ...before,
    closed,
    reached: { ...before.reached, [mark]: at },
    latest: { mark, revision: event.revision },
  };
};

/**
 * The time an imported event bears is the history's day and tells nothing of how long the step took: it is
 * counted, not timed.
 */
const dayRow = (
  before: OperationsDay | undefined,
  event: EventEnvelope,
  { day, placedAt, reached, latest: { mark } }: OperationsOrder,
): OperationsDay => {
  const row = before ?? { kind: 'day', day, orders: {}, times: {} };
  const orders = { ...row.orders, [mark]: (row.orders[mark] ?? 0) + 1 };
  const waitedFor = WAITS_FOR[mark];
  if (!waitedFor || event.meta.origin === 'import') return { ...row, orders };
  const since = waitedFor.reduce(
    (latest, step) => ((reached[step] ?? '') > latest ? (reached[step] ?? '') : latest),
    placedAt,
  );
  const tookMs = Date.parse(event.meta.at) - Date.parse(since);
  return { ...row, orders, times: { ...row.times, [mark]: counted(row.times[mark] ?? {}, tookMs) } };
};

/** Indexes: `unfinished` of the orders that are not closed, by the time of placing; `day` of the days. */
export const operations = ({
  timeZone,
}: Readonly<{ timeZone: string }>): Projection<OperationsRow, Category> => {
  const { dayOf } = shopCalendar(timeZone);
  return {
    name: 'operations',
    version: 2,
    setting: timeZone,
    categories: ['order'],
    columns: { kind: 'text', day: 'text', unfinishedSince: 'text' },
    indexes: { unfinished: ['unfinishedSince'], day: ['kind', 'day'] },
    idsOf: (event) => (HEARD.has(event.type) ? [keyOf(event.stream)] : []),
    furtherIdsOf: (row, event) =>
      row.kind === 'order' && row.latest.revision === event.revision ? [`day/${row.day}`] : [],
    apply: (before, event, _id, order) =>
      order?.kind === 'order'
        ? dayRow(before as OperationsDay | undefined, event, order)
        : orderRow(before as OperationsOrder | undefined, event, dayOf),
    columnsOf: (row) => ({
      kind: row.kind,
      day: row.day,
      unfinishedSince: row.kind === 'order' && !row.closed ? row.placedAt : null,
    }),
  };
};

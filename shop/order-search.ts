/**
 * Orders found in the view, newest first: the most telling filter picks the index, the others sift what it gives.
 */
import { orderNumber } from '../domain/order/number.ts';
import type { OrderState } from '../domain/order/state.ts';
import { statusOf, type Status } from '../domain/order/status.ts';
import type { KeyPart } from '../ports/read-store.ts';
import type { OrderStatusRow } from '../projections/order-status.ts';
import type { ViewReader } from '../runtime/view/read.ts';

/** `from` (inclusive) and `to` (exclusive) bound the time of placing and are ISO 8601 with milliseconds, UTC. */
export type OrderFilters = Readonly<{
  status?: Status | undefined;
  customer?: string | undefined;
  sku?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  number?: string | undefined;
}>;
/** `next`: the cursor of the next page; there may be more though this page is not full. */
export type OrderPage = Readonly<{ rows: readonly OrderStatusRow[]; next: string | null }>;

/** Rows looked at for one page: past it the page ends early and says where the next one starts. */
const SCAN_ROWS = 1_000;
const FIND_ROWS = 200;

const indexFor = ({
  number,
  customer,
  status,
  sku,
}: OrderFilters): Readonly<{ index: string; prefix: readonly KeyPart[] }> => {
  if (number !== undefined) return { index: 'number', prefix: [number] };
  if (customer !== undefined)
    return status === undefined
      ? { index: 'customer', prefix: [customer] }
      : { index: 'customer-status', prefix: [customer, status] };
  if (sku !== undefined) return { index: 'sku', prefix: [sku] };
  return status === undefined ? { index: 'placed', prefix: [] } : { index: 'status', prefix: [status] };
};

/**
 * All filters again, whatever the index has seen to: also what keeps a customer's list their own whatever the
 * cursor.
 */
const passes = (state: OrderState, { number, customer, status, sku, from, to }: OrderFilters): boolean =>
  (number === undefined || orderNumber(state.orderId) === number) &&
  (customer === undefined || state.customerId === customer) &&
  (status === undefined || statusOf(state) === status) &&
  (sku === undefined || state.lines.some((line) => line.sku === sku)) &&
  (from === undefined || state.placedAt >= from) &&
  (to === undefined || state.placedAt < to);

/** One page of at most `limit` orders. Throws RangeError for a cursor that is none of this search, ViewUnavailable. */
export const searchOrders = async (
  orderStatus: ViewReader<OrderStatusRow>,
  filters: OrderFilters,
  { cursor, limit }: Readonly<{ cursor?: string | undefined; limit: number }>,
): Promise<OrderPage> => {
  const { index, prefix } = indexFor(filters);
  const { from, to } = index === 'number' ? {} : filters;
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  // A cursor is a place in one index; under another filter it would mean nothing.
  const tag = `${index}:`;
  if (cursor !== undefined && !cursor.startsWith(tag))
    throw new RangeError('this cursor does not belong to the query');

  const rows: OrderStatusRow[] = [];
  let after = cursor?.slice(tag.length);
  for (let scanned = 0; scanned < SCAN_ROWS;) {
    const found = await orderStatus.find({
      index,
      prefix,
      ...range,
      limit: Math.min(FIND_ROWS, limit + 1, SCAN_ROWS - scanned),
      descending: true,
      ...(after === undefined ? {} : { after }),
    });
    for (const [place, { doc, cursor: behind }] of found.rows.entries()) {
      scanned += 1;
      after = behind;
      if (passes(doc.state, filters)) rows.push(doc);
      const last = place === found.rows.length - 1 && found.next === null;
      if (rows.length === limit) return { rows, next: last ? null : tag + behind };
    }
    if (found.next === null || found.rows.length === 0) return { rows, next: null };
  }
  return { rows, next: after === undefined ? null : tag + after };
};

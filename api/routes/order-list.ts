/**
 * Lists of orders, newest first, from the view: the most telling filter picks the index, the others sift what
 * it gives.
 */
import { z } from 'zod';
import { orderNumber } from '../../domain/order/number.ts';
import { STATUSES, statusOf, type Status } from '../../domain/order/status.ts';
import type { OrderState } from '../../domain/order/state.ts';
import type { KeyPart } from '../../ports/read-store.ts';
import { BadCursor, findPage } from '../cursor.ts';
import { summaryOf } from '../order-documents.ts';
import { problem } from '../problems.ts';
import { route } from '../route.ts';
import { Cursor, Limit, page, Sku, text, TimeQuery } from '../schemas/common.ts';
import { OrderSummary } from '../schemas/order.ts';

/** Rows looked at for one request: past it the page ends early and says where the next one starts. */
const SCAN_ROWS = 1_000;
const FIND_ROWS = 200;

type Filters = Readonly<{
  status?: Status | undefined;
  customer?: string | undefined;
  sku?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  number?: string | undefined;
}>;

const indexFor = ({
  number,
  customer,
  status,
  sku,
}: Filters): Readonly<{ index: string; prefix: readonly KeyPart[] }> => {
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
const passes = (state: OrderState, { number, customer, status, sku, from, to }: Filters): boolean =>
  (number === undefined || orderNumber(state.orderId) === number) &&
  (customer === undefined || state.customerId === customer) &&
  (status === undefined || statusOf(state) === status) &&
  (sku === undefined || state.lines.some((line) => line.sku === sku)) &&
  (from === undefined || state.placedAt >= from) &&
  (to === undefined || state.placedAt < to);

export const listOrders = route({
  method: 'get',
  path: '/orders',
  tag: 'orders',
  roles: ['customer', 'operator', 'auditor'],
  summary: 'Orders, newest first',
  description:
    'Customers see their own. `customer`, `sku`, `from`, `to` (by the time of placing; `to` is left out) and `number` are for operators and auditors. Items hold no personal data. A page may be shorter than `limit`, even empty, while `nextCursor` says that there is more.',
  query: z.strictObject({
    status: z.enum(STATUSES).optional(),
    customer: text(200).optional(),
    sku: Sku.optional(),
    from: TimeQuery.optional(),
    to: TimeQuery.optional(),
    number: z
      .string()
      .regex(/^[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{12}$/, 'must be 12 letters and digits')
      .transform((number) => number.toUpperCase())
      .pipe(z.string())
      .optional(),
    cursor: Cursor,
    limit: Limit,
  }),
  responses: { 200: { description: 'A page.', schema: page(OrderSummary) } },
  problems: ['invalid_cursor'],
  async handle({ query: { cursor, limit, ...asked }, principal }, { orderStatus }) {
    const { status, ...others } = asked;
    if (principal.role === 'customer' && Object.values(others).some((value) => value !== undefined))
      return problem(
        'forbidden',
        'Only operators and auditors can filter by customer, sku, from, to and number.',
      );
    const filters: Filters = principal.role === 'customer' ? { status, customer: principal.id } : asked;
    const { index, prefix } = indexFor(filters);
    const { from, to } = index === 'number' ? {} : filters;
    const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    // A cursor is a place in one index; under another filter it would mean nothing.
    const tag = `${index}:`;
    if (cursor !== undefined && !cursor.startsWith(tag)) throw new BadCursor();

    const items = [];
    let after = cursor?.slice(tag.length);
    for (let scanned = 0; scanned < SCAN_ROWS;) {
      const found = await findPage(orderStatus, {
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
        if (passes(doc.state, filters)) items.push(summaryOf(doc.state, doc.position, 'view'));
        const last = place === found.rows.length - 1 && found.next === null;
        if (items.length === limit)
          return { status: 200, body: { items, nextCursor: last ? null : tag + behind } };
      }
      if (found.next === null || found.rows.length === 0)
        return { status: 200, body: { items, nextCursor: null } };
    }
    return { status: 200, body: { items, nextCursor: after === undefined ? null : tag + after } };
  },
});

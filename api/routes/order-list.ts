/** Lists of orders, newest first. */
import { z } from 'zod';
import { STATUSES } from '../../domain/order/status.ts';
import { searchOrders, type OrderFilters } from '../../shop/order-search.ts';
import { behindCursor } from '../cursor.ts';
import { summaryOf } from '../order-documents.ts';
import { problem } from '../problems.ts';
import { route } from '../route.ts';
import { Cursor, Limit, page, Sku, text, TimeQuery } from '../schemas/common.ts';
import { OrderSummary } from '../schemas/order.ts';

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
    const filters: OrderFilters = principal.role === 'customer' ? { status, customer: principal.id } : asked;
    const { rows, next } = await behindCursor(cursor, () =>
      searchOrders(orderStatus, filters, { cursor, limit }),
    );
    const items = rows.map(({ state, position }) => summaryOf(state, position, 'view'));
    return { status: 200, body: { items, nextCursor: next } };
  },
});

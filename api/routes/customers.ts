/** What a customer has ordered, summed up and in a list. */
import { z } from 'zod';
import { orderNumber } from '../../domain/order/number.ts';
import type { Principal } from '../auth.ts';
import { findPage } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { problem } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route, type Route } from '../route.ts';
import type { CustomerOrder, CustomerSummary } from '../../projections/customer-orders.ts';
import { components, Cursor, Instant, Limit, page } from '../schemas/common.ts';

const Count = z.int().min(0);
const Minor = z.int().min(0);
const Amount = z.strictObject({ amountMinor: Minor, currency: z.string() });
/** The id is checked by looking for it: what is no id finds none. */
const CustomerParams = z.strictObject({ id: z.string().max(200) });

const Customer = z
  .strictObject({
    customerId: z.string(),
    orders: Count,
    openOrders: Count,
    units: Count,
    firstPlacedAt: Instant,
    lastPlacedAt: Instant,
    amounts: z.array(
      z.strictObject({
        currency: z.string(),
        orderedMinor: Minor,
        capturedMinor: Minor,
        refundedMinor: Minor,
      }),
    ),
  })
  .register(components, {
    id: 'Customer',
    description:
      'Sums over all orders, one of amounts for each currency. `openOrders` are not closed; `units` are as ordered.',
  });
const CustomerOrderItem = z
  .strictObject({
    orderId: z.string(),
    number: z.string(),
    placedAt: Instant,
    total: Amount,
    captured: Amount,
    refunded: Amount,
    units: Count,
    outcome: z.enum(['delivered', 'cancelled', 'returned']).nullable(),
  })
  .register(components, {
    id: 'CustomerOrder',
    description: 'An order at a glance; `outcome` is null until it is closed.',
  });

const summaryOf = ({
  customerId,
  orders,
  open,
  units,
  firstPlacedAt,
  lastPlacedAt,
  amounts,
}: CustomerSummary) => ({
  customerId,
  orders,
  openOrders: open,
  units,
  firstPlacedAt,
  lastPlacedAt,
  amounts: Object.entries(amounts).map(([currency, sums]) => ({ currency, ...sums })),
});
const itemOf = ({
  orderId,
  placedAt,
  currency,
  totalMinor,
  capturedMinor,
  refundedMinor,
  units,
  outcome,
}: CustomerOrder) => {
  const money = (amountMinor: number) => ({ amountMinor, currency });
  return {
    orderId,
    number: orderNumber(orderId),
    placedAt,
    total: money(totalMinor),
    captured: money(capturedMinor),
    refunded: money(refundedMinor),
    units,
    outcome: outcome ?? null,
  };
};

/** The customer's row, or why it is not shown. */
const find = async (
  id: string,
  principal: Principal,
  { customerOrders }: ApiDeps,
): Promise<{ found: CustomerSummary } | { reply: Reply }> => {
  if (principal.role === 'customer' && principal.id !== id)
    return { reply: problem('forbidden', 'This is another customer.') };
  const row = await customerOrders.get(`customer:${id}`);
  return row?.kind === 'customer'
    ? { found: row }
    : { reply: problem('customer_not_found', 'No order of this customer is known.') };
};

const getCustomer = route({
  method: 'get',
  path: '/customers/{id}',
  tag: 'customers',
  roles: ['customer', 'operator', 'auditor'],
  summary: 'What a customer has ordered in all',
  description:
    'Customers see themselves. It holds no personal data, and follows what happens within moments.',
  params: CustomerParams,
  responses: { 200: { description: 'Sums over the orders.', schema: Customer } },
  problems: ['customer_not_found'],
  async handle({ params: { id }, principal }, deps) {
    const customer = await find(id, principal, deps);
    return 'reply' in customer ? customer.reply : { status: 200, body: summaryOf(customer.found) };
  },
});

const listCustomerOrders = route({
  method: 'get',
  path: '/customers/{id}/orders',
  tag: 'customers',
  roles: ['customer', 'operator', 'auditor'],
  summary: "A customer's orders at a glance, newest first",
  description: 'Customers see their own. `/orders?customer=` gives the status documents, and filters.',
  params: CustomerParams,
  query: z.strictObject({ cursor: Cursor, limit: Limit }),
  responses: { 200: { description: 'A page.', schema: page(CustomerOrderItem) } },
  problems: ['customer_not_found', 'invalid_cursor'],
  async handle({ params: { id }, query: { cursor, limit }, principal }, deps) {
    const customer = await find(id, principal, deps);
    if ('reply' in customer) return customer.reply;
    const { rows, next } = await findPage(deps.customerOrders, {
      index: 'customer',
      prefix: [id],
      limit,
      descending: true,
      ...(cursor === undefined ? {} : { after: cursor }),
    });
    return {
      status: 200,
      body: {
        items: rows.flatMap(({ doc }) => (doc.kind === 'order' ? [itemOf(doc)] : [])),
        nextCursor: next,
      },
    };
  },
});

export const customers: readonly Route[] = [getCustomer, listCustomerOrders];

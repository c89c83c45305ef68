import { orderNumber } from '../../domain/order/number.ts';
import { etagOf } from '../order-documents.ts';
import { problem, refused } from '../problems.ts';
import { route } from '../route.ts';
import { NewOrder, PlacedOrder } from '../schemas/order.ts';

export const checkout = route({
  method: 'post',
  path: '/orders',
  tag: 'orders',
  roles: ['customer'],
  idempotent: true,
  summary: 'Place an order',
  description:
    'The catalogue prices it. 201 means that the order is on disk; a repeat with the same key and body gets the same answer, byte for byte.',
  body: NewOrder,
  responses: {
    201: {
      description: 'Placed, now or by an earlier request with this key.',
      schema: PlacedOrder,
      headers: { Location: 'Address of the order.', ETag: 'Its revision.' },
    },
  },
  problems: ['unknown_sku', 'price_changed', 'idempotency_key_reused', 'invalid_order'],
  async handle({ body, principal, idempotencyKey, traceparent }, deps) {
    const { id, role } = principal;
    const result = await deps.checkout(id, idempotencyKey, body, { id, role }, traceparent);
    if (!result.ok) {
      const { reason } = result;
      if (!('lines' in reason)) return refused(reason);
      return problem('unknown_sku', reason.sentence, {
        errors: reason.lines.map((line) => ({
          pointer: `/lines/${line}/sku`,
          detail: 'The catalogue does not list this SKU.',
        })),
      });
    }
    // From the stored event alone, so that a repeat says the same whatever has become of order and prices.
    const { data, revision, position } = result.placed;
    const { linesMinor, shippingMinor, discountMinor, taxMinor, totalMinor } = data.totals;
    return {
      status: 201,
      headers: { Location: `/orders/${data.orderId}`, ETag: etagOf(revision) },
      body: {
        orderId: data.orderId,
        number: orderNumber(data.orderId),
        status: 'placed',
        revision,
        position,
        total: {
          amountMinor: totalMinor,
          currency: data.currency,
          linesMinor,
          shippingMinor,
          discountMinor,
          taxMinor,
        },
      },
    };
  },
});

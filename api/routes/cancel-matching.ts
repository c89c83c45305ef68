/** Many orders cancelled at once: those of a product that will not come, or of a day that went wrong. */
import { z } from 'zod';
import { STATUSES } from '../../domain/order/status.ts';
import { cancelOrders, MOST_CANCELLED, openOrders } from '../../shop/cancel-orders.ts';
import { Count, COUNTED, COUNT_FIRST, counted, countedBefore, onceCounted } from '../counted.ts';
import { problem } from '../problems.ts';
import { route } from '../route.ts';
import { Reason, Sku, text, TimeQuery } from '../schemas/common.ts';

const many = z.int().min(0);

export const cancelMatching = route({
  method: 'post',
  path: '/ops/orders/cancel',
  tag: 'operations',
  roles: ['operator'],
  summary: 'Cancel all open orders that match',
  description: `By \`status\`, \`sku\`, \`customer\`, and \`from\` and \`to\` (by the time of placing; \`to\` is left out); ${MOST_CANCELLED} at most. ${COUNTED} Each order is cancelled as if its own were, with the reason, and says who did it.`,
  body: z
    .strictObject({
      status: z.enum(STATUSES).optional(),
      sku: Sku.optional(),
      customer: text(200).optional(),
      from: TimeQuery.optional(),
      to: TimeQuery.optional(),
      reason: Reason,
      ...counted,
    })
    .refine(
      ({ status, sku, customer, from, to }) =>
        [status, sku, customer, from, to].some((value) => value !== undefined),
      'give at least one of status, sku, customer, from, to',
    )
    .refine(...countedBefore),
  responses: {
    200: {
      description: `${COUNT_FIRST}, or what became of each: cancelled, asked of the warehouse, or refused (\`first\`: some of these).`,
      schema: z.union([
        Count,
        z.strictObject({
          cancelled: many,
          requested: many,
          refused: many,
          first: z.array(z.strictObject({ orderId: z.string(), code: z.string(), sentence: z.string() })),
        }),
      ]),
    },
  },
  problems: ['matches_changed', 'too_many_matches'],
  async handle({ body: { reason, dryRun, matches, ...filters }, principal }, { orderStatus, executor }) {
    const found = await openOrders(orderStatus, filters);
    if (found.length > MOST_CANCELLED)
      return problem('too_many_matches', `More than ${MOST_CANCELLED} match: narrow it, by a day perhaps.`);
    return onceCounted(
      { dryRun, matches },
      async () => found.length,
      async () => {
        const by = { actor: { id: principal.id, role: principal.role }, reason };
        return { status: 200, body: await cancelOrders(executor, found, by) };
      },
    );
  },
});

/** Consumers as operators watch them, and tell them to wait. */
import { z } from 'zod';
import type { ConsumerOperations } from '../../shop/consumer-operations.ts';
import { problem } from '../problems.ts';
import { route, type Route } from '../route.ts';
import { Reason } from '../schemas/common.ts';
import { ConsumerReport } from '../schemas/operations.ts';

const tag = 'operations';
const roles = ['operator'] as const;

const telling = (
  act: 'pause' | 'resume',
  summary: string,
  description: string,
  how: (consumers: ConsumerOperations) => ConsumerOperations['pause'],
): Route =>
  route({
    method: 'post',
    path: `/ops/consumers/{name}/${act}`,
    tag,
    roles,
    summary,
    description,
    params: z.strictObject({ name: z.string().max(100) }),
    body: z.strictObject({ reason: Reason }),
    responses: { 200: { description: 'How it is doing now.', schema: ConsumerReport } },
    problems: ['consumer_not_found'],
    async handle({ params: { name }, body: { reason }, principal: { id, role } }, { operations }) {
      const report = await how(operations.consumers)(name, { actor: { id, role }, reason });
      return report
        ? { status: 200, body: report }
        : problem('consumer_not_found', `No consumer is called ${name}; GET /ops/consumers lists them.`);
    },
  });

export const consumers: readonly Route[] = [
  route({
    method: 'get',
    path: '/ops/consumers',
    tag,
    roles,
    summary: 'How each consumer is doing',
    responses: {
      200: {
        description: 'Lag, heartbeat, what is stuck.',
        schema: z.strictObject({ items: z.array(ConsumerReport) }),
      },
    },
    handle: async (_request, { operations }) => ({
      status: 200,
      body: { items: await operations.consumers.list() },
    }),
  }),
  telling(
    'pause',
    'Have a consumer wait',
    'Such as `payment`: nothing is charged any more, and orders wait. Within a second no handler and nothing that is due starts in any process; what runs ends (`inFlight`). It stays so over restarts until it is resumed. What the outside reports is still recorded. Audited with the reason.',
    ({ pause }) => pause,
  ),
  telling(
    'resume',
    'Have it go on',
    'With what has come meanwhile. Audited with the reason.',
    ({ resume }) => resume,
  ),
];

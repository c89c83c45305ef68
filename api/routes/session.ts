import { z } from 'zod';
import { TOKEN_ROLES } from '../auth.ts';
import { problem } from '../problems.ts';
import { openRoute } from '../route.ts';

const CustomerId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}$/, 'must be 1 to 100 letters, digits or . _ : @ -');
const Asked = z
  .strictObject({ role: z.enum(TOKEN_ROLES), customerId: CustomerId.optional() })
  .refine(({ role, customerId }) => role === 'customer' || customerId === undefined, {
    path: ['customerId'],
    message: 'is for the role customer only',
  });

export const session = openRoute({
  method: 'post',
  path: '/session',
  tag: 'session',
  summary: 'Get a token',
  description:
    'Only with dev authentication, where anyone can be anyone. A customer without an id is a new one.',
  body: Asked,
  responses: {
    200: {
      description: 'A signed token (JWT) that is good for 30 days.',
      schema: z.strictObject({
        token: z.string(),
        role: z.enum(TOKEN_ROLES),
        customerId: z.string().optional(),
      }),
    },
  },
  problems: ['no_such_route'],
  async handle({ body: { role, customerId } }, { auth, randomness }) {
    if (!auth.session)
      return problem('no_such_route', 'This server takes the tokens of an identity provider and makes none.');
    if (role !== 'customer') return { status: 200, body: { token: await auth.session({ role }), role } };
    const id = customerId ?? `c-${randomness.uuid()}`;
    return {
      status: 200,
      body: { token: await auth.session({ role, customerId: id }), role, customerId: id },
    };
  },
});

/** What happened to an order: who, when, why, and the hash that chains it. */
import { z } from 'zod';
import { Sealed, type EventEnvelope } from '../../domain/kernel.ts';
import { orderStream } from '../../domain/order/events.ts';
import type { Vault } from '../../ports/vault.ts';
import { hashOf } from '../../runtime/command/chain.ts';
import type { Principal } from '../auth.ts';
import { BadCursor } from '../cursor.ts';
import { findOrder } from '../order-documents.ts';
import { route } from '../route.ts';
import { Cursor, Limit, OrderParams, page } from '../schemas/common.ts';
import { HistoryItem } from '../schemas/order.ts';

/**
 * Left out for all but auditors: what the payment provider and the recognition of repeats need, and no person
 * reads.
 */
const TECHNICAL = new Set(['requestHash', 'token']);

/** Opens what is sealed and leaves technical fields out, at any depth. */
const readable = async (vault: Vault, value: unknown): Promise<unknown> => {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return Promise.all(value.map((item) => readable(vault, item)));
  const sealed = Sealed.safeParse(value);
  if (sealed.success) return vault.open(sealed.data);
  const fields = Object.entries(value).filter(([name]) => !TECHNICAL.has(name));
  return Object.fromEntries(
    await Promise.all(fields.map(async ([name, field]) => [name, await readable(vault, field)] as const)),
  );
};

const itemOf = async (vault: Vault, event: EventEnvelope, { id: reader, role }: Principal) => {
  const { id, type, schema, revision, position, data, meta } = event;
  const { actor } = meta;
  return {
    id,
    type,
    schema,
    revision,
    position,
    data: role === 'auditor' ? data : await readable(vault, data),
    // A customer learns that an operator did it, and not which one.
    meta:
      role === 'customer' && actor.id !== reader
        ? { ...meta, actor: { id: actor.role, role: actor.role } }
        : meta,
    hash: hashOf(event),
  };
};

export const getHistory = route({
  method: 'get',
  path: '/orders/{id}/history',
  tag: 'orders',
  roles: ['customer', 'operator', 'auditor'],
  summary: 'The events of an order',
  description:
    'From revision 0. Customers and operators read personal data in the clear ("[erased]" once it is); auditors see each event as it is stored, sealed boxes included, which is what `hash` is over.',
  params: OrderParams,
  query: z.strictObject({ cursor: Cursor, limit: Limit }),
  responses: { 200: { description: 'A page.', schema: page(HistoryItem) } },
  problems: ['not_your_order', 'order_not_found', 'invalid_cursor'],
  async handle({ params: { id }, query: { cursor, limit }, principal }, deps) {
    if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) throw new BadCursor();
    const order = await findOrder(deps, principal, id);
    if ('reply' in order) return order.reply;
    const from = Number(cursor ?? 0);
    const events: EventEnvelope[] = [];
    for await (const event of deps.store.readStream(orderStream(id), { from, limit })) events.push(event);
    const items = await Promise.all(events.map((event) => itemOf(deps.vault, event, principal)));
    const next = from + items.length;
    return {
      status: 200,
      body: {
        items,
        nextCursor: items.length === limit && next <= order.found.revision ? String(next) : null,
      },
    };
  },
});

import { z } from 'zod';
import { productStream, Sku, products } from '../../domain/product/product.ts';
import {
  available,
  stockStream,
  stocks,
  type StockCommand,
  type StockState,
} from '../../domain/stock/stock.ts';
import { derivedUuid } from '../../runtime/command/identity.ts';
import { BadCursor, findPage } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { problem, refused } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route, type ApiRequest } from '../route.ts';
import {
  components,
  Cursor,
  Instant,
  Limit,
  page,
  Reason,
  SkuParams,
  wholeNumber,
} from '../schemas/common.ts';

const MOST_UNITS = 1_000_000;
const units = {
  sku: Sku,
  onHand: z.int(),
  reserved: z.int().min(0),
  backordered: z.int().min(0),
  available: z.int(),
};
const levels = { ...units, revision: z.int().min(-1) };
const StockLevels = z.strictObject(levels).register(components, {
  id: 'StockLevels',
  description:
    '`available` = on hand − reserved; below 0 when more has left than was counted. `revision` is -1 before anything was received.',
});
const StockAnswer = z.strictObject({ ...levels, position: z.string() }).register(components, {
  id: 'StockAnswer',
  description: 'Levels after the command; `revision` is what it led to, also when it is repeated.',
});

const StockItem = z.strictObject({ ...units, updatedAt: Instant }).register(components, {
  id: 'StockItem',
  description: 'Levels as of `updatedAt`. A product that was listed and never received has 0 of everything.',
});

const levelsOf = (sku: string, state: StockState) => ({
  sku,
  onHand: state.onHand,
  reserved: state.reserved,
  backordered: state.backordered,
  available: available(state),
  revision: state.revision,
});

export const listStock = route({
  method: 'get',
  path: '/stock',
  tag: 'stock',
  roles: ['operator'],
  summary: 'What of each SKU is there and promised',
  description:
    'By SKU; with `below`, the SKUs of which fewer units are available, the fewest first. It follows what happens within moments.',
  query: z.strictObject({
    below: wholeNumber(0, 1_000_000_000).optional().describe('Units.'),
    cursor: Cursor,
    limit: Limit,
  }),
  responses: { 200: { description: 'A page.', schema: page(StockItem) } },
  problems: ['invalid_cursor'],
  async handle({ query: { below, cursor, limit } }, { stockLevels }) {
    const where = below === undefined ? { index: 'sku' } : { index: 'available', to: below };
    // A cursor is a place in one index; in the other it would mean nothing.
    const tag = `${where.index}:`;
    if (cursor !== undefined && !cursor.startsWith(tag)) throw new BadCursor();
    const { rows, next } = await findPage(stockLevels, {
      ...where,
      prefix: [],
      limit,
      ...(cursor === undefined ? {} : { after: cursor.slice(tag.length) }),
    });
    const items = rows.map(({ doc: { sku, onHand, reserved, backordered, available: free, updatedAt } }) => ({
      sku,
      onHand,
      reserved,
      backordered,
      available: free,
      updatedAt,
    }));
    return { status: 200, body: { items, nextCursor: next === null ? null : tag + next } };
  },
});

export const getStock = route({
  method: 'get',
  path: '/stock/{sku}',
  tag: 'stock',
  roles: ['operator'],
  summary: 'What of a SKU is there and promised',
  params: SkuParams,
  responses: { 200: { description: 'Levels now, from the stream itself.', schema: StockLevels } },
  problems: ['sku_not_found'],
  async handle({ params: { sku } }, { executor }) {
    const { state } = await executor.load(stocks, stockStream(sku));
    if (state.revision < 0 && (await executor.load(products, productStream(sku))).revision < 0)
      return problem('sku_not_found', 'There is no such SKU.');
    return { status: 200, body: levelsOf(sku, state) };
  },
});

const changed = async (
  name: string,
  command: StockCommand,
  request: ApiRequest<{ sku: string }>,
  { executor, store }: ApiDeps,
): Promise<Reply> => {
  const {
    params: { sku },
    principal: { id, role },
    idempotencyKey,
    traceparent,
  } = request;
  const stream = stockStream(sku);
  const done = await executor.execute(stocks, stream, command, {
    commandId: derivedUuid('api', stream, id, name, idempotencyKey),
    actor: { id, role },
    traceparent,
  });
  if (!done.ok) return refused(done.reason);
  // A stream that was folded from a snapshot alone knows no position; the tail is past it.
  const position = done.position ?? (await store.tail());
  return { status: 200, body: { ...levelsOf(sku, done.state), revision: done.revision, position } };
};

export const receiveStock = route({
  method: 'post',
  path: '/stock/{sku}/receive',
  tag: 'stock',
  roles: ['operator'],
  idempotent: true,
  summary: 'Goods have arrived',
  description: 'Who waits for them is served first come, first served. The SKU need not be listed.',
  params: SkuParams,
  body: z.strictObject({ quantity: z.int().min(1).max(MOST_UNITS), reason: Reason.optional() }),
  responses: { 200: { description: 'Received.', schema: StockAnswer } },
  handle(request, deps) {
    const { quantity, reason } = request.body;
    return changed(
      'receive',
      { type: 'ReceiveGoods', data: reason === undefined ? { quantity } : { quantity, reason } },
      request,
      deps,
    );
  },
});

export const adjustStock = route({
  method: 'post',
  path: '/stock/{sku}/adjust',
  tag: 'stock',
  roles: ['operator'],
  idempotent: true,
  summary: 'Correct what is on hand',
  params: SkuParams,
  body: z.strictObject({
    quantity: z
      .int()
      .min(-MOST_UNITS)
      .max(MOST_UNITS)
      .refine((quantity) => quantity !== 0, 'must not be 0')
      .describe('Units more (or, below 0, less) than was thought.'),
    reason: Reason,
  }),
  responses: { 200: { description: 'Adjusted.', schema: StockAnswer } },
  problems: ['below_zero'],
  handle(request, deps) {
    const { quantity, reason } = request.body;
    return changed('adjust', { type: 'AdjustStock', data: { delta: quantity, reason } }, request, deps);
  },
});

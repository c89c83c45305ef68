import { z } from 'zod';
import { productStream, products } from '../../domain/product/product.ts';
import { derivedUuid } from '../../runtime/command/identity.ts';
import { searchCatalogue } from '../catalogue-search.ts';
import { problem } from '../problems.ts';
import { openRoute, route } from '../route.ts';
import { components, Cursor, Limit, page, Price, SkuParams, text } from '../schemas/common.ts';

const Item = z
  .strictObject({ sku: z.string(), name: z.string(), price: Price, available: z.int().min(0) })
  .register(components, { id: 'CatalogueItem' });
const Product = z
  .strictObject({
    sku: z.string(),
    name: z.string(),
    price: Price,
    listed: z.boolean(),
    revision: z.int().min(0),
    position: z.string(),
  })
  .register(components, { id: 'Product' });

export const listCatalogue = openRoute({
  method: 'get',
  path: '/catalogue',
  tag: 'catalogue',
  summary: 'What the shop sells',
  description:
    'By SKU; with `search`, products where each word of it begins a word of the name or of the SKU.',
  query: z.strictObject({ search: z.string().max(100).optional(), cursor: Cursor, limit: Limit }),
  responses: { 200: { description: 'A page.', schema: page(Item) } },
  problems: ['invalid_cursor'],
  async handle({ query: { search, cursor, limit } }, { catalogue }) {
    const { rows, next } = await searchCatalogue(catalogue, search, cursor, limit);
    const items = rows.map(({ sku, name, priceMinor, currency, onHand, reserved }) => ({
      sku,
      name,
      price: { amountMinor: priceMinor, currency },
      available: Math.max(0, onHand - reserved),
    }));
    return { status: 200, body: { items, nextCursor: next } };
  },
});

export const putProduct = route({
  method: 'put',
  path: '/catalogue/{sku}',
  tag: 'catalogue',
  roles: ['operator'],
  idempotent: true,
  summary: 'List a product, or change its name or price',
  params: SkuParams,
  body: z.strictObject({ name: text(200), price: Price }),
  responses: { 200: { description: 'The product as it now is.', schema: Product } },
  problems: ['currency_mismatch'],
  async handle(
    { params: { sku }, body: { name, price }, principal, idempotencyKey, traceparent },
    { executor, prices, currency },
  ) {
    if (price.currency !== currency)
      return problem('currency_mismatch', `The shop sells in ${currency}.`, {
        errors: [{ pointer: '/price/currency', detail: `must be ${currency}` }],
      });
    const stream = productStream(sku);
    const { id, role } = principal;
    const done = await executor.execute(
      products,
      stream,
      { type: 'ListProduct', data: { sku, name, priceMinor: price.amountMinor, currency } },
      { commandId: derivedUuid('api', stream, id, 'put', idempotencyKey), actor: { id, role }, traceparent },
    );
    prices.forget(sku);
    if (!done.ok) return problem('sku_not_found', done.reason.sentence);
    const { state, revision, position } = done;
    return {
      status: 200,
      body: {
        sku,
        name: state.name,
        price: { amountMinor: state.priceMinor, currency: state.currency },
        listed: state.listed,
        revision,
        position,
      },
    };
  },
});

export const deleteProduct = route({
  method: 'delete',
  path: '/catalogue/{sku}',
  tag: 'catalogue',
  roles: ['operator'],
  idempotent: true,
  summary: 'Delist a product',
  description: 'It can no longer be ordered. Orders that have it keep it, and it can be listed again.',
  params: SkuParams,
  responses: {
    200: {
      description: 'Delisted.',
      schema: z.strictObject({
        sku: z.string(),
        listed: z.boolean(),
        revision: z.int().min(0),
        position: z.string(),
      }),
    },
  },
  problems: ['sku_not_found'],
  async handle(
    { params: { sku }, principal: { id, role }, idempotencyKey, traceparent },
    { executor, prices },
  ) {
    const stream = productStream(sku);
    const done = await executor.execute(
      products,
      stream,
      { type: 'DelistProduct', data: {} },
      {
        commandId: derivedUuid('api', stream, id, 'delete', idempotencyKey),
        actor: { id, role },
        traceparent,
      },
    );
    prices.forget(sku);
    if (!done.ok) return problem('sku_not_found', done.reason.sentence);
    return {
      status: 200,
      body: { sku, listed: done.state.listed, revision: done.revision, position: done.position },
    };
  },
});

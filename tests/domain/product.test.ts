import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { categoryOf, keyOf, upcast, type EventEnvelope, type EventSchema } from '../../domain/kernel.ts';
import { z } from 'zod';
import {
  product,
  PRODUCT_EVENTS,
  Sku,
  type ProductCommand,
  type ProductEvent,
  type ProductState,
} from '../../domain/product/product.ts';
import { stamp } from './scenario.ts';

let ids = 0;
const catalogue = (state: ProductState = product.initial) => ({
  state,
  when(command: ProductCommand, id = `p${++ids}`) {
    const meta = stamp(id);
    const decision = product.decide({ ...command, meta }, state);
    return {
      decision,
      then(...events: readonly ProductEvent[]) {
        assert.equal(decision, { ok: true, events });
        for (const event of events) assert.ok(PRODUCT_EVENTS[event.type].data.safeParse(event.data).success);
        return catalogue(events.reduce((folded, event) => product.evolve(folded, { ...event, meta }), state));
      },
    };
  },
});
const mug = (
  name = 'Mug',
  priceMinor = 1_000,
  currency = 'GBP',
): Extract<ProductCommand, { type: 'ListProduct' }> => ({
  type: 'ListProduct',
  data: { sku: 'MUG', name, priceMinor, currency },
});
const gone: ProductCommand = { type: 'DelistProduct', data: {} };

const products = suite('product');

products('is listed, renamed, priced and delisted, each as an event of its own', () => {
  const listed = catalogue().when(mug()).then({ type: 'ProductListed', data: mug().data });
  listed.when(mug()).then();
  listed.when(mug('Cup')).then({ type: 'ProductRenamed', data: { name: 'Cup' } });
  const dearer = listed
    .when(mug('Cup', 1_200))
    .then(
      { type: 'ProductRenamed', data: { name: 'Cup' } },
      { type: 'ProductPriced', data: { priceMinor: 1_200, currency: 'GBP' } },
    );
  listed
    .when(mug('Mug', 1_000, 'EUR'))
    .then({ type: 'ProductPriced', data: { priceMinor: 1_000, currency: 'EUR' } });
  const off = dearer.when(gone).then({ type: 'ProductDelisted', data: {} });
  off.when(gone).then();
  assert.not(off.state.listed);
  off.when(mug()).then({ type: 'ProductListed', data: mug().data });
});

products('that was never listed cannot be delisted', () => {
  const { decision } = catalogue().when(gone);
  assert.ok(!decision.ok && decision.reason.code === 'unknown_sku');
});

products('command again is nothing, also after others', () => {
  const dearer = catalogue()
    .when(mug(), 'first')
    .then({ type: 'ProductListed', data: mug().data })
    .when(mug('Mug', 1_200), 'second')
    .then({ type: 'ProductPriced', data: { priceMinor: 1_200, currency: 'GBP' } });
  dearer.when(mug(), 'first').then();
});

products('has a SKU that fits a stream name', () => {
  for (const good of ['A', '85123A', 'a.b_c-d']) assert.ok(Sku.safeParse(good).success);
  for (const wrong of ['', '-a', 'a b', 'a/b', 'x'.repeat(65), 'é']) assert.not(Sku.safeParse(wrong).success);
});
products.run();

const kernel = suite('streams and versions');

kernel('names fall apart into category and key', () => {
  assert.equal([categoryOf('product-a-b'), keyOf('product-a-b')], ['product', 'a-b']);
});

kernel('events of older versions are brought to the current one, step by step', () => {
  const schemas: Record<string, EventSchema> = {
    Told: {
      version: 3,
      data: z.unknown(),
      upcasters: {
        1: (data: { a: number }) => ({ b: data.a }),
        2: (data: { b: number }) => ({ c: data.b + 1 }),
      },
    },
  };
  const stored = (schema: number, data: unknown, type = 'Told') =>
    ({ type, schema, data, stream: 's-1', revision: 0 }) as unknown as EventEnvelope;
  assert.equal(upcast(schemas, stored(1, { a: 1 })).data, { c: 2 });
  assert.equal(upcast(schemas, stored(2, { b: 5 })).schema, 3);
  const now = stored(3, { c: 9 });
  assert.is(upcast(schemas, now), now);
  assert.throws(() => upcast(schemas, stored(4, {})), 'reads up to 3');
  assert.throws(() => upcast(schemas, stored(1, {}, 'Unheard')), 'is unknown');
  assert.throws(() => upcast({ Told: { version: 2, data: z.unknown() } }, stored(1, {})), 'no upcaster');
});
kernel.run();

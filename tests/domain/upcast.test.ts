/**
 * OrderPlaced version 1 to 2: what an old order's rate is taken to be, and that each new one keeps its own.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { memoryVault } from '../../adapters/memory/vault.ts';
import { analytics } from '../../consumers/analytics/index.ts';
import type { EventEnvelope } from '../../domain/kernel.ts';
import { taxContained } from '../../domain/money.ts';
import { ORDER_EVENTS, orderEvent, type OrderEventData } from '../../domain/order/events.ts';
import { evolve } from '../../domain/order/evolve.ts';
import { initialOrder } from '../../domain/order/state.ts';
import { orders } from '../../domain/order/order.ts';
import { createCheckout } from '../../shop/checkout.ts';
import { createExecutor } from '../../runtime/command/execute.ts';
import { worldOf } from '../consumers/world.ts';
import { fakeClock } from '../fake-clock.ts';
import { csv, world as importWorld } from '../scripts/world.ts';
import { given, ORDER_ID, placing, PLACED_AT, stamp } from './scenario.ts';

type Placed = OrderEventData['OrderPlaced'];
type PlacedV1 = Omit<Placed, 'taxRate'>;

/** As version 1 stored it. */
const old = (
  { taxRate: _rate, ...data }: Placed,
  totals: Partial<Placed['totals']> = {},
): EventEnvelope<{ type: 'OrderPlaced'; data: PlacedV1 }> =>
  ({
    type: 'OrderPlaced',
    schema: 1,
    stream: `order-${ORDER_ID}`,
    revision: 0,
    meta: stamp('c', PLACED_AT),
    data: { ...data, totals: { ...data.totals, ...totals } },
  }) as never;
const rateOf = (taxMinor: number, totalMinor: number): unknown => {
  const event = orderEvent(old(placing(), { taxMinor, totalMinor }));
  assert.ok(ORDER_EVENTS.OrderPlaced.data.safeParse(event.data).success);
  return event.type === 'OrderPlaced' ? event.data.taxRate : undefined;
};

const upcasting = suite('OrderPlaced 1 to 2');

upcasting('the rate is what the amounts show, to four decimals', () => {
  assert.is(rateOf(2_000, 12_000), 0.2);
  assert.is(rateOf(1_416, 8_495), 0.2);
  assert.is(rateOf(taxContained(99_999, 0.0825), 99_999), 0.0825);
  assert.is(rateOf(0, 8_500), 0);
  assert.is(rateOf(0, 0), 0);
  // Of small amounts the rounding shows.
  assert.is(rateOf(1, 3), 0.5);
  assert.is(rateOf(1, 1), 1);
  assert.is(rateOf(2, 3), 1);
});

upcasting('of an order over 100 units of money it is off by a ten-thousandth at most', () => {
  for (const rate of [0.05, 0.07, 0.175, 0.19, 0.2, 0.25, 1])
    for (let totalMinor = 10_000; totalMinor < 12_000; totalMinor += 7) {
      const shown = rateOf(taxContained(totalMinor, rate), totalMinor) as number;
      assert.ok(Math.abs(shown - rate) <= 0.00025, `${shown} is not about ${rate}`);
    }
});

upcasting('nothing else changes, and what is stored stays as it is', () => {
  const event = old(placing());
  const before = JSON.stringify(event);
  const { data, schema, ...rest } = orderEvent(event);
  const { data: _data, schema: _schema, ...restBefore } = event;
  assert.equal([data, schema, rest], [{ ...event.data, taxRate: 0 }, 2, restBefore]);
  assert.is(JSON.stringify(event), before);
  assert.is(evolve(initialOrder, orderEvent(old(placing(), { taxMinor: 1_417 }))).taxRate, 0.2001);
});

upcasting('each version has its own shape and no other', () => {
  const { data: current, older } = ORDER_EVENTS.OrderPlaced;
  const [now, then] = [placing(), old(placing()).data];
  assert.equal([current.safeParse(now).success, current.safeParse(then).success], [true, false]);
  assert.equal([older?.[1]?.safeParse(then).success, older?.[1]?.safeParse(now).success], [true, false]);
  assert.not(current.safeParse({ ...now, more: 1 }).success);
  for (const taxRate of [-0.1, 1.01, Number.NaN]) {
    assert.not(current.safeParse({ ...now, taxRate }).success);
    given()
      .when(['PlaceOrder', placing({ taxRate })])
      .thenRefused('invalid_order');
  }
});
upcasting.run();

const writing = suite('the tax rate of new orders');

writing('is the one it was priced with, whatever the rate is afterwards', async () => {
  const [store, clock, vault] = [memoryEventStore(), fakeClock(PLACED_AT), memoryVault()];
  const executor = createExecutor({ store, clock });
  const mug = {
    revision: 0,
    listed: true,
    sku: 'MUG',
    name: 'Mug',
    priceMinor: 1_200,
    currency: 'GBP',
    commands: [],
  };
  const prices = { of: () => mug, forget: () => undefined, close: async () => undefined };
  const place = async (key: string, taxRate: number): Promise<Placed> => {
    const checkout = createCheckout({
      store,
      executor,
      vault,
      prices,
      clock,
      currency: 'GBP',
      expiryMs: 1_000,
      rules: { taxRate, shippingFlatMinor: 0, shippingFreeFromMinor: 0 },
    });
    const contact = { name: 'Ada', email: 'ada@example.org' };
    const shippingAddress = { name: 'Ada', line1: '1', city: 'London', postcode: 'SW1Y', country: 'GB' };
    const done = await checkout(
      'ada',
      key,
      { lines: [{ sku: 'MUG', quantity: 1 }], contact, shippingAddress, payment: { method: 'card' } },
      { id: 'ada', role: 'customer' },
    );
    if (!done.ok) throw new Error(done.reason.sentence);
    assert.is(done.placed.schema, 2);
    assert.is((await executor.load(orders, done.placed.stream)).state.taxRate, done.placed.data.taxRate);
    return done.placed.data;
  };
  const [first, second, repeated] = [await place('a', 0.2), await place('b', 0.25), await place('a', 0.25)];
  assert.equal(
    [first, second, repeated].map(({ taxRate, totals }) => [taxRate, totals.taxMinor]),
    [
      [0.2, 200],
      [0.25, 240],
      [0.2, 200],
    ],
  );
});

writing('is 0 where history is imported', async () => {
  const here = importWorld();
  await here.run(here.file('shop.csv', csv({ quantity: 6 })));
  const state = await here.order('500001', '2011-01-10T10:00:00.000Z');
  assert.equal([state.taxRate, state.totals.taxMinor, state.totals.totalMinor], [0, 0, 1_530]);
  here.end();
});

writing('goes to the figures, also that of an event of version 1', async () => {
  const world = worldOf(analytics);
  await world.place({ taxRate: 0.2 });
  const placed = await world.last('OrderPlaced');
  await world.handle(placed);
  await world.handle({ ...placed, schema: 1, data: old(placed.data as Placed, { taxMinor: 1_417 }).data });
  assert.equal(
    world.facts.map(({ taxRate }) => taxRate),
    [0.2, 0.2001],
  );
});
writing.run();

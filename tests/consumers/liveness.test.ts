/** Whatever happens on its way, an order ends, with goods and money where they belong. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SHORTAGE_POLICIES } from '../../domain/order/events.ts';
import { capturedMinor, priceOfNext, refundedMinor } from '../../domain/order/state.ts';
import { statusOf } from '../../domain/order/status.ts';
import { dice } from '../domain/random.ts';
import { EXPIRES_AT, placing } from '../domain/scenario.ts';
import { createWorld } from './unruly-world.ts';

const RUNS = 400;
const STEPS = 200;
const ROUNDS = 500;
const SKUS = ['A', 'B'];

const outcomes = new Map<string, number>();

const run = async (seed: number, steps: number): Promise<void> => {
  const d = dice(seed);
  const world = createWorld(d);
  for (const sku of SKUS) await world.receive(sku, d.below(8));
  const orders = 1 + d.below(3);
  for (let n = 1; n <= orders; n++) {
    const lines = Array.from({ length: 1 + d.below(3) }, (_, index) => ({
      lineId: String(index + 1),
      sku: d.pick(SKUS) ?? 'A',
      name: 'Thing',
      quantity: 1 + d.below(4),
      unitPriceMinor: d.below(1_000),
    }));
    const linesMinor = lines.reduce((total, line) => total + line.quantity * line.unitPriceMinor, 0);
    await world.place(
      placing({
        orderId: `0190a000-0000-8000-8000-00000000000${n}`,
        lines,
        onShortage: d.pick(SHORTAGE_POLICIES) ?? 'cancelOrder',
        shippingMinor: d.below(2) * 399,
        discountMinor: d.chance(0.3) ? d.below(linesMinor + 1) : 0,
        expiresAt: EXPIRES_AT,
      }),
    );
  }
  for (let step = 0; step < steps; step++) await world.step();
  assert.ok((await world.settle(ROUNDS)) < ROUNDS, 'the world never comes to rest');

  for (const [orderId, state] of await world.orders()) {
    outcomes.set(statusOf(state), (outcomes.get(statusOf(state)) ?? 0) + 1);
    assert.equal(world.needs(state), [], 'something is still needed');
    assert.ok(state.closedAt, `not closed: ${JSON.stringify({ ...state, commands: undefined })}`);
    assert.is(world.heldMinor(orderId), 0, 'money is still held');
    const keptMinor = world.money.get(orderId) ?? 0;
    assert.is(keptMinor, capturedMinor(state) - refundedMinor(state), 'the gateway knows another sum');
    const goods = state.lines.reduce((total, line) => {
      const returned = Math.min(line.returned, line.charged);
      return total + priceOfNext(line, returned, line.charged - returned);
    }, 0);
    const priceMinor =
      goods + (state.lines.some((line) => line.charged > 0) ? state.totals.shippingMinor : 0);
    const goodwill = state.refunds.some((refund) => refund.refundId.startsWith('G'));
    const failedRefund = state.refunds.some((refund) => refund.state === 'failed');
    const unpaid = state.parcels.some((parcel) => parcel.capture === 'failed');
    assert.ok(keptMinor >= 0, 'more was given back than taken');
    if (!failedRefund) assert.ok(keptMinor <= priceMinor, `${keptMinor} was kept for goods of ${priceMinor}`);
    if (!failedRefund && !unpaid && !goodwill) assert.is(keptMinor, priceMinor);
  }
  for (const [sku, stock] of await world.stocks()) {
    assert.equal([stock.reserved, stock.backordered], [0, 0], `${sku} is held for orders that are over`);
    assert.is(stock.onHand, world.shelf.get(sku) ?? 0, `${sku} on the shelf`);
  }
};

const liveness = suite('orders');

liveness(`end once the world behaves (${RUNS} runs of up to ${STEPS} steps)`, async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 0 }), fc.integer({ min: 0, max: STEPS }), run), {
    numRuns: RUNS,
    includeErrorInReport: true,
  });
});

liveness('end in every way that there is', () => {
  for (const status of ['delivered', 'cancelled', 'returned'])
    assert.ok((outcomes.get(status) ?? 0) > 0, `none was ${status}: ${JSON.stringify([...outcomes])}`);
});
liveness.run();

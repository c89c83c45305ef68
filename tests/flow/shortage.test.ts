import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inShop, NEVER_MS, stockUp, type Shop } from './shop.ts';

const test = suite('flow: shortage');
const LINES = 700;

test(
  'cancelOrder: nothing is sent, what was set aside is given back',
  inShop({}, async (shop) => {
    await shop.product('MUG', 10);
    await shop.product('RARE', 3);
    const { orderId } = await shop.place([
      { sku: 'MUG', quantity: 2 },
      { sku: 'RARE', quantity: 5 },
    ]);
    const order = await shop.closed(orderId);
    assert.equal([order.status, order.captured.amountMinor], ['cancelled', 0]);
    assert.is(
      (await shop.history(orderId)).find(({ type }) => type === 'OrderCancelled').data.reason,
      'out_of_stock',
    );
    await shop.stocked('MUG', { onHand: 10 });
    await shop.stocked('RARE', { onHand: 3 });
  }),
);

test(
  'cancelLines: what is there is sent and charged',
  inShop({}, async (shop) => {
    await shop.product('MUG', 10);
    await shop.product('RARE', 3);
    const { orderId } = await shop.place(
      [
        { sku: 'MUG', quantity: 2 },
        { sku: 'RARE', quantity: 5 },
      ],
      { onShortage: 'cancelLines' },
    );
    const order = await shop.closed(orderId);
    assert.is(order.status, 'delivered');
    assert.equal(
      order.lines.map(({ dispatched, cancelled }: any) => [dispatched, cancelled]),
      [
        [2, 0],
        [3, 2],
      ],
    );
    // 7 × 10.00 were free of shipping; that stays.
    assert.is(order.captured.amountMinor, 5_000);
    await shop.stocked('RARE', { onHand: 0 });
  }),
);

test(
  'backorder: a part leaves at once, the rest when goods arrive, first come first served',
  inShop({}, async (shop) => {
    await shop.product('RARE', 3);
    const first = await shop.place([{ sku: 'RARE', quantity: 5 }], { onShortage: 'backorder' });
    await shop.happened(first.orderId, 'ShipmentDelivered');
    assert.is((await shop.order(first.orderId)).status, 'partially_shipped');
    const second = await shop.place([{ sku: 'RARE', quantity: 1 }], { onShortage: 'backorder' });
    await shop.happened(second.orderId, 'OrderConfirmed');
    await shop.stocked('RARE', { onHand: 0, backordered: 3 });

    await shop.ok('POST', '/stock/RARE/receive', { body: { quantity: 2 } });
    const order = await shop.closed(first.orderId);
    assert.equal(
      [order.status, order.shipments.length, order.captured.amountMinor],
      ['delivered', 2, first.total.amountMinor],
    );
    assert.not.ok((await shop.types(second.orderId)).includes('ShipmentRequested'), 'who came later waits');
    await shop.ok('POST', '/stock/RARE/receive', { body: { quantity: 9 } });
    assert.is((await shop.closed(second.orderId)).status, 'delivered');
    await shop.stocked('RARE', { onHand: 8 });
  }),
);

test(
  'a back-order that is cancelled lets the next one have it',
  inShop({ SIM_WAREHOUSE_LATENCY_MS: NEVER_MS }, async (shop) => {
    await shop.product('RARE', 0);
    const [first, second] = [
      await shop.place([{ sku: 'RARE', quantity: 2 }], { onShortage: 'backorder' }),
      await shop.place([{ sku: 'RARE', quantity: 2 }], { onShortage: 'backorder' }),
    ];
    for (const { orderId } of [first, second]) await shop.happened(orderId, 'OrderConfirmed');
    await shop.command(first.orderId, 'cancel', { reason: 'tired of waiting' });
    assert.is((await shop.closed(first.orderId)).status, 'cancelled');
    await shop.ok('POST', '/stock/RARE/receive', { body: { quantity: 2 } });
    await shop.happened(second.orderId, 'ShipmentRequested');
    await shop.stocked('RARE', { onHand: 2, reserved: 2 });
  }),
);

const MANY = Array.from({ length: LINES }, (_, index) => `SKU-${index}`);
/** The different levels that the stock is at. */
const levels = async (shop: Shop): Promise<readonly string[]> => {
  const all: string[] = [];
  for (let start = 0; start < LINES; start += 50)
    all.push(
      ...(await Promise.all(
        MANY.slice(start, start + 50).map(async (sku) => {
          const { onHand, reserved, backordered } = await shop.stock(sku);
          return `${onHand} ${reserved} ${backordered}`;
        }),
      )),
    );
  return [...new Set(all)];
};

test(
  'an order of 700 lines is delivered; one whose last line is short gives everything back',
  inShop(
    {},
    async (shop) => {
      const lines = MANY.map((sku) => ({ sku, quantity: 2 }));
      const short = await shop.place([...lines.slice(0, -1), { sku: `SKU-${LINES - 1}`, quantity: 6 }]);
      const cancelled = await shop.closed(short.orderId);
      assert.equal([cancelled.status, cancelled.captured.amountMinor], ['cancelled', 0]);
      assert.equal(await levels(shop), ['5 0 0']);

      const whole = await shop.place(lines);
      const order = await shop.closed(whole.orderId);
      assert.equal([order.status, order.captured.amountMinor], ['delivered', LINES * 2_000]);
      for (const sku of MANY) await shop.stocked(sku, { onHand: 3 });
    },
    (folder) => stockUp(folder, MANY, 5),
  ),
);

test.run();

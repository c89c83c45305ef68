import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startApi, type Harness } from './harness.ts';

const withApi = (run: (api: Harness) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    await api.product('MUG-RED', 'Red mug', 1_000);
    await run(api);
  } finally {
    await api.close();
  }
};
const mugs = (quantity: number) => [{ sku: 'MUG-RED', quantity }];
const money = (amountMinor: number) => ({ amountMinor, currency: 'GBP' });

const test = suite('customers');

test(
  'what a customer has ordered in all, and each order at a glance',
  withApi(async (api) => {
    const first = await api.place(mugs(2));
    api.moveOn(60_000);
    const second = await api.place(mugs(5));
    await api.place(mugs(1), { customer: 'bob' });
    await api.confirm(second.orderId);
    const shipmentId = await api.ship(second.orderId);
    await api.command(second.orderId, { type: 'RecordDelivery', data: { shipmentId, parcelId: 'p1' } });
    await api.settled();
    const { body } = await api.call('GET', '/customers/ada', { as: 'customer:ada' });
    const { firstPlacedAt, lastPlacedAt, ...sums } = body;
    assert.equal(sums, {
      customerId: 'ada',
      orders: 2,
      openOrders: 1,
      units: 7,
      amounts: [{ currency: 'GBP', orderedMinor: 2_495 + 5_000, capturedMinor: 5_000, refundedMinor: 0 }],
    });
    assert.ok(Date.parse(lastPlacedAt) - Date.parse(firstPlacedAt) >= 60_000);

    const list = await api.call('GET', '/customers/ada/orders', { as: 'operator' });
    const shared = { captured: money(0), refunded: money(0), outcome: null };
    assert.equal(list.body, {
      items: [
        {
          ...shared,
          orderId: second.orderId,
          number: second.number,
          placedAt: lastPlacedAt,
          total: money(5_000),
          captured: money(5_000),
          units: 5,
          outcome: 'delivered',
        },
        {
          ...shared,
          orderId: first.orderId,
          number: first.number,
          placedAt: firstPlacedAt,
          total: money(2_495),
          units: 2,
        },
      ],
      nextCursor: null,
    });

    await api.call('POST', `/orders/${first.orderId}/cancel`, { as: 'customer:ada', body: { reason: 'no' } });
    await api.command(first.orderId, {
      type: 'RecordRelease',
      data: { lines: [{ lineId: '1', quantity: 0, holds: 0 }] },
    });
    await api.command(first.orderId, { type: 'RecordAbandoned', data: { attempt: 1 } });
    await api.settled();
    assert.is((await api.call('GET', '/customers/ada', { as: 'auditor' })).body.openOrders, 0);
  }),
);

test(
  'in pages that neither repeat nor leave out, also while orders come',
  withApi(async (api) => {
    const placed: string[] = [];
    for (let n = 0; n < 5; n++) {
      placed.unshift((await api.place(mugs(1))).orderId);
      api.moveOn(1_000);
    }
    await api.place(mugs(1), { customer: 'bob' });
    await api.settled();
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await api.call(
        'GET',
        `/customers/ada/orders?limit=2${cursor ? `&cursor=${cursor}` : ''}`,
        { as: 'customer:ada' },
      );
      assert.ok(body.items.length <= 2);
      seen.push(...body.items.map(({ orderId }: { orderId: string }) => orderId));
      cursor = body.nextCursor;
      await api.place(mugs(1));
      await api.settled();
    }
    assert.equal(seen, placed);
  }),
);

test(
  "nobody else's; 404 for who is not known; a cursor of another list is none",
  withApi(async (api) => {
    await api.place(mugs(1));
    await api.place(mugs(1), { customer: 'bob' });
    await api.place(mugs(1));
    await api.settled();
    for (const path of ['', '/orders']) {
      const theirs = await api.call('GET', `/customers/ada${path}`, { as: 'customer:bob' });
      assert.equal([theirs.status, theirs.body.code], [403, 'forbidden'], path);
      assert.is((await api.call('GET', `/customers/ada${path}`)).status, 401);
      // Ids of rows are none of customers, whoever guesses them.
      for (const id of ['nobody', 'Ada', 'customer:ada', 'order:ada', '%2e%2e%2f', '__proto__']) {
        const none = await api.call('GET', `/customers/${id}${path}`, { as: 'operator' });
        assert.equal([none.status, none.body.code], [404, 'customer_not_found'], id);
      }
      assert.is(
        (await api.call('GET', `/customers/${'x'.repeat(201)}${path}`, { as: 'operator' })).status,
        422,
      );
    }
    const { body } = await api.call('GET', '/customers/ada/orders?limit=1', { as: 'operator' });
    for (const [id, cursor] of [
      ['ada', 'x'],
      ['bob', body.nextCursor],
    ]) {
      const bad = await api.call('GET', `/customers/${id}/orders?cursor=${cursor}`, { as: 'operator' });
      assert.equal([bad.status, bad.body.code], [400, 'invalid_cursor'], `${id} ${cursor}`);
    }
    assert.is((await api.call('GET', '/customers/ada/orders?limit=0', { as: 'operator' })).status, 422);
  }),
);

test(
  'a customer may be called anything',
  withApi(async (api) => {
    for (const customer of ['a b/c?d', 'é🛒', 'order']) {
      await api.place(mugs(1), { customer });
      await api.settled();
      const id = encodeURIComponent(customer);
      const { body } = await api.call('GET', `/customers/${id}`, { as: `customer:${customer}` });
      assert.equal([body.customerId, body.orders], [customer, 1]);
      assert.is((await api.call('GET', `/customers/${id}/orders`, { as: 'auditor' })).body.items.length, 1);
    }
  }),
);
test.run();

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { CUSTOMER, eventually, newOrder } from './client.ts';
import { newFolder, openShop, readClosed, streamOf } from './shop.ts';

const test = suite('flow: restart');
const inFolder = (run: (folder: string) => Promise<void>) => async (): Promise<void> => {
  const folder = newFolder();
  await run(folder).finally(() => rmSync(folder, { recursive: true, force: true }));
};

test(
  'a restart keeps orders, tokens, keys, views and what the outside has under way',
  inFolder(async (folder) => {
    const key = systemRandomness.uuid();
    const body = newOrder([{ sku: 'MUG', quantity: 1 }]);
    const first = await openShop(folder, { SIM_WAREHOUSE_LATENCY_MS: '1500' });
    await first.product('MUG', 10);
    const { token } = await first.ok('POST', '/session', {
      body: { role: 'customer', customerId: CUSTOMER },
    });
    const answer = await first.call('POST', '/orders', { as: `customer:${CUSTOMER}`, key, body });
    assert.is(answer.status, 201, answer.text);
    await first.happened(answer.body.orderId, 'ShipmentRequested');
    await first.close();

    const second = await openShop(folder);
    try {
      assert.is(second.server.seeded, 0);
      const repeated = await second.call('POST', '/orders', { as: `customer:${CUSTOMER}`, key, body });
      assert.is(repeated.text, answer.text, 'the repeat is answered byte for byte');
      const mine = await fetch(`${second.url}/orders/${answer.body.orderId}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const document: any = await mine.json();
      assert.equal(
        [mine.status, document.contact.email, document.shippingAddress.city],
        [200, 'ada@example.org', 'London'],
      );
      assert.is((await second.closed(answer.body.orderId)).status, 'delivered');
      assert.is((await second.ok('GET', '/orders', { as: `customer:${CUSTOMER}` })).items.length, 1);
    } finally {
      await second.close();
    }
  }),
);

test(
  'a graceful close finishes what runs: answers to requests, and handlers before they are cut off',
  inFolder(async (folder) => {
    const shop = await openShop(folder, { SIM_PAYMENT_LATENCY_MS: '1500', SIM_WAREHOUSE_LATENCY_MS: '1' });
    await shop.product('MUG', 1_000);
    const { orderId } = await shop.place([{ sku: 'MUG', quantity: 1 }]);
    await eventually(
      'the payment to be under way',
      async () =>
        (await shop.ok('GET', '/ops/consumers')).items.find(({ name }: any) => name === 'payment')
          .inFlight === 1,
    );
    const asked = Array.from({ length: 40 }, () =>
      shop.place([{ sku: 'MUG', quantity: 1 }]).then(
        ({ orderId: id }) => id as string,
        () => undefined,
      ),
    );
    await eventually('some to be placed', async () => (await shop.ok('GET', '/orders')).items.length > 1);
    const startedMs = systemClock.now().getTime();
    const closing = shop.close();
    const acknowledged = (await Promise.all(asked)).filter((id) => id !== undefined);
    await closing;
    const tookMs = systemClock.now().getTime() - startedMs;
    // Not as long as a connection is kept for the next request.
    assert.ok(tookMs < 30_000, `closing took ${tookMs} ms`);
    assert.ok(acknowledged.length > 0);

    await readClosed(folder, async (store) => {
      const types = (await streamOf(store, `order-${orderId}`)).map(({ type }) => type);
      assert.ok(types.includes('PaymentAuthorized'), `the payment that ran was recorded: ${types.join(' ')}`);
      for (const id of acknowledged)
        assert.is((await streamOf(store, `order-${id}`))[0]?.type, 'OrderPlaced', 'acknowledged and kept');
    });
    const again = await openShop(folder);
    try {
      for (const id of [orderId, ...acknowledged]) assert.is((await again.closed(id)).status, 'delivered');
      // One mail each of: placed, confirmed, dispatched, delivered.
      const orders = (await again.ok('GET', '/orders?limit=200')).items.length;
      await eventually(
        'the mails',
        () =>
          readdirSync(join(folder, 'outbox')).filter((name) => name.endsWith('.eml')).length === orders * 4,
      );
    } finally {
      await again.close();
    }
  }),
);

test.run();

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from './client.ts';
import { newFolder, openShop, readClosed, streamOf, type Shop } from './shop.ts';

const test = suite('flow: operations');

/** A collector of figures that refuses all facts of one type for good while told to. */
const collector = async () => {
  const taken: any[] = [];
  const refusing = { type: '' };
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const facts = JSON.parse(text) as readonly any[];
      const bad = facts.some(({ type }) => type === refusing.type);
      if (!bad) taken.push(...facts);
      response.writeHead(bad ? 400 : 204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const types = (orderId: string): readonly string[] =>
    taken.filter((fact) => fact.orderId === orderId).map(({ type }) => type);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/facts`,
    refusing,
    types,
    close: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
  };
};

test('what fails for good is parked in sight, holds up no other order, is retried or discarded, and that is on record', async () => {
  const folder = newFolder();
  const figures = await collector();
  const shop = await openShop(folder, { ANALYTICS_URL: figures.url });
  try {
    figures.refusing.type = 'OrderConfirmed';
    await shop.product('MUG', 10);
    const mended = await shop.place([{ sku: 'MUG', quantity: 1 }]);
    const dropped = await shop.place([{ sku: 'MUG', quantity: 2 }]);
    const both = [mended, dropped].map(({ orderId }) => orderId);
    for (const orderId of both) assert.is((await shop.closed(orderId)).status, 'delivered');

    const parked = async (): Promise<any[]> => (await shop.ok('GET', '/ops/parked?consumer=analytics')).items;
    await eventually('both to be parked', async () => (await parked()).length === 2);
    const of = async (orderId: string) =>
      (await parked()).find(({ stream }) => stream === `order-${orderId}`);
    const item = await of(mended.orderId);
    assert.equal([item.consumer, item.event.type, item.attempts], ['analytics', 'OrderConfirmed', 1]);
    assert.match(item.error.message, '400');
    assert.not.match(JSON.stringify(item), 'ada@example.org');
    assert.equal(
      both.map((orderId) => figures.types(orderId).includes('ShipmentDelivered')),
      [false, false],
      'what comes after waits',
    );
    await eventually('the queue behind it', async () => (await of(mended.orderId)).queued > 3);

    const consumers = async (): Promise<any> =>
      Object.fromEntries((await shop.ok('GET', '/ops/consumers')).items.map((one: any) => [one.name, one]));
    const report = await consumers();
    assert.equal(Object.keys(report).sort(), [
      'analytics',
      'deadlines',
      'inventory',
      'notification',
      'payment',
      'warehouse',
    ]);
    assert.equal(
      [report.analytics.parked, report.payment.parked, report.analytics.state, report.analytics.breaker],
      [2, 0, 'running', 'closed'],
    );
    assert.ok(both.includes(report.analytics.oldestBlocked.stream.slice('order-'.length)));

    const again = await shop.call('POST', `/ops/parked/${encodeURIComponent(item.id)}/retry`, { body: {} });
    assert.is(again.status, 200, again.text);
    await eventually('it to park again', async () => (await of(mended.orderId))?.lastAt > item.lastAt);
    figures.refusing.type = '';
    await shop.ok('POST', `/ops/parked/${encodeURIComponent(item.id)}/retry`, { body: {} });
    await eventually('the facts of the mended order', () =>
      figures.types(mended.orderId).includes('OrderClosed'),
    );
    assert.ok(figures.types(mended.orderId).includes('OrderConfirmed'));

    const other = await of(dropped.orderId);
    await shop.ok('POST', `/ops/parked/${encodeURIComponent(other.id)}/discard`, {
      body: { reason: 'counted by hand' },
    });
    await eventually('the facts of the other order', () =>
      figures.types(dropped.orderId).includes('OrderClosed'),
    );
    assert.not.ok(figures.types(dropped.orderId).includes('OrderConfirmed'));
    await eventually('nothing to be parked', async () => (await parked()).length === 0);
    await eventually('no consumer to lag', async () =>
      Object.values(await consumers()).every(
        (one: any) => one.lag.events === 0 && one.inFlight === 0 && one.parked === 0,
      ),
    );
    assert.is(
      (
        await shop.call('POST', `/ops/parked/${encodeURIComponent(other.id)}/discard`, {
          body: { reason: 'again' },
        })
      ).status,
      404,
    );
  } finally {
    await shop.close();
    await figures.close();
  }

  await readClosed(folder, async (store) => {
    const streams = new Set<string>();
    for (let after, atTail = false; !atTail;) {
      const page = await store.readAll(after, { categories: ['operations'] });
      for (const { stream } of page.events) streams.add(stream);
      ({ scanned: after, atTail } = page);
    }
    const entries = (await Promise.all([...streams].map((stream) => streamOf(store, stream)))).flat();
    const said = entries.map(({ type, meta, data }) => `${type} by ${meta.actor.id}: ${(data as any).why}`);
    assert.ok(
      said.filter((entry) => entry.startsWith('EventParked by consumer-runtime')).length >= 3,
      said.join('\n'),
    );
    assert.ok(
      said.filter((entry) => entry.startsWith('ParkedEventRetried by operator')).length >= 2,
      said.join('\n'),
    );
    assert.equal(
      said.filter((entry) => entry.startsWith('ParkedEventDiscarded')),
      ['ParkedEventDiscarded by operator: counted by hand'],
    );
  });
  rmSync(folder, { recursive: true, force: true });
});

test('payment is paused, also over a restart: orders are taken and nothing is charged; resumed, all of them are', async () => {
  const folder = newFolder();
  const consumer = async (shop: Shop): Promise<any> =>
    (await shop.ok('GET', '/ops/consumers')).items.find(({ name }: any) => name === 'payment');
  const authorized = async (shop: Shop, orderId: string): Promise<boolean> =>
    (await shop.ok('GET', `/orders/${orderId}/history`)).items.some(
      ({ type }: any) => type === 'PaymentAuthorized',
    );
  const reserved = async (shop: Shop, orderId: string): Promise<boolean> =>
    (await shop.ok('GET', `/orders/${orderId}/history`)).items.some(
      ({ type }: any) => type === 'StockReserved',
    );
  try {
    const shop = await openShop(folder);
    const ids: string[] = [];
    try {
      await shop.product('MUG', 10);
      const told = await shop.ok('POST', '/ops/consumers/payment/pause', {
        body: { reason: 'the bank asks for it' },
      });
      assert.equal([told.paused.by.id, told.paused.reason], ['operator', 'the bank asks for it']);
      const again = await shop.ok('POST', '/ops/consumers/payment/pause', { body: { reason: 'again' } });
      assert.is(again.paused.reason, 'the bank asks for it');
      await eventually('it to be paused', async () => (await consumer(shop)).state === 'paused');
      ids.push((await shop.place([{ sku: 'MUG', quantity: 1 }])).orderId);
      await eventually('the others to go on', () => reserved(shop, ids[0]!));
    } finally {
      await shop.close();
    }
    const second = await openShop(folder);
    try {
      ids.push((await second.place([{ sku: 'MUG', quantity: 1 }])).orderId);
      await eventually('the others to go on', () => reserved(second, ids[1]!));
      const report = await consumer(second);
      assert.equal([report.state, report.inFlight], ['paused', 0]);
      assert.ok(report.lag.events >= 2, `${report.lag.events} events wait`);
      for (const id of ids) assert.not.ok(await authorized(second, id));
      assert.is(
        (await second.call('POST', '/ops/consumers/payment/resume', { body: {} })).status,
        422,
        'with a reason',
      );
      const told = await second.ok('POST', '/ops/consumers/payment/resume', { body: { reason: 'agreed' } });
      assert.is(told.paused, undefined);
      for (const id of ids) assert.is((await second.closed(id)).status, 'delivered');
      const trail = (await second.ok('GET', '/audit/events?type=ConsumerPaused', { as: 'auditor' })).items;
      assert.equal(
        trail.map(({ data, meta }: any) => [data, meta.actor.id]),
        [[{ consumer: 'payment', why: 'the bank asks for it' }, 'operator']],
      );
      assert.is(
        (await second.ok('GET', '/audit/events?type=ConsumerResumed', { as: 'auditor' })).items.length,
        1,
      );
    } finally {
      await second.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { orderStream } from '../../domain/order/events.ts';
import { stockStream, stocks } from '../../domain/stock/stock.ts';
import type { OrderFact } from '../../ports/outside/analytics-sink.ts';
import type { Mail } from '../../ports/outside/mailer.ts';
import { orders } from '../../domain/order/order.ts';
import { placing } from '../domain/scenario.ts';
import { memoryShop } from '../memory-shop.ts';
import { CONTACT } from './world.ts';
import { fakeGateway } from './fake-gateway.ts';
import { fakeWarehouse } from './fake-warehouse.ts';

const test = suite('imported orders');

test('history makes nobody act, also from the beginning; the live order beside it is served', async () => {
  const [gateway, warehouse, mails, facts] = [
    fakeGateway(),
    fakeWarehouse(),
    [] as Mail[],
    [] as OrderFact[],
  ];
  const { parts, shop } = memoryShop(
    {},
    {
      outside: () => ({
        gateway,
        warehouse,
        mailer: { send: async (mail) => void mails.push(mail) },
        sink: { write: async (fact) => void facts.push(fact), close: async () => undefined },
        close: async () => undefined,
      }),
    },
  );
  const { executor } = shop;
  const [old, live] = ['0190a000-0000-8000-8000-00000000000a', '0190a000-0000-8000-8000-00000000000b'];
  const contact = await parts.vault.seal('c-1', CONTACT);
  await executor.execute(
    stocks,
    stockStream('MUG'),
    { type: 'ReceiveGoods', data: { quantity: 10 } },
    { commandId: 'goods', actor: { id: 't', role: 'system' } },
  );
  const lines = [{ lineId: '1', sku: 'MUG', name: 'Mug', quantity: 2, unitPriceMinor: 1_000 }];
  for (const [orderId, origin] of [
    [old, 'import'],
    [live, 'live'],
  ] as const) {
    const expiresAt = new Date(parts.system.clock.now().getTime() + 600_000).toISOString();
    const data = placing({ orderId, lines, contact, shippingAddress: contact, expiresAt });
    await executor.execute(
      orders,
      orderStream(orderId),
      { type: 'PlaceOrder', data },
      { commandId: orderId, actor: { id: 't', role: 'system' }, origin },
    );
  }
  const stop = await shop.startConsumers(() => true);
  for (let round = 0; round < 10; round++)
    for (const consumer of shop.consumers.values()) await consumer.idle();
  await stop();

  assert.equal(gateway.calls, [`authorize ${live}:authorize:1`]);
  assert.equal(
    warehouse.requests.map(({ shipmentId }) => shipmentId),
    [`${live}-1`],
  );
  assert.is(mails.length, 2, 'placed and confirmed');
  assert.ok(facts.length > 0 && facts.every(({ orderId }) => orderId === live));
  assert.is((await executor.load(stocks, stockStream('MUG'))).state.reserved, 2);
  assert.is((await executor.load(orders, orderStream(old))).revision, 0, 'its stream is as it was');
  assert.equal(
    (await parts.schedule.due('order-expiry', '9999', 10)).map(({ key }) => key),
    [],
  );
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { memoryVault } from '../../adapters/memory/vault.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { startConsumers } from '../../compose/consumers.ts';
import type { RunningConsumer } from '../../runtime/consume.ts';
import { orderStream } from '../../domain/order/events.ts';
import { stockStream } from '../../domain/stock/stock.ts';
import type { OrderFact } from '../../ports/analytics-sink.ts';
import type { Mail } from '../../ports/mailer.ts';
import { orders, stocks } from '../../runtime/aggregates.ts';
import { createExecutor } from '../../runtime/execute.ts';
import { decimalDistance, storeLog } from '../../runtime/store-log.ts';
import { placing } from '../domain/scenario.ts';
import { quietLog } from '../runtime/world.ts';
import { CONTACT } from './world.ts';
import { fakeGateway } from './fake-gateway.ts';
import { fakeWarehouse } from './fake-warehouse.ts';

const test = suite('imported orders');

test('history makes nobody act, also from the beginning; the live order beside it is served', async () => {
  const [store, books, vault, clock] = [memoryEventStore(), memoryBookkeeping(), memoryVault(), systemClock];
  const executor = createExecutor({ store, books, clock });
  const [gateway, warehouse, mails, facts] = [
    fakeGateway(),
    fakeWarehouse(),
    [] as Mail[],
    [] as OrderFact[],
  ];
  const [old, live] = ['0190a000-0000-8000-8000-00000000000a', '0190a000-0000-8000-8000-00000000000b'];
  const contact = await vault.seal('c-1', CONTACT);
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
    const expiresAt = new Date(clock.now().getTime() + 600_000).toISOString();
    const data = placing({ orderId, lines, contact, shippingAddress: contact, expiresAt });
    await executor.execute(
      orders,
      orderStream(orderId),
      { type: 'PlaceOrder', data },
      { commandId: orderId, actor: { id: 't', role: 'system' }, origin },
    );
  }
  const eventLog = storeLog({ store, books, clock, log: quietLog, distance: decimalDistance(1) });
  const running = new Map<string, RunningConsumer>();
  const consumption = await startConsumers(
    {
      executor,
      books,
      eventLog,
      clock,
      randomness: systemRandomness,
      log: quietLog,
      vault,
      gateway,
      warehouse,
      mailer: { send: async (mail) => void mails.push(mail) },
      sink: { write: async (fact) => void facts.push(fact), close: async () => undefined },
    },
    running,
    () => true,
  );
  for (let round = 0; round < 10; round++) for (const consumer of running.values()) await consumer.idle();
  await consumption.close();

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
    (await books.due('order-expiry', '9999', 10)).map(({ key }) => key),
    [],
  );
});

test.run();

/** Checkout needs the event store and the keys: with every other engine hanging it answers. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { memoryReadStore } from '../../adapters/memory/read-store.ts';
import { clientOf, newOrder } from '../flow/client.ts';
import { memoryShop } from '../memory-shop.ts';

const test = suite('checkout alone');

/** Whatever it is asked, it never answers. */
const hanging = <P extends object>(port: P): P =>
  Object.fromEntries(
    Object.keys(port).map((method) => [method, () => new Promise(() => undefined)]),
  ) as unknown as P;

test('with bookkeeping and views that hang, orders are placed, repeated, cancelled and their history read', async () => {
  const store = memoryEventStore();
  const { checkpoints, blockedLanes, schedule, snapshots, leases, controls } = memoryBookkeeping(store.id);
  const { shop } = memoryShop(
    {},
    {
      store,
      reads: hanging(memoryReadStore()),
      checkpoints: hanging(checkpoints),
      blockedLanes: hanging(blockedLanes),
      schedule: hanging(schedule),
      snapshots: hanging(snapshots),
      leases: hanging(leases),
      controls: hanging(controls),
    },
  );
  const api = await shop.openApi();
  const server = createServer(api.app);
  try {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await client.product('MUG', 10);
    const lines = [{ sku: 'MUG', quantity: 2 }];
    const asked = { as: 'customer:ada', key: 'one', body: newOrder(lines) };
    const placed = await client.call('POST', '/orders', asked);
    assert.is(placed.status, 201, placed.text);
    assert.is((await client.call('POST', '/orders', asked)).text, placed.text);
    const { orderId } = placed.body;
    await client.command(orderId, 'cancel', { reason: 'changed my mind' }, 'customer:ada');
    assert.ok((await client.types(orderId)).includes('OrderCancelled'));
    assert.is((await client.call('GET', '/readyz')).status, 200);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test.run();

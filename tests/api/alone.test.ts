/** Checkout needs the event store and the keys: with every other engine hanging it answers. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { memoryKeyStore } from '../../adapters/memory/key-store.ts';
import { memoryReadStore } from '../../adapters/memory/read-store.ts';
import { systemClock } from '../../adapters/system.ts';
import { openVault } from '../../adapters/vault-crypto.ts';
import type { Parts } from '../../compose/parts.ts';
import type { Clock } from '../../ports/system.ts';
import type { KeyStore } from '../../ports/key-store.ts';
import { VaultUnavailable } from '../../ports/vault.ts';
import { until } from '../fake-clock.ts';
import { clientOf, newOrder, type Client } from '../flow/client.ts';
import { memoryShop } from '../memory-shop.ts';

const test = suite('checkout alone');

const never = (): Promise<never> => new Promise(() => undefined);
/** Whatever it is asked, it never answers. */
const hanging = <P extends object>(port: P): P =>
  Object.fromEntries(Object.keys(port).map((method) => [method, never])) as unknown as P;
const hangingBeside = (store: Parts['store']): Partial<Parts> => {
  const { checkpoints, blockedLanes, schedule, snapshots, leases, controls } = memoryBookkeeping(store.id);
  return {
    store,
    reads: hanging(memoryReadStore()),
    checkpoints: hanging(checkpoints),
    blockedLanes: hanging(blockedLanes),
    schedule: hanging(schedule),
    snapshots: hanging(snapshots),
    leases: hanging(leases),
    controls: hanging(controls),
  };
};

/** Nobody who sleeps is woken any more once `over` aborts: what hangs cannot be stopped, and goes on no more. */
const clockUntil = (over: AbortSignal): Clock => ({
  now: systemClock.now,
  sleep: (ms, signal) =>
    over.aborted ? never() : systemClock.sleep(ms, signal ? AbortSignal.any([signal, over]) : over),
});

/** A shop that serves on `parts`, for `act`. */
const serving = async (parts: Partial<Parts>, act: (client: Client) => Promise<void>): Promise<void> => {
  const over = new AbortController();
  const { shop } = memoryShop({ clock: clockUntil(over.signal) }, parts);
  const api = await shop.openApi();
  if (parts.eventLog) {
    shop.startForward();
    shop.followViews();
    void shop.startConsumers(() => true);
  }
  const server = createServer(api.app);
  try {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await act(clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  } finally {
    server.closeAllConnections();
    server.close();
    over.abort();
  }
};
const lines = [{ sku: 'MUG', quantity: 2 }];

test('with bookkeeping and views that hang, orders are placed, repeated, cancelled and their history read', () =>
  serving(hangingBeside(memoryEventStore()), async (client) => {
    await client.product('MUG', 10);
    const asked = { as: 'customer:ada', key: 'one', body: newOrder(lines) };
    const placed = await client.call('POST', '/orders', asked);
    assert.is(placed.status, 201, placed.text);
    assert.is((await client.call('POST', '/orders', asked)).text, placed.text);
    const { orderId } = placed.body;
    await client.command(orderId, 'cancel', { reason: 'changed my mind' }, 'customer:ada');
    assert.ok((await client.types(orderId)).includes('OrderCancelled'));
    assert.is((await client.call('GET', '/readyz')).status, 200);
  }));

test('with keys and the log hanging too, customers whose key is at hand are served at once, others told to come again', async () => {
  const store = memoryEventStore();
  const keys = memoryKeyStore();
  let hangs = false;
  let asked = 0;
  const giveUp: (() => void)[] = [];
  /** As a server has it that stands still: no answer, until the adapter says so. */
  const through = async (): Promise<void> => {
    asked += 1;
    if (!hangs) return;
    await new Promise<void>((resolve) => giveUp.push(resolve));
    throw new VaultUnavailable('no answer');
  };
  const keyStore: KeyStore = {
    ...keys,
    get: (subject) => through().then(() => keys.get(subject)),
    putIfAbsent: (subject, wrapped) => through().then(() => keys.putIfAbsent(subject, wrapped)),
  };
  const feed = { subscribe: never, lag: never, reached: never };
  const eventLog = {
    feed: {
      ...feed,
      partitionOf: () => '0',
      partitionsOf: () => ['0'],
      homeOf: (partition: string) => partition,
    },
    publisher: { publish: never, sequence: () => ({ publish: never }) },
    categories: ['order', 'stock'],
    prepare: never,
    categoryOf: () => undefined,
    publisherTo: never,
    close: async () => undefined,
  };
  const vault = await openVault(keyStore, Buffer.alloc(32, 7), systemClock);
  await serving({ ...hangingBeside(store), vault, eventLog }, async (client) => {
    await client.product('MUG', 1_000);
    const order = (customer: string) =>
      client.call('POST', '/orders', { as: `customer:${customer}`, body: newOrder(lines) });
    assert.is((await order('ada')).status, 201);
    hangs = true;
    asked = 0;
    const placed = [];
    for (let n = 0; n < 50; n++) placed.push(await order('ada'));
    assert.ok(
      placed.every(({ status }) => status === 201),
      placed.map(({ status }) => status).join(),
    );
    assert.ok(asked <= 5, `the key store was asked ${asked} times`);
    const { orderId } = placed.at(-1)!.body;
    const seen = await client.call('GET', `/orders/${orderId}?atLeast=0`, { as: 'customer:ada' });
    assert.equal([seen.status, seen.body.source, seen.body.contact.name], [200, 'stream', 'Ada Lovelace']);
    const waiting = giveUp.length;
    const refusing = order('new');
    await until('its key is asked for', () => giveUp.length > waiting);
    for (const late of giveUp) late();
    const refused = await refusing;
    assert.equal([refused.status, refused.body.code], [503, 'unavailable']);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    hangs = false;
    assert.is((await order('new')).status, 201);
  });
  await vault.close();
});

test.run();

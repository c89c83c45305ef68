/** What is beside the orders of a running shop moved to a MongoDB, in the middle of its work. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { customers, dice, HOT_SKU } from '../crash/customers.ts';
import { runScript, UNRELIABLE_SHOP } from '../crash/server-process.ts';
import { eventually } from '../flow/client.ts';
import { startMongoDb } from './mongodb-server.ts';
import { processes } from './processes.ts';
import { comesToRest } from './rest.ts';

const test = suite('a shop whose keys and bookkeeping move to a MongoDB');
const mongo = await startMongoDb();
test.after(() => mongo.close());
const BLOCKED_MS = 120_000;

const { start, refusedStart, killAll } = processes();
test.after.each(killAll);

test('it goes on there: nothing is done twice, no key is lost, what was blocked goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-beside-'));
  const old = { ...UNRELIABLE_SHOP, DATA_DIR: folder, LEASE_MS: '1000' };
  const there = { ...old, MONGODB_URL: mongo.url };
  const failing = ['PAYMENT', 'WAREHOUSE', 'MAIL'].map((who) => [`SIM_${who}_FAILURE_RATE`, '0.5']);
  const first = await start({ ...old, ...Object.fromEntries(failing) });
  await first.client.product(HOT_SKU, 30);
  const { token } = await first.client.ok('POST', '/session', {
    body: { role: 'customer', customerId: 'ada' },
  });
  const shoppers = customers(dice(11), () => token);
  await shoppers.round(first.url, 40, () => undefined);
  assert.match(await refusedStart(there), /which MONGODB_URL would leave behind: move them there/);
  assert.match(
    (await runScript('copy', there, '--beside')) ?? '',
    /^copy: Servers run on the data folder \(.+\): stop them, and run this again/,
  );
  const blocked = async (): Promise<boolean> => {
    const { items } = await first.client.ok('GET', '/ops/consumers');
    if (items.reduce((sum: number, { retrying }: any) => sum + retrying, 0) >= 3) return true;
    if (items.every(({ lag }: any) => lag.events < 100)) await shoppers.round(first.url, 16, () => undefined);
    return false;
  };
  await eventually('orders that wait', blocked, BLOCKED_MS);
  await shoppers.round(first.url, 40, () => first.server.end('SIGKILL'));

  assert.is(await runScript('copy', there, '--beside'), undefined);
  assert.is(await runScript('copy', there, '--beside'), undefined, 'again it finds nothing to be done');
  assert.equal(
    readdirSync(folder).filter((name) => /^(keys|views|bookkeeping)\.db/.test(name)),
    [],
  );
  assert.match(await refusedStart(old), /have moved to the MongoDB at 127\.0\.0\.1.*: set MONGODB_URL to it/);

  const second = await start(there);
  await shoppers.settle(second.url);
  await shoppers.round(second.url, 40, () => undefined);
  const [orderId = ''] = shoppers.acknowledged.keys();
  assert.is((await second.client.order(orderId)).contact.name, 'Ada Lovelace');
  const orders = await comesToRest({
    variables: there,
    client: second.client,
    shoppers,
    servers: [second.server],
  });
  console.log(`\nNOTE ${orders} orders, whose keys and bookkeeping moved to MongoDB in the middle`);
  rmSync(folder, { recursive: true, force: true });
});
test.run();

/**
 * `CRASHES=200 node build/tests/crash/kill.test.js` for a long run; `CRASH_SEED=n` for another course of
 * events.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readEnvironment } from '../../compose/environment.ts';
import { system } from '../../adapters/system.ts';
import { openParts } from '../../compose/parts.ts';
import { clientOf, eventually } from '../flow/client.ts';
import { brokenAccounts, foldAll } from './accounts.ts';
import { customers, dice, HOT_SKU } from './customers.ts';
import { startProcess, UNRELIABLE_SHOP, type ServerProcess } from './server-process.ts';

const test = suite('crash: kill -9');
const CRASHES = Number(process.env.CRASHES ?? 12);
const SEED = Number(process.env.CRASH_SEED ?? 1);
const ORDERS_A_LIFE = 40;
const HOT_UNITS = 8 * CRASHES;
/** To come to rest, with retries that wait for up to 30 s. */
const END_MS = 60_000 + CRASHES * 2_000;

let running: ServerProcess | undefined;
// A test that failed must not leave its server behind, or the run hangs.
test.after.each(async () => void (await running?.end('SIGKILL')));

test(`killed ${CRASHES} times at any moment, it loses no order, charges and sends once, and comes to rest`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-crash-'));
  const variables = { ...UNRELIABLE_SHOP, DATA_DIR: folder };
  const roll = dice(SEED);
  let token = '';
  const start = (): ServerProcess => (running = startProcess(variables));
  const shoppers = customers(roll, () => token);
  const mails = (): number => {
    try {
      return readdirSync(join(folder, 'outbox')).length;
    } catch {
      return 0;
    }
  };

  for (let crash = 0; crash < CRASHES; crash++) {
    const server = start();
    const url = await server.url;
    if (crash === 0) {
      const client = clientOf(url);
      await client.product(HOT_SKU, HOT_UNITS);
      ({ token } = await client.ok('POST', '/session', { body: { role: 'customer', customerId: 'ada' } }));
    }
    // In one life it dies while checkouts come in, in the next while the consumers work on them.
    const early = crash % 2 === 0;
    const after = 1 + Math.floor(roll() * (early ? ORDERS_A_LIFE - 16 : 2 * ORDERS_A_LIFE));
    const before = mails();
    let killed: Promise<unknown> | undefined;
    const kill = (): void => void (killed ??= server.end('SIGKILL'));
    await shoppers.round(url, ORDERS_A_LIFE, (count) => {
      if (early && count >= after) kill();
    });
    if (!early) await eventually(`${after} mails in life ${crash}`, () => mails() - before >= after, END_MS);
    kill();
    await killed;
    assert.is((await server.ended).signal, 'SIGKILL', server.errors());
  }

  const server = start();
  const client = clientOf(await server.url);
  await shoppers.settle(await server.url);
  await client.ok('POST', `/stock/${HOT_SKU}/receive`, { body: { quantity: 10_000 } });
  for (const [orderId, text] of shoppers.acknowledged) {
    const { status, body } = await client.call('GET', `/orders/${orderId}`);
    assert.is(status, 200, `an acknowledged order is gone: ${orderId}`);
    assert.is(body.total.amountMinor, JSON.parse(text).total.amountMinor);
  }
  const open = new Set(shoppers.acknowledged.keys());
  await eventually(
    'every order to end',
    async () => {
      for (const orderId of open) {
        if (!['delivered', 'cancelled'].includes((await client.ok('GET', `/orders/${orderId}`)).status))
          return false;
        open.delete(orderId);
      }
      const { items } = await client.ok('GET', '/ops/consumers');
      return items.every(
        ({ lag, inFlight, retrying }: any) => lag.events === 0 && inFlight === 0 && retrying === 0,
      );
    },
    END_MS,
  ).catch((error: Error) =>
    assert.unreachable(`${error.message}; open: ${[...open].join(' ')}\n${server.errors()}`),
  );
  assert.equal((await client.ok('GET', '/ops/parked')).items, []);
  assert.equal(await server.end('SIGTERM'), { code: 0, signal: null });
  assert.is(server.errors(), '');

  const parts = await openParts(readEnvironment(variables), system);
  try {
    const folded = await foldAll(parts);
    for (const orderId of shoppers.acknowledged.keys()) assert.ok(folded.orders.has(orderId));
    assert.is(
      folded.orders.size,
      shoppers.acknowledged.size,
      'every order was acknowledged in the end, and none was placed twice',
    );
    assert.equal(await brokenAccounts(folder, parts, folded), [], `the books of ${folder}`);
    const ended = [...folded.orders.values()];
    const cancelled = ended.filter((order) => order.cancelled).length;
    console.log(
      `\nNOTE ${CRASHES} crashes: ${ended.length} orders, ${cancelled} of them cancelled; ${shoppers.repeated()} repeats; ${mails()} mails`,
    );
    assert.ok(
      cancelled > 0 && cancelled < ended.length && shoppers.cancelled() > 0 && shoppers.repeated() > 0,
      'the run tried all of it',
    );
  } finally {
    await parts.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

test.run();

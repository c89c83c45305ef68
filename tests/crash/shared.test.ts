/**
 * `SHARED_SECONDS=600 npm test -- crash/shared` for a long run; `CRASH_SEED=n` for another course of events.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { system, systemClock } from '../../adapters/system.ts';
import { readEnvironment } from '../../compose/environment.ts';
import { openParts } from '../../compose/parts.ts';
import { statusOf } from '../../domain/order/status.ts';
import { clientOf, eventually } from '../flow/client.ts';
import { brokenAccounts, foldAll } from './accounts.ts';
import { customers, dice, HOT_SKU, SKUS } from './customers.ts';
import { runScript, startProcess, UNRELIABLE_SHOP, type ServerProcess } from './server-process.ts';

const test = suite('crash: two servers on one folder');
const SECONDS = Number(process.env.SHARED_SECONDS ?? 15);
const SEED = Number(process.env.CRASH_SEED ?? 1);
const ORDERS_A_LIFE = 60;
const ORDERS_A_ROUND = 30;
const END_MS = 120_000 + SECONDS * 500;
const PLENTY = 1_000_000;

const started: ServerProcess[] = [];
// A test that failed must not leave its servers behind, or the run hangs.
test.after.each(async () => {
  for (const server of started) await server.end('SIGKILL');
});

test(`for ${SECONDS} s, one killed again and again, with check and parked beside them: nothing is lost or done twice`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-shared-'));
  const variables = { ...UNRELIABLE_SHOP, DATA_DIR: folder };
  const roll = dice(SEED);
  const start = (): ServerProcess => {
    const server = startProcess(variables);
    started.push(server);
    return server;
  };
  const stays = start();
  const url = await stays.url;
  const client = clientOf(url);
  await client.product(HOT_SKU, 50);
  const { token } = await client.ok('POST', '/session', { body: { role: 'customer', customerId: 'ada' } });
  const [ours, theirs] = [customers(roll, () => token), customers(roll, () => token)];
  const endMs = systemClock.now().getTime() + SECONDS * 1_000;
  const goesOn = (): boolean => systemClock.now().getTime() < endMs;
  let [lives, scripts] = [0, 0];
  const wrong: string[] = [];

  const beside = async (): Promise<void> => {
    while (goesOn())
      for (const name of ['check', 'parked']) {
        const said = await runScript(name, { DATA_DIR: folder });
        scripts += 1;
        if (said !== undefined) wrong.push(said);
      }
  };
  const onTheOneThatStays = async (): Promise<void> => {
    while (goesOn()) await ours.round(url, ORDERS_A_ROUND, () => undefined);
  };
  const onTheOther = async (): Promise<void> => {
    while (goesOn()) {
      const server = start();
      const other = await server.url;
      const after = 1 + Math.floor(roll() * (ORDERS_A_LIFE - 16));
      await theirs.round(other, ORDERS_A_LIFE, (count) => {
        if (count >= after) void server.end('SIGKILL');
      });
      await server.end('SIGKILL');
      started.splice(started.indexOf(server), 1);
      assert.is(server.errors(), '');
      lives += 1;
    }
  };
  await Promise.all([beside(), onTheOneThatStays(), onTheOther()]);
  assert.equal(wrong, []);
  await theirs.settle(url);
  // Whoever waits for goods gets them: what is left open then is lost.
  for (const sku of [HOT_SKU, ...SKUS])
    await client.ok('POST', `/stock/${sku}/receive`, { body: { quantity: PLENTY } });

  const parts = await openParts(readEnvironment(variables), system);
  try {
    const ended = async (): Promise<boolean> => {
      const { items } = await client.ok('GET', '/ops/consumers');
      if (!items.every(({ lag, inFlight, retrying }: any) => lag.events + inFlight + retrying === 0))
        return false;
      const { orders } = await foldAll(parts);
      return [...orders.values()].every(
        (order) => order.closedAt !== undefined && ['delivered', 'cancelled'].includes(statusOf(order)),
      );
    };
    await eventually('every order to end', ended, END_MS);
    assert.equal((await client.ok('GET', '/ops/parked')).items, []);
    assert.equal(await stays.end('SIGTERM'), { code: 0, signal: null });
    assert.is(stays.errors(), '');
    const folded = await foldAll(parts);
    const acknowledged = [...ours.acknowledged.keys(), ...theirs.acknowledged.keys()];
    for (const orderId of acknowledged) assert.ok(folded.orders.has(orderId), `${orderId} is gone`);
    assert.is(folded.orders.size, acknowledged.length);
    assert.equal(await brokenAccounts(folder, parts, folded), [], `the books of ${folder}`);
    console.log(
      `\nNOTE two servers on one folder for ${SECONDS} s: ${lives} killed, ${folded.orders.size} orders, ${scripts} scripts beside them`,
    );
    assert.ok(lives > 0 && scripts > 1);
  } finally {
    await parts.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

test.run();

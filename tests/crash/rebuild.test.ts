/** `CRASHES=200 node build/tests/crash/rebuild.test.js` for a long run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { system } from '../../adapters/system.ts';
import { clientOf, eventually, type Client } from '../flow/client.ts';
import { customers, dice, HOT_SKU } from './customers.ts';
import { runScript, startProcess, UNRELIABLE_SHOP, type ServerProcess } from './server-process.ts';

const test = suite('crash: rebuilds');
const CRASHES = Number(process.env.CRASHES ?? 8);
const SEED = Number(process.env.CRASH_SEED ?? 1);
const ROUNDS = 5;
const ROUND = 40;
const LIFE_MS = 600;
const BUILT_MS = 120_000;

let running: ServerProcess | undefined;
// A test that failed must not leave its server behind, or the run hangs.
test.after.each(async () => void (await running?.end('SIGKILL')));

test(`killed ${CRASHES} times under checkouts, a rebuild equals the continuous view, and readers are switched at once`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-rebuild-'));
  const variables = { ...UNRELIABLE_SHOP, DATA_DIR: folder, REBUILD_SHARE: '0.03', LEASE_MS: '300' };
  const roll = dice(SEED);
  const start = async (): Promise<Client> => {
    running = startProcess(variables);
    return clientOf(await running.url);
  };
  let client = await start();
  await client.product(HOT_SKU, 40);
  const { token } = await client.ok('POST', '/session', { body: { role: 'customer', customerId: 'ada' } });
  const shoppers = customers(roll, () => token);
  for (let i = 0; i < ROUNDS; i++) await shoppers.round(await running!.url, ROUND, () => undefined);
  const view = async (): Promise<any> =>
    (await client.ok('GET', '/ops/projections')).items.find(({ name }: any) => name === 'order-status');
  const rebuild = (): Promise<any> =>
    client.call('POST', '/ops/projections/order-status/rebuild', { body: { compare: true } });

  const met = new Set<string>();
  for (let crash = 0; crash < CRASHES; crash++) {
    if ((await view()).build?.state === 'ready')
      await client.ok('POST', '/ops/projections/order-status/drop', { body: {} });
    const { status, text } = await rebuild();
    assert.is(status, 202, text);
    await eventually(
      'it is under way',
      async () => {
        const state = (await view()).build?.state;
        met.add(state);
        return state !== 'asked';
      },
      BUILT_MS,
    );
    const lives = new AbortController();
    void system.clock.sleep(LIFE_MS * roll()).then(async () => {
      await running?.end('SIGKILL');
      lives.abort();
    });
    while (!lives.signal.aborted) {
      await shoppers.round(await running!.url, 4, () => undefined);
    }
    client = await start();
  }
  await shoppers.settle(await running!.url);
  assert.is((await rebuild()).status, 202);
  await eventually('it is built', async () => (await view()).build?.state === 'ready', BUILT_MS);
  const { build, view: live } = await view();
  const { rows, differences, unsettled } = build.comparison;
  assert.equal([differences, unsettled], [0, 0], JSON.stringify(build.comparison));
  assert.ok(rows >= shoppers.acknowledged.size * 0.9, `${rows} rows of ${shoppers.acknowledged.size}`);
  assert.ok(met.has('building'), `was met: ${[...met].join(', ')}`);

  const switched = await client.call('POST', '/ops/projections/order-status/activate', { body: {} });
  assert.ok([200, 202].includes(switched.status), switched.text);
  await eventually('readers see it', async () => (await view()).view === build.view, BUILT_MS);
  assert.is((await view()).previous, live);
  assert.is(await runScript('replay', variables, '--view', 'order-status', '--compare'), undefined);
  assert.is(await runScript('replay', variables, '--view', 'order-status', '--rollback'), undefined);
  assert.is((await view()).view, live);
  for (const orderId of shoppers.acknowledged.keys())
    assert.is((await client.call('GET', `/orders/${orderId}`)).status, 200);
  await running?.end('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
});

test.run();

/** Every consumer handed again all that it has handled, while orders come in and the server is killed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clientOf, eventually } from '../flow/client.ts';
import { comesToRest } from '../servers/rest.ts';
import { customers, dice, HOT_SKU } from './customers.ts';
import { runScript, startProcess, UNRELIABLE_SHOP, type ServerProcess } from './server-process.ts';

const test = suite('crash: replays');
const SEED = Number(process.env.CRASH_SEED ?? 1);
const ROUNDS = 4;
const ROUND = 40;
const REPLAYED_MS = 120_000;

let running: ServerProcess | undefined;
// A test that failed must not leave its server behind, or the run hangs.
test.after.each(async () => void (await running?.end('SIGKILL')));

test('every consumer is handed everything again, from the start: nothing is charged, sent, shipped or set aside twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-replay-'));
  const variables = { ...UNRELIABLE_SHOP, DATA_DIR: folder };
  const start = (): ServerProcess => (running = startProcess(variables));
  let server = start();
  let client = clientOf(await server.url);
  await client.product(HOT_SKU, 40);
  const { token } = await client.ok('POST', '/session', { body: { role: 'customer', customerId: 'ada' } });
  const shoppers = customers(dice(SEED), () => token);
  const round = async (): Promise<void> => shoppers.round(await server.url, ROUND, () => undefined);
  for (let i = 0; i < ROUNDS; i++) await round();
  await shoppers.settle(await server.url);
  const consumers = async (): Promise<readonly any[]> => (await client.ok('GET', '/ops/consumers')).items;
  await eventually(
    'all to be handled',
    async () => (await consumers()).every(({ lag }) => lag.events === 0),
    REPLAYED_MS,
  );

  const names: string[] = (await consumers()).map(({ name }) => name);
  const replay = (name: string, ...args: readonly string[]): Promise<string | undefined> =>
    runScript('replay', variables, '--consumer', name, '--from', 'beginning', ...args);
  assert.match((await replay('payment')) ?? '', /payment asks the bank .* say --with-side-effects/);
  assert.is(await replay('payment', '--dry-run'), undefined);
  const replays = async (): Promise<readonly any[]> => (await client.ok('GET', '/ops/replays')).items;
  assert.equal(await replays(), []);
  for (const name of names)
    assert.is(await replay(name, '--with-side-effects', '--why', 'to see'), undefined);
  await Promise.all([
    round(),
    eventually('they are on their way', async () => (await replays()).some(({ handed }) => handed > 50)),
  ]);
  await server.end('SIGKILL');
  server = start();
  client = clientOf(await server.url);
  await round();
  await shoppers.settle(await server.url);
  await eventually(
    'all of them are done',
    async () => (await replays()).every(({ state }) => state === 'done'),
    REPLAYED_MS,
  );
  const done = await replays();
  assert.equal(done.map(({ consumer }) => consumer).sort(), names.toSorted());
  for (const { consumer, events, handed, reason } of done) {
    assert.ok(handed >= events && events > 0, `${consumer}: ${handed} of ${events}`);
    assert.is(reason, 'to see');
  }
  await comesToRest({ variables, client, shoppers, servers: [server] });
  rmSync(folder, { recursive: true, force: true });
});

test.run();

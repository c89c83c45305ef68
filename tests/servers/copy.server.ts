/** A running shop moved to an EventStoreDB, in the middle of its work: as it is, and with a Kafka between. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openEventStoreDb } from '../../adapters/eventstoredb/event-store.ts';
import { openSqliteBookkeeping } from '../../adapters/sqlite/bookkeeping.ts';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { everything } from '../contracts/event-store.ts';
import { customers, dice, HOT_SKU } from '../crash/customers.ts';
import { runScript, UNRELIABLE_SHOP } from '../crash/server-process.ts';
import { eventually } from '../flow/client.ts';
import { startEventStoreDbDouble } from './eventstoredb-double.ts';
import { startKafka } from './kafka-server.ts';
import { processes } from './processes.ts';
import { comesToRest } from './rest.ts';

const test = suite('a shop moved to an EventStoreDB');
const { EVENT_STORE_URL: given } = process.env;
const double = given ? undefined : await startEventStoreDbDouble();
const url = given || double!.url;
const BLOCKED_MS = 120_000;
const run = systemRandomness.uuid().slice(0, 8);
const made = { clock: systemClock, newId: systemRandomness.uuid };
test.after(() => double?.close());

const { start, refusedStart, killAll } = processes();
test.after.each(killAll);
const eventsOf = async (store: EventStore) => {
  const { events } = await everything(store);
  await store.close();
  return events.map((event) => ({ ...event, position: '' }));
};

const blockedIn = async (folder: string): Promise<number> => {
  const { blockedLanes, close } = openSqliteBookkeeping({ path: join(folder, 'bookkeeping.db'), store: '' });
  const { items } = await blockedLanes.find({}, { limit: 1_000 });
  await close();
  return items.length;
};

const moves = async (prefix: string, brokers?: readonly string[]): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-move-'));
  const kafka = (name: string): Record<string, string> =>
    brokers
      ? { KAFKA_BROKERS: brokers.join(), KAFKA_PARTITIONS: '2', KAFKA_PREFIX: `${prefix}${name}.` }
      : {};
  const old = { ...UNRELIABLE_SHOP, DATA_DIR: folder, LEASE_MS: '1000', ...kafka('old') };
  const place = { EVENT_STORE_URL: url, EVENT_STORE_PREFIX: `${run}.${prefix}` };
  const copy = (...args: readonly string[]): Promise<string | undefined> =>
    runScript('copy', { ...old, ...place }, ...args);

  const first = await start(old);
  await first.client.product(HOT_SKU, 30);
  const { token } = await first.client.ok('POST', '/session', {
    body: { role: 'customer', customerId: 'ada' },
  });
  const shoppers = customers(dice(11), () => token);
  await shoppers.round(first.url, 60, () => undefined);
  // Beside the server, with orders coming in.
  const [said] = await Promise.all([copy(), shoppers.round(first.url, 60, () => undefined)]);
  assert.match(
    said ?? '',
    /events copied\. Servers run on .* \(.+ and \d+ more\): stop them, and run this again/,
  );
  await first.server.end('SIGKILL');

  // What is blocked goes along: half of all calls fail, too few for anybody to be left alone for long.
  const [failing, rate] = [['PAYMENT', 'WAREHOUSE', 'MAIL'], '0.5'];
  const unlucky = failing.map((who) => [`SIM_${who}_FAILURE_RATE`, rate]);
  const second = await start({ ...old, ...Object.fromEntries(unlucky) });
  const blocked = async (): Promise<boolean> => {
    const { items } = await second.client.ok('GET', '/ops/consumers');
    if (items.reduce((sum: number, { retrying }: any) => sum + retrying, 0) >= 3) return true;
    // No more orders than are handled meanwhile, and none before somebody does.
    if (items.every(({ state, lag }: any) => state === 'running' && lag.events < 100))
      await shoppers.round(second.url, 16, () => undefined);
    return false;
  };
  await eventually('orders that wait', blocked, BLOCKED_MS);
  await shoppers.round(second.url, 40, () => second.server.end('SIGKILL'));
  const lanes = await blockedIn(folder);
  assert.ok(lanes > 0);

  assert.is(await copy(), undefined);
  assert.is(await copy(), undefined, 'again it finds nothing to be done');
  assert.match((await copy('--reopen')) ?? '', /old store stays closed/);
  assert.match(
    await refusedStart(old),
    /^orderfold cannot start: the orders have moved to the EventStoreDB at /,
  );
  const before = await eventsOf(openSqliteEventStore({ path: join(folder, 'events.db'), ...made }));
  const after = await eventsOf(await openEventStoreDb({ url, prefix: place.EVENT_STORE_PREFIX, ...made }));
  assert.equal(after, before);

  const there = { ...old, ...place };
  if (brokers)
    assert.match(await refusedStart(there), /^orderfold cannot start: what consumer .* KAFKA_PREFIX/);
  const variables = { ...there, ...kafka('new') };
  const third = await start(variables);
  await shoppers.settle(third.url);
  await shoppers.round(third.url, 40, () => undefined);
  const orders = await comesToRest({ variables, client: third.client, shoppers, servers: [third.server] });
  console.log(
    `\nNOTE ${orders} orders, ${before.length} events, ${lanes} blocked lanes moved${brokers ? ', with a Kafka between' : ''}`,
  );
  rmSync(folder, { recursive: true, force: true });
};

test('it goes on there: no second charge, no order forgotten, what was blocked goes on', () =>
  moves('plain.'));

test('so it does with a Kafka between, on topics of their own', async () => {
  const kafka = await startKafka();
  await moves('kafka.', kafka.brokers);
});
test.run();

/** The README's way from one process to several, and to servers, as it stands, taken by a shop that has orders. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { customers, dice, HOT_SKU } from '../crash/customers.ts';
import { runScript, UNRELIABLE_SHOP, type ServerProcess } from '../crash/server-process.ts';
import { eventually, type Client } from '../flow/client.ts';
import { startEventStoreDbDouble } from './eventstoredb-double.ts';
import { startKafka } from './kafka-server.ts';
import { startMongoDb } from './mongodb-server.ts';
import { processes } from './processes.ts';
import { comesToRest } from './rest.ts';

const test = suite("the README's way to servers");
const root = resolve(import.meta.dirname, '..', '..', '..');
const ORDERS = 15;
const CAUGHT_UP_MS = 120_000;
const { start, killAll } = processes();
test.after.each(killAll);

/** The commands of each step. */
const way = (readme: string): readonly (readonly string[])[] =>
  [...readme.matchAll(/<!-- way -->\n```sh\n([\s\S]*?)```/g)].map(([, block = '']) =>
    block.split('\n').filter((line) => line !== ''),
  );
/** `NAME=value` as a shell takes it. */
const assignments = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/(\w+)=('[^']*'|\S+)/g)].map(([, name = '', value = '']) => [
      name,
      value.replace(/^'(.*)'$/, '$1'),
    ]),
  );

test('every command does what it says, and no order is lost or done twice on the way', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-way-'));
  const [kafka, double, mongo] = [await startKafka(), await startEventStoreDbDouble(), await startMongoDb()];
  try {
    const readme = Object.entries({
      '127.0.0.1:9092': kafka.brokers.join(),
      'esdb://127.0.0.1:2113?tls=false': double.url,
      'mongodb://127.0.0.1:27017/orderfold': mongo.url,
    }).reduce(
      (text, [there, here]) => text.replaceAll(there, here),
      readFileSync(join(root, 'README.md'), 'utf8'),
    );
    let variables: Readonly<Record<string, string>> = {
      ...UNRELIABLE_SHOP,
      DATA_DIR: folder,
      LEASE_MS: '1000',
    };
    let running: ServerProcess[] = [];
    let client: Client | undefined;
    let token = '';
    const shoppers = customers(dice(5), () => token);
    const stop = async (): Promise<void> => {
      for (const server of running.splice(0))
        assert.is((await server.end('SIGTERM')).code, 0, server.errors());
    };
    const steps = way(readme);
    assert.is(steps.length, 4);
    for (const step of steps) {
      await stop();
      let url = '';
      for (const line of step) {
        const [, exported] = /^export (.*)$/.exec(line) ?? [];
        const [, roles] = /^ROLES=(\S+) npm start$/.exec(line) ?? [];
        const [, args] = /^npm run copy -- (.*)$/.exec(line) ?? [];
        if (exported) variables = { ...variables, ...assignments(exported) };
        else if (args)
          assert.is(
            await runScript(
              'copy',
              variables,
              ...args.split(' ').map((arg) => arg.replace(/^'(.*)'$/, '$1')),
            ),
            undefined,
            line,
          );
        else {
          assert.ok(roles, line);
          const started = await start({ ...variables, ROLES: roles });
          running.push(started.server);
          if (roles === 'api') [url, client] = [started.url, started.client];
        }
      }
      if (token === '') await client!.product(HOT_SKU, 30);
      token = (await client!.ok('POST', '/session', { body: { role: 'customer', customerId: 'ada' } })).token;
      await shoppers.round(url, ORDERS, () => undefined);
      await eventually(
        `all processes of ${step.join('; ')} are seen`,
        async () => (await client!.ok('GET', '/ops/processes')).items.length === running.length,
        CAUGHT_UP_MS,
      );
      const [orderId = ''] = [...shoppers.acknowledged.keys()];
      assert.is((await client!.order(orderId)).contact.name, 'Ada Lovelace');
    }
    const servers = [...running.filter((server) => server !== running[0]), running[0]!];
    const orders = await comesToRest({ variables, client: client!, shoppers, servers });
    assert.is(orders, shoppers.acknowledged.size);
    console.log(`\nNOTE ${orders} orders on the way from one process to Kafka, EventStoreDB and MongoDB`);
  } finally {
    await killAll();
    await mongo.close();
    double.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
test.run();

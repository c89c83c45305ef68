/**
 * A shop in processes of its own on a real Kafka, with and without an EventStoreDB, its servers and processes killed while
 * orders come in.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { customers, dice, HOT_SKU } from '../crash/customers.ts';
import { startProcess, UNRELIABLE_SHOP, type ServerProcess } from '../crash/server-process.ts';
import { clientOf, eventually } from '../flow/client.ts';
import { startEventStoreDbDouble, type EventStoreDbServer } from './eventstoredb-double.ts';
import { freePort } from './free-port.ts';
import { startKafka } from './kafka-server.ts';
import { startMongoDb, type MongoDbServer } from './mongodb-server.ts';
import { comesToRest, reportsOf } from './rest.ts';

const test = suite('roles in processes of their own, on Kafka');
const kafka = await startKafka();
/** Checkouts at a time. */
const ROUND = 30;
const ROUNDS_WHILE_IT_HANGS = 8;
/** How long processes are killed at random, and in which order. */
const KILL_MS = Number(process.env.KILL_SECONDS ?? 10) * 1_000;
/** How long MongoDB is away. */
const AWAY_MS = KILL_MS / 5;
/** A server that is slow leaves more behind, the longer it goes on. */
const END_MS = 240_000 + 6 * KILL_MS;
const SEED = Number(process.env.CRASH_SEED ?? 7);
const nowMs = (): number => systemClock.now().getTime();
/** A session, a rebalance, and what has been left. */
const TAKEN_OVER_MS = 120_000;
/** Names of streams on a server that others use too. */
const run = systemRandomness.uuid().slice(0, 8);

const started = new Set<ServerProcess>();
test.after.each(async () => {
  for (const server of started) await server.end('SIGKILL');
  started.clear();
});

/** Without `double` it is a server that is not ours to kill. */
type OnServers = Readonly<{
  eventStore: Readonly<{ url: string; double?: EventStoreDbServer }>;
  mongo: MongoDbServer;
}>;

/** `start` runs a process with the roles named. */
const shopOn = (prefix: string, servers?: OnServers) => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-roles-'));
  const variables = {
    ...UNRELIABLE_SHOP,
    DATA_DIR: folder,
    KAFKA_BROKERS: kafka.brokers.join(','),
    KAFKA_PARTITIONS: '4',
    LEASE_MS: '2000',
    KAFKA_PREFIX: prefix,
    ...(servers
      ? {
          EVENT_STORE_URL: servers.eventStore.url,
          EVENT_STORE_PREFIX: `${run}.${prefix}`,
          MONGODB_URL: servers.mongo.url,
        }
      : {}),
  };
  const start = async (roles: string, port = 0): Promise<ServerProcess> => {
    const server = startProcess({ ...variables, ROLES: roles, PORT: String(port) });
    started.add(server);
    await server.url;
    return server;
  };
  return { folder, variables, start };
};

const goesOn = async (prefix: string, servers?: OnServers): Promise<void> => {
  const { folder, variables, start } = shopOn(prefix, servers);
  const port = await freePort();
  let api = await start('api', port);
  const url = await api.url;
  const client = clientOf(url);
  const rest = new Map<string, ServerProcess>();
  for (const roles of ['forward', 'forward,project', 'consume', 'consume:payment,consume:inventory'])
    rest.set(roles, await start(roles));
  await client.product(HOT_SKU, 50);
  const { token } = await client.ok('POST', '/session', { body: { role: 'customer', customerId: 'ada' } });
  const refusals: (string | null)[] = [];
  const shoppers = customers(
    dice(SEED),
    () => token,
    servers ? (retryAfter) => refusals.push(retryAfter) : undefined,
  );
  const round = (): Promise<void> => shoppers.round(url, ROUND, () => undefined);
  const during = async (what: () => Promise<void>): Promise<number> => {
    const before = shoppers.acknowledged.size;
    await Promise.all([round(), what()]);
    return shoppers.acknowledged.size - before;
  };

  await round();
  for (const roles of rest.keys())
    await during(async () => {
      await rest.get(roles)?.end('SIGKILL');
      await round();
      rest.set(roles, await start(roles));
    });
  const roll = dice(SEED);
  for (const endsMs = nowMs() + KILL_MS; nowMs() < endsMs;)
    await during(async () => {
      const roles = ['api', ...rest.keys()][Math.floor(roll() * (rest.size + 1))]!;
      await (roles === 'api' ? api : rest.get(roles)!).end('SIGKILL');
      await round();
      if (roles === 'api') api = await start('api', port);
      else rest.set(roles, await start(roles));
    });
  await shoppers.settle(url);
  const workedOff = (what: string, list: 'forward' | 'consumers', limitMs: number): Promise<void> =>
    eventually(
      what,
      async () => (await reportsOf(client, list))?.every(({ lag }) => lag.events === 0) ?? false,
      limitMs,
    );
  await workedOff('what was left meanwhile is worked off', 'consumers', TAKEN_OVER_MS + 4 * KILL_MS);
  // Past its lease, and past its session: somebody else has its work by the time that it goes on.
  for (const roles of ['forward', 'consume:payment,consume:inventory'])
    await during(async () => {
      const paused = rest.get(roles)!;
      process.kill(paused.pid, 'SIGSTOP');
      await round();
      await workedOff('others do its work', roles === 'forward' ? 'forward' : 'consumers', TAKEN_OVER_MS);
      process.kill(paused.pid, 'SIGCONT');
    });
  await during(async () => {
    await kafka.kill(0);
    await round();
    await kafka.start(0);
  });
  const whileItHangs = await during(async () => {
    kafka.freeze(0);
    for (let rounds = 0; rounds < ROUNDS_WHILE_IT_HANGS; rounds++) await round();
    kafka.thaw(0);
  });
  assert.ok(
    whileItHangs >= ROUNDS_WHILE_IT_HANGS * ROUND,
    `${whileItHangs} orders were taken while the broker hung`,
  );
  const mongo = servers?.mongo.process;
  if (mongo) {
    await during(async () => {
      await mongo.kill();
      // Spread: checkout takes far more in that time than is worked off afterwards.
      for (let rounds = 0; rounds < ROUNDS_WHILE_IT_HANGS; rounds++)
        await Promise.all([round(), systemClock.sleep(AWAY_MS / ROUNDS_WHILE_IT_HANGS)]);
      await mongo.start();
    });
    // For longer than any lease.
    const whileMongoHangs = await during(async () => {
      mongo.freeze();
      for (let rounds = 0; rounds < ROUNDS_WHILE_IT_HANGS; rounds++) await round();
      mongo.thaw();
    });
    assert.ok(
      whileMongoHangs >= ROUNDS_WHILE_IT_HANGS * ROUND,
      `${whileMongoHangs} orders were taken while MongoDB hung`,
    );
    assert.equal(refusals, [], 'nobody was refused without MongoDB');
  }
  const double = servers?.eventStore.double;
  if (double) {
    await during(async () => {
      double.kill();
      await round();
      await double.start();
    });
    await shoppers.settle(url);
    const whenKilled = refusals.length;
    await during(async () => {
      double.freeze();
      await round();
      double.thaw();
    });
    assert.ok(whenKilled > 0 && refusals.length > whenKilled, 'without its store it refuses');
    assert.ok(
      refusals.every((retryAfter) => Number(retryAfter) > 0),
      `Retry-After: ${refusals.join(', ')}`,
    );
  }
  await shoppers.settle(url);
  await eventually('consumers are seen where they run', async () => {
    const consuming = await reportsOf(client, 'consumers');
    return consuming?.every(({ state }) => state === 'running') ?? false;
  });
  const orders = await comesToRest({
    variables,
    client,
    shoppers,
    servers: [...rest.values(), api],
    endMs: END_MS,
  });
  const on = servers ? 'an EventStoreDB, a Kafka and a MongoDB' : 'a Kafka';
  console.log(`\nNOTE ${orders} orders through five processes and ${on}, each killed once`);
  rmSync(folder, { recursive: true, force: true });
};

test('orders go on, and no effect is doubled or missing, while a process or the broker is killed, or hangs', () =>
  goesOn('sqlite.'));

test('so they do on an EventStoreDB and a MongoDB that are killed, or hang; without the first alone checkouts are refused with 503', async () => {
  const { EVENT_STORE_URL: given } = process.env;
  const mongo = await startMongoDb();
  const double = given ? undefined : await startEventStoreDbDouble();
  try {
    const eventStore = double ? { url: double.url, double } : { url: given ?? '' };
    await goesOn('servers.', { eventStore, mongo });
  } finally {
    double?.close();
    await mongo.close();
  }
});

test('topics with another number of partitions are refused at the start', async () => {
  const { folder, variables, start } = shopOn('partitions.');
  const first = await start('forward');
  await first.end('SIGTERM');
  const second = startProcess({ ...variables, KAFKA_PARTITIONS: '5', ROLES: 'forward' });
  started.add(second);
  const { code } = await second.ended;
  assert.is(code, 1);
  assert.match(
    second.errors(),
    /^orderfold cannot start: the topic .* has 4 partitions, and this server is set to 5/,
  );
  rmSync(folder, { recursive: true, force: true });
});

test.run();

/** What of an order goes through Kafka, beside the same without our code, and without Kafka. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Partitioners, type Message } from 'kafkajs';
import { MongoClient } from 'mongodb';
import { openCluster, type Cluster } from '../adapters/kafka/cluster.ts';
import { connectKafka } from '../adapters/kafka/connection.ts';
import { messageOf } from '../adapters/kafka/message.ts';
import { kafkaPublisher } from '../adapters/kafka/publisher.ts';
import { openSqliteBookkeeping } from '../adapters/sqlite/bookkeeping.ts';
import { openSqliteEventStore } from '../adapters/sqlite/event-store.ts';
import { jsonLog, systemClock, systemRandomness } from '../adapters/system.ts';
import type { Publishing } from '../ports/event-publisher.ts';
import type { EventStore } from '../ports/event-store.ts';
import { runForward } from '../runtime/feed/forward.ts';
import { createLeased } from '../runtime/lease.ts';
import { inTurn, spreadOf, type Comparison } from './compare.ts';
import { basketsOf, checkouts, getJson, placeOne, tokenOf, type Basket } from './load.ts';
import { delivered, NO_LATENCY } from './orders.ts';
import { startShop } from './processes.ts';

const ROUNDS = 3;
/** Both work in this process, on code that is compiled while it runs, for a second at a time. */
const FORWARD_WARM_UPS = 3;
const FORWARD_ROUNDS = 15;
const CUSTOMERS = 100;
const CONNECTIONS = 64;
const PARTITIONS = 6;
const PAGE = 500;
const LEASE_MS = 30_000;
const LOOK_MS = 1;
const CATEGORY = 'order';
const silent = jsonLog('silent');

/** Takes topics and groups of a run away. */
const clearTopics = async (brokers: readonly string[], prefix: string): Promise<void> => {
  const { asAdmin, close } = connectKafka({ brokers, clientId: 'bench', clock: systemClock, log: silent });
  try {
    await asAdmin(async (admin) => {
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
      if (topics.length > 0) await admin.deleteTopics({ topics });
      const groups = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
      await admin.deleteGroups(groups.filter((group) => group.startsWith(prefix)));
    });
  } finally {
    await close();
  }
};
const newPrefix = (): string => `bench-${systemRandomness.uuid().slice(0, 8)}.`;

type Request = Readonly<{ topic: string; partition: number; messages: readonly Message[] }>;
/** What forwarding sends, a page at a time: a request for each partition. */
const requestsOf = async (store: EventStore, { placeOf }: Cluster): Promise<readonly Request[][]> => {
  const pages: Request[][] = [];
  let next = await store.readAll(undefined, { categories: [CATEGORY], limit: PAGE });
  for (;;) {
    const page = new Map<string, Request & { messages: Message[] }>();
    for (const event of next.events) {
      const place = placeOf(event.stream);
      const request = page.get(place.name) ?? { ...place, messages: [] };
      request.messages.push({ ...messageOf(event, 'bench'), partition: place.partition });
      page.set(place.name, request);
    }
    if (page.size > 0) pages.push([...page.values()]);
    if (next.atTail) return pages;
    next = await store.readAll(next.scanned, { categories: [CATEGORY], limit: PAGE });
  }
};

/** Events a second from the store to Kafka, beside a producer of the driver that is handed the same requests. */
export const compareForward = async (
  brokers: readonly string[],
  orders: number,
  tell: (line: string) => void,
): Promise<Comparison> => {
  const shop = await startShop({ ROLES: 'all', ...NO_LATENCY });
  const made = { clock: systemClock, newId: systemRandomness.uuid };
  const store = openSqliteEventStore({ path: join(shop.dataFolder, 'events.db'), ...made });
  const prefix = newPrefix();
  const cluster = openCluster({
    brokers,
    clientId: 'bench',
    categories: [CATEGORY],
    partitions: PARTITIONS,
    prefix,
    clock: systemClock,
    log: silent,
  });
  const publisher = kafkaPublisher(cluster, { source: 'bench' });
  const bare = cluster.kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  try {
    await checkouts(shop.url, await basketsOf(shop.url, CUSTOMERS), CONNECTIONS, { amount: orders });
    await delivered(shop.url, await tokenOf(shop.url, 'operator'), orders);
    await cluster.makeTopics();
    await bare.connect();
    const pages = await requestsOf(store, cluster);
    const events = pages.flat().reduce((sum, { messages }) => sum + messages.length, 0);
    const [first] = (await store.readAll(undefined, { categories: [CATEGORY], limit: 1 })).events;
    await publisher.publish([first!]);
    const rate = (of: string, startedMs: number): number => {
      const perSecond = (events * 1_000) / (performance.now() - startedMs);
      tell(`${of}: ${events} events, ${Math.round(perSecond)} a second`);
      return perSecond;
    };
    const forward = async (): Promise<number> => {
      const folder = mkdtempSync(join(tmpdir(), 'orderfold-bench-'));
      const path = join(folder, 'bookkeeping.db');
      const { checkpoints, leases, close } = openSqliteBookkeeping({ path, store: store.id });
      const system = { clock: systemClock, log: silent };
      const leased = createLeased({ leases, holder: systemRandomness.uuid(), ttlMs: LEASE_MS, ...system });
      let left = events;
      let done = (): void => undefined;
      const all = new Promise<void>((resolve) => (done = resolve));
      const counted = ({ publish }: Publishing): Publishing => ({
        async publish(some) {
          await publish(some);
          if ((left -= some.length) <= 0) done();
        },
      });
      const to = { ...counted(publisher), sequence: () => counted(publisher.sequence()) };
      const startedMs = performance.now();
      const running = runForward({
        store,
        publisher: to,
        checkpoints,
        leased,
        category: CATEGORY,
        ...system,
      });
      await all;
      const perSecond = rate('forward', startedMs);
      await running.close();
      await close();
      rmSync(folder, { recursive: true });
      return perSecond;
    };
    const alone = async (): Promise<number> => {
      const startedMs = performance.now();
      for (const page of pages)
        await Promise.all(
          page.map(({ topic, messages }) => bare.send({ topic, acks: -1, messages: [...messages] })),
        );
      return rate('bare producer', startedMs);
    };
    for (let round = 0; round < FORWARD_WARM_UPS; round++) await inTurn(1, forward, alone);
    return await inTurn(FORWARD_ROUNDS, forward, alone);
  } finally {
    await Promise.all([publisher.close(), bare.disconnect(), store.close(), shop.stop()]);
    await cluster.close();
    await clearTopics(brokers, prefix);
  }
};

type History = Readonly<{
  items: readonly Readonly<{ type: string; meta: Readonly<{ recordedAt: string }> }>[];
}>;
/** From one order's checkout to its confirmation, as its events say. */
const confirmedMs = async (url: string, operator: string, basket: Basket): Promise<number> => {
  const { orderId } = await placeOne(url, basket);
  for (;;) {
    const { items } = await getJson<History>(`${url}/orders/${orderId}/history`, operator);
    const at = (type: string): number | undefined => {
      const event = items.find((item) => item.type === type);
      return event && Date.parse(event.meta.recordedAt);
    };
    const [placed, confirmed] = [at('OrderPlaced'), at('OrderConfirmed')];
    if (placed !== undefined && confirmed !== undefined) return confirmed - placed;
    await systemClock.sleep(LOOK_MS);
  }
};

/** Where an EventStoreDB and a MongoDB take connections; the latter's names no database. */
export type Servers = Readonly<{ eventStore: string; mongodb: string }>;

const databaseOn = (url: string, name: string): string => url.replace(/\/?(\?|$)/, `/${name}$1`);
const dropDatabases = async (url: string, names: readonly string[]): Promise<void> => {
  const client = new MongoClient(url);
  for (const name of names) await client.db(name).dropDatabase();
  await client.close();
};

/** What a shop of its own on these servers is told, and how what it has left there is taken away, streams aside. */
export const placeOn = (
  brokers: readonly string[],
  servers: Servers | undefined,
): Readonly<{ variables: Readonly<Record<string, string>>; clear(): Promise<void> }> => {
  const prefix = newPrefix();
  const name = prefix.slice(0, -1);
  return {
    variables: {
      KAFKA_BROKERS: brokers.join(),
      KAFKA_PREFIX: prefix,
      ...(servers && {
        EVENT_STORE_URL: servers.eventStore,
        EVENT_STORE_PREFIX: name,
        MONGODB_URL: databaseOn(servers.mongodb, name),
      }),
    },
    async clear() {
      await clearTopics(brokers, prefix);
      if (servers) await dropDatabases(servers.mongodb, [name, `${name}-keys`]);
    },
  };
};

/**
 * Milliseconds from checkout to confirmed, one order after the other, with Kafka between, and on `servers` where there
 * are any, and on the embedded store and feed.
 */
export const compareConfirmed = async (
  brokers: readonly string[],
  servers: Servers | undefined,
  orders: number,
  tell: (line: string) => void,
): Promise<Comparison> => {
  const { variables, clear } = placeOn(brokers, servers);
  const shops = [
    await startShop({ ROLES: 'all', ...NO_LATENCY, ...variables }),
    await startShop({ ROLES: 'all', ...NO_LATENCY }),
  ] as const;
  try {
    const median = async (of: string, { url }: Readonly<{ url: string }>) => {
      const [baskets, operator] = [await basketsOf(url, CUSTOMERS), await tokenOf(url, 'operator')];
      return async (): Promise<number> => {
        const times: number[] = [];
        for (let i = 0; i < orders; i++)
          times.push(await confirmedMs(url, operator, baskets[i % CUSTOMERS]!));
        const sorted = times.toSorted((a, b) => a - b);
        const p99 = sorted[Math.floor(0.99 * sorted.length)];
        const middle = spreadOf(times).median;
        tell(`${of}: ${orders} orders, confirmed after ${middle} ms (p99 ${p99} ms)`);
        return middle;
      };
    };
    const ours = await median(servers ? 'on servers' : 'with Kafka', shops[0]);
    const baseline = await median('embedded', shops[1]);
    await ours();
    await baseline();
    return await inTurn(ROUNDS, ours, baseline);
  } finally {
    await Promise.all(shops.map((shop) => shop.stop()));
    await clear();
  }
};

/** Durable checkouts a second while a Kafka takes connections and says nothing, beside those of a shop without Kafka. */
export const compareHanging = async (seconds: number, tell: (line: string) => void): Promise<Comparison> => {
  const dumb = createServer((socket) => void socket.on('error', () => undefined).resume());
  dumb.listen(0, '127.0.0.1');
  await once(dumb, 'listening');
  const { port } = dumb.address() as AddressInfo;
  const hanging = await startShop({
    ROLES: 'api,forward',
    KAFKA_BROKERS: `127.0.0.1:${port}`,
    LOG_LEVEL: 'error',
  });
  const alone = await startShop({ ROLES: 'api' });
  try {
    const run = async (of: string, { url }: Readonly<{ url: string }>) => {
      const baskets = await basketsOf(url, CUSTOMERS);
      return async (): Promise<number> => {
        const { perSecond, p99Ms } = await checkouts(url, baskets, CONNECTIONS, { seconds });
        tell(`checkout, ${of}: ${Math.round(perSecond)} a second, p99 ${p99Ms} ms`);
        return perSecond;
      };
    };
    const ours = await run('Kafka hangs', hanging);
    const baseline = await run('no Kafka', alone);
    await ours();
    await baseline();
    return await inTurn(ROUNDS, ours, baseline);
  } finally {
    await Promise.all([hanging.stop(), alone.stop()]);
    dumb.close();
  }
};

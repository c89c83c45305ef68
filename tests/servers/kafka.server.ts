/** The contracts of a log and its feed on a real Kafka. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCluster } from '../../adapters/kafka/cluster.ts';
import { kafkaFeed } from '../../adapters/kafka/feed.ts';
import { kafkaPublisher } from '../../adapters/kafka/publisher.ts';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { OtherStore } from '../../ports/event-store.ts';
import { eventFeedContract } from '../contracts/event-feed.ts';
import { eventPublisherContract } from '../contracts/event-publisher.ts';
import { until } from '../fake-clock.ts';
import { quietLog } from '../quiet-log.ts';
import { publishing } from '../runtime/world.ts';
import { startKafka } from './kafka-server.ts';

const WAIT_MS = 30_000;
const CATEGORIES = ['order', 'stock', 'other'];
const server = await startKafka();

let worlds = 0;
/** Each case on topics and groups of its own. */
const world = async (partitions: number) => {
  const cluster = openCluster({
    brokers: server.brokers,
    clientId: 'test',
    categories: CATEGORIES,
    partitions,
    prefix: `case-${++worlds}.`,
    log: quietLog,
  });
  await cluster.makeTopics();
  const store = memoryEventStore();
  const { checkpoints, leases } = memoryBookkeeping(store.id);
  const publisher = kafkaPublisher(cluster, { source: `/orderfold/${store.id}` });
  const feed = (id = store.id) =>
    kafkaFeed({
      cluster,
      store: id,
      checkpoints,
      leases,
      holder: systemRandomness.uuid(),
      clock: systemClock,
      log: quietLog,
      sessionMs: 2_000,
    });
  return {
    partitions,
    publisher,
    feed,
    happen: publishing(store, systemClock, publisher),
    advanceUntil: (what: string, condition: () => boolean | Promise<boolean>) =>
      until(what, condition, WAIT_MS),
    async close() {
      await publisher.close();
      await cluster.close();
    },
  };
};

for (const partitions of [1, 4]) eventFeedContract(`Kafka, ${partitions}`, () => world(partitions));
eventPublisherContract('Kafka', async () => {
  const w = await world(3);
  return { port: { ...w, feed: w.feed() }, close: w.close };
});

const moved = suite('Kafka: topics of another event store');
moved('a group finds its marks, and neither goes on nor tells how far it has come', async () => {
  const w = await world(1);
  const options = { from: 'beginning', batchSize: 10 } as const;
  await w.happen('order-a');
  const before = await w.feed().subscribe('mover', options, {
    onAssigned: async () => undefined,
    onBatch: ({ partition, through }) => before.commit(partition, through),
  });
  await w.advanceUntil('the end', async () => (await w.feed().reached('mover')) !== undefined);
  await before.close();
  const other = w.feed('another');
  const reached = await other.reached('mover').catch((thrown: unknown) => thrown);
  assert.instance(reached, OtherStore);
  const handed: unknown[] = [];
  const after = await other.subscribe('mover', options, {
    onAssigned: async () => undefined,
    onBatch: async (batch) => void handed.push(batch),
  });
  assert.instance(await after.ended.catch((thrown: unknown) => thrown), OtherStore);
  assert.equal(handed, []);
  await w.close();
});
moved.run();

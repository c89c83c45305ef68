/** The contracts of a log and its feed on a real Kafka. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCluster } from '../../adapters/kafka/cluster.ts';
import { kafkaFeed } from '../../adapters/kafka/feed.ts';
import { kafkaPublisher } from '../../adapters/kafka/publisher.ts';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { OtherStore } from '../../ports/event-store.ts';
import { eventFeedContract } from '../contracts/event-feed.ts';
import { eventPublisherContract } from '../contracts/event-publisher.ts';
import { everything } from '../contracts/event-store.ts';
import { runScript, startProcess } from '../crash/server-process.ts';
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
    clock: systemClock,
    log: quietLog,
  });
  await cluster.makeTopics();
  const store = memoryEventStore();
  const { checkpoints, leases } = memoryBookkeeping(store.id);
  const publisher = kafkaPublisher(cluster, { source: `/orderfold/${store.id}` });
  const feed = (id = store.id) =>
    kafkaFeed({
      cluster,
      store: { ...store, id },
      checkpoints,
      leases,
      holder: systemRandomness.uuid(),
      clock: systemClock,
      log: quietLog,
      sessionMs: 2_000,
    });
  return {
    partitions,
    cluster,
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

const gaps = suite('Kafka: what a topic no longer holds');
gaps('comes from the store: to a new group, to one that was away, to one that is sent back', async () => {
  const w = await world(2);
  const streams = ['order-a', 'order-b', 'order-c', 'order-d', 'order-e'];
  let rounds = 0;
  const happen = async (): Promise<void> => {
    await w.happen(...streams, 'stock-x');
    rounds += 1;
  };
  /** As retention does it: all but the last event of each partition. */
  const forget = (): Promise<void> =>
    w.cluster.asAdmin(async (admin) => {
      const [topic = ''] = w.cluster.topics(['order']);
      const partitions = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({
        partition,
        offset: String(Math.max(0, Number(high) - 1)),
      }));
      await admin.deleteTopicRecords({ topic, partitions });
    });
  /** Follows; finishes the first `most` deliveries only. */
  const follow = async (group: string, most = Infinity) => {
    const seen: string[] = [];
    let [finished, open] = [0, (): void => undefined];
    const subscribed = new Promise<void>((resolve) => (open = resolve));
    const { commit, close } = await w.feed().subscribe(
      group,
      { categories: ['order'], types: ['Happened'], from: 'beginning', batchSize: 3 },
      {
        onAssigned: async () => undefined,
        async onBatch({ partition, deliveries, through }) {
          await subscribed;
          for (const { event, cursor } of deliveries) {
            seen.push(event.id);
            if ((finished += 1) <= most) await commit(partition, cursor);
          }
          if (finished <= most) await commit(partition, through);
        },
      },
    );
    open();
    return { seen, close };
  };
  const all = (from = 0): readonly string[] =>
    streams.flatMap((stream) => Array.from({ length: rounds - from }, (_, n) => `${stream}/${from + n}`));
  const inOrder = (seen: readonly string[]): readonly string[] =>
    streams.flatMap((stream) => [...new Set(seen.filter((id) => id.startsWith(`${stream}/`)))]);
  const sees = async (who: { seen: readonly string[] }, count: number): Promise<void> =>
    w.advanceUntil(`${count} events`, () => new Set(who.seen).size >= count);

  for (let i = 0; i < 6; i++) await happen();
  await forget();
  const cut = await follow('new', 7);
  await sees(cut, 12);
  await cut.close();
  // Events go on while the rest of the gap is read.
  const on = await follow('new');
  await happen();
  const both = (): readonly string[] => [...cut.seen.slice(0, 7), ...on.seen];
  await w.advanceUntil('all of it', () => inOrder(both()).length === all().length);
  assert.equal(inOrder(both()), all());
  await w.advanceUntil('it to be written down', async () =>
    (await w.feed().lag('new')).every(({ events }) => events === 0),
  );
  await on.close();
  const position = await w.feed().reached('new');

  const quiet = await follow('new');
  await happen();
  await sees(quiet, streams.length);
  assert.equal(
    quiet.seen.slice().sort(),
    all(rounds - 1)
      .slice()
      .sort(),
    'what is finished does not come again',
  );
  await quiet.close();

  for (let i = 0; i < 3; i++) await happen();
  await forget();
  const away = await follow('new');
  await sees(away, 3 * streams.length);
  assert.equal(inOrder(away.seen), all(rounds - 3));
  await w.feed().seek('new', position);
  await w.advanceUntil('what comes behind it', () => away.seen.length >= 7 * streams.length);
  assert.equal(inOrder(away.seen.slice(3 * streams.length)), all(rounds - 4));
  await away.close();
  await w.close();
});
gaps.run();

const again = suite('Kafka: a range published again');
again(
  'to a topic of its own, by time, position and type; to one that consumers follow only when asked for by name',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'orderfold-again-'));
    const variables = {
      DATA_DIR: folder,
      KAFKA_BROKERS: server.brokers.join(),
      KAFKA_PARTITIONS: '2',
      KAFKA_PREFIX: 'again.',
    };
    const seeding = startProcess({ ...variables, PORT: '0', ROLES: 'api' });
    await seeding.url;
    await seeding.end('SIGTERM');
    const replay = (...args: readonly string[]): Promise<string | undefined> =>
      runScript('replay', variables, ...args);
    const { KAFKA_BROKERS: _brokers, ...onStore } = variables;
    const store = openSqliteEventStore({
      path: join(folder, 'events.db'),
      clock: systemClock,
      newId: systemRandomness.uuid,
    });
    const { events } = await everything(store);
    await store.close();
    const listed = events.filter(({ type }) => type === 'ProductListed');
    const cluster = openCluster({
      brokers: server.brokers,
      clientId: 'test',
      categories: ['stock'],
      partitions: 2,
      prefix: 'again.',
      clock: systemClock,
      log: quietLog,
    });
    const count = (topic: string): Promise<number> =>
      cluster.asAdmin(async (admin) =>
        (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0),
      );

    assert.is(await replay('--to-kafka', 'partner', '--from', 'beginning', '--dry-run'), undefined);
    assert.not.ok(await cluster.asAdmin(async (admin) => (await admin.listTopics()).includes('partner')));
    assert.is(
      await replay('--to-kafka', 'partner', '--from', 'beginning', '--type', 'ProductListed'),
      undefined,
    );
    assert.is(await count('partner'), listed.length);
    const [second, fourth] = [events[1]!.position, events[3]!.position];
    assert.is(await replay('--to-kafka', 'some', '--from', second, '--to', fourth), undefined);
    assert.is(await count('some'), 3);
    assert.is(
      await replay('--to-kafka', 'none', '--from', 'beginning', '--to', '2000-01-01T00:00:00Z'),
      undefined,
    );
    assert.is(await count('none'), 0);
    const followed = ['--to-kafka', 'again.orderfold.stock', '--from', 'beginning'];
    assert.match((await replay(...followed)) ?? '', /Every consumer follows .*--with-side-effects/);
    await cluster.makeTopics();
    assert.is(await replay(...followed, '--with-side-effects'), undefined);
    assert.is(
      await count('again.orderfold.stock'),
      events.filter(({ stream }) => stream.startsWith('stock-')).length,
    );
    for (const [args, says] of [
      [['--to-kafka', 'x'], /needs --from/],
      [['--to-kafka', 'no topic', '--from', 'beginning'], /A topic's name/],
      [['--to-kafka', 'x', '--from', '1'.repeat(40)], /no position of this store/],
      [['--to-kafka', 'x', '--consumer', 'payment'], /two different things/],
      [['--order', 'x', '--to', second], /--to goes with --to-kafka/],
    ] as const)
      assert.match((await replay(...args)) ?? '', says);
    assert.match((await runScript('replay', onStore, ...followed)) ?? '', /KAFKA_\w+ needs KAFKA_BROKERS/);
    await cluster.close();
    rmSync(folder, { recursive: true, force: true });
  },
);
again.run();

/** The contracts of a log and its feed on a real Kafka. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCluster } from '../../adapters/kafka/cluster.ts';
import type { EndingConsumer } from '../../adapters/kafka/connection.ts';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { OtherStore } from '../../ports/event-store.ts';
import { eventFeedContract } from '../contracts/event-feed.ts';
import { eventPublisherContract } from '../contracts/event-publisher.ts';
import { everything } from '../contracts/event-store.ts';
import { runScript, startProcess } from '../crash/server-process.ts';
import { quietLog } from '../quiet-log.ts';
import { startKafka } from './kafka-server.ts';
import { kafkaWorlds } from './kafka-world.ts';

const server = await startKafka();
const world = kafkaWorlds(server);

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

const ending = suite('Kafka: a consumer that is ended');
for (const when of ['joins', 'fails'] as const)
  ending(`while it ${when}: it does not come back, and another has its partitions`, async () => {
    const w = await world(2);
    for (const key of 'abcdefgh') await w.happen(`order-${key}`);
    const topics = w.cluster.topics(['order']);
    const made = () =>
      w.cluster.consumer({
        groupId: `ending-${when}`,
        sessionTimeout: 2_000,
        heartbeatInterval: 200,
        maxWaitTimeInMs: 100,
      });
    const follow = async ({ consumer }: EndingConsumer, eachBatch: () => Promise<void>): Promise<void> => {
      await consumer.connect();
      await consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await consumer.run({ eachBatch });
    };
    const [stays, goes] = [made(), made()];
    const { GROUP_JOIN, HEARTBEAT, REBALANCING, STOP } = stays.consumer.events;
    let [held, heartbeats] = [0, 0];
    stays.consumer.on(GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      [held, heartbeats] = [Object.values(memberAssignment).flat().length, 0];
    });
    stays.consumer.on(HEARTBEAT, () => (heartbeats += 1));
    const staying = (): Promise<void> => follow(stays, async () => undefined);
    // kafkajs may never say how that ended, hence the events.
    const ended = new Promise<void>((resolve) => {
      if (when === 'joins') stays.consumer.on(REBALANCING, () => void goes.end().then(resolve));
      else goes.consumer.on(STOP, () => void goes.end().then(resolve));
    });
    if (when === 'joins') await staying();
    void follow(goes, () => Promise.reject(new Error('it fails')));
    await ended;
    if (when === 'fails') await staying();
    await w.advanceUntil('all partitions stay', () => held === 2 && heartbeats > 10);
    await stays.end();
    await w.close();
  });
ending.run();

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

/** Topics that keep events for a time only: who is new, was away, or is slow misses nothing. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { From } from '../../ports/event-feed.ts';
import { latch } from '../runtime/world.ts';
import { startKafka } from './kafka-server.ts';
import { kafkaWorlds } from './kafka-world.ts';

const world = kafkaWorlds(await startKafka());

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
  const follow = async (group: string, most = Infinity, from: From = 'beginning') => {
    const seen: string[] = [];
    let [finished, open] = [0, (): void => undefined];
    const subscribed = new Promise<void>((resolve) => (open = resolve));
    const { commit, close } = await w.feed().subscribe(
      group,
      { categories: ['order'], types: ['Happened'], from, batchSize: 3 },
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
  await away.close();

  const later = await follow('later', Infinity, { behind: position! });
  await sees(later, 4 * streams.length);
  assert.equal(inOrder(later.seen), all(rounds - 4), 'what comes behind it');
  await later.close();
  await w.close();
});
gaps('a group that is slower than the topic forgets misses nothing', async () => {
  const w = await world(1);
  const [topic = ''] = w.cluster.topics(['order']);
  const happen = (count: number) => w.happen(...Array.from({ length: count }, () => 'order-a'));
  const seen: string[] = [];
  const { opened, open } = latch();
  const { close, commit } = await w.feed().subscribe(
    'slow',
    { categories: ['order'], types: ['Happened'], from: 'beginning', batchSize: 500 },
    {
      onAssigned: async () => undefined,
      async onBatch({ partition, deliveries, through }) {
        seen.push(...deliveries.map(({ event }) => event.id));
        if (seen.length > 1) await opened;
        await commit(partition, through);
      },
    },
  );
  await happen(1);
  await w.advanceUntil('the first', () => seen.length === 1);
  // More than a member keeps of a partition: the rest it leaves with the broker.
  for (let i = 0; i < 5; i++) await happen(500);
  await w.advanceUntil('more than that', () => seen.length > 1);
  for (let i = 0; i < 5; i++) await happen(500);
  await w.cluster.asAdmin(async (admin) => {
    const [{ high } = { high: '' }] = await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({
      topic,
      partitions: [{ partition: 0, offset: String(Number(high) - 1) }],
    });
  });
  open();
  await w.advanceUntil('all', () => new Set(seen).size === 5_001);
  assert.equal(
    [...new Set(seen)],
    Array.from({ length: 5_001 }, (_, n) => `order-a/${n}`),
  );
  await close();
  await w.close();
});
gaps.run();

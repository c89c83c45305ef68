/** Three brokers, whose leaders are killed, and groups whose members come and go, while events are published and handled. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../adapters/system.ts';
import { positionAt } from '../../adapters/stored-event.ts';
import { NewerEvent, type EventEnvelope } from '../../domain/kernel.ts';
import { UNREADABLE } from '../../ports/event-feed.ts';
import { isRetriable } from '../../runtime/retry.ts';
import { dice } from '../crash/customers.ts';
import { name, newEvent, outage } from '../runtime/world.ts';
import { faultsWorld, GROUP, soon, STREAMS } from './faults-world.ts';
import { startKafka } from './kafka-server.ts';

const BROKERS = 3;
const FORWARDERS = 6;
/** Rounds of events that may be unhandled before another one happens. */
const AHEAD = 4;
const kafka = await startKafka(BROKERS);

const worlds: ReturnType<typeof faultsWorld>[] = [];
const worldOn = (prefix: string): ReturnType<typeof faultsWorld> => {
  const world = faultsWorld(kafka.brokers, prefix);
  worlds.push(world);
  return world;
};

const eventOf = (stream: string, revision: number): EventEnvelope => ({
  ...newEvent(stream, revision),
  stream,
  revision,
  position: positionAt(revision + 1),
});
/** Revisions of a stream in the order in which each came first. */
const firsts = (handled: readonly string[], stream: string): readonly string[] => [
  ...new Set(handled.filter((one) => one.startsWith(`${stream}@`))),
];
const inOrder = (stream: string, events: number): readonly string[] =>
  Array.from({ length: events }, (_, revision) => `${stream}@${revision}`);

const test = suite('Kafka: faults under load');
test.after.each(async () => {
  for (let world = worlds.pop(); world; world = worlds.pop()) await world.close();
});

test('leaders are killed, one after the other, under 20 sends at once: what was acknowledged is there, in order', async () => {
  const w = worldOn('leaders.');
  const asked = w.cluster();
  await asked.makeTopics();
  const leaderOf = (topic: string): Promise<number> =>
    asked.asAdmin(async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]!.partitions.find(({ partitionId }) => partitionId === 0)!.leader;
    });
  const { handled, distinct } = await w.noting();
  w.forward();
  const sender = w.publisher();
  const acknowledged = new Map<string, number>();
  let over = false;
  /** One of 20, each with streams of its own: it sends an event of each again until it is acknowledged. */
  const send = async (n: number): Promise<void> => {
    const streams = Array.from({ length: 6 }, (_, i) => `stock-${n}-${i}`);
    for (let revision = 0; !over; revision += 1) {
      const events = streams.map((stream) => eventOf(stream, revision));
      for (let isThere = false; !isThere;)
        try {
          await sender.publish(events);
          isThere = true;
        } catch (error) {
          if (!isRetriable(error)) throw error;
        }
      for (const stream of streams) acknowledged.set(stream, revision + 1);
    }
  };
  const loading = w.load(
    () => over,
    (rounds) => distinct.size >= (rounds - AHEAD) * STREAMS.length,
  );
  const sending = Array.from({ length: 20 }, (_, n) => send(n));
  const goesOn = async (what: string): Promise<void> => {
    const [sent, seen] = [acknowledged.get('stock-0-0') ?? 0, handled.length];
    await soon(
      what,
      () => (acknowledged.get('stock-0-0') ?? 0) > sent + 2 && handled.length > seen + STREAMS.length,
    );
  };
  await goesOn('the first');
  for (let n = 0; n < BROKERS; n++) {
    const leader = await leaderOf('leaders.orderfold.stock');
    await kafka.kill(leader);
    await goesOn(`others lead instead of ${leader}`);
    await kafka.start(leader);
    await goesOn(`${leader} is back`);
  }
  over = true;
  const rounds = await loading;
  await Promise.all(sending);
  await soon('everything to be handled', () => distinct.size === rounds * STREAMS.length);
  for (const stream of STREAMS) assert.equal(firsts(handled, stream), inOrder(stream, rounds));
  const stock = await w.published('stock');
  const total = [...acknowledged.values()].reduce((sum, events) => sum + events, 0);
  await soon('all that was acknowledged', () => new Set(stock).size >= total);
  for (const [stream, events] of acknowledged) assert.equal(firsts(stock, stream), inOrder(stream, events));
  console.log(`\nNOTE ${rounds * STREAMS.length + total} events, each leader killed`);
});

test('forwarders die between publish and checkpoint, one after the other: nothing is lost, or out of order', async () => {
  const w = worldOn('forwarders.');
  const { handled, distinct } = await w.noting();
  let over = false;
  const loading = w.load(
    () => over,
    (rounds) => distinct.size >= (rounds - AHEAD) * STREAMS.length,
  );
  for (let n = 1; n <= FORWARDERS; n++) await w.forwardUntilDead(n);
  w.forward();
  over = true;
  const rounds = await loading;
  await soon('everything to be handled', () => distinct.size === rounds * STREAMS.length);
  for (const stream of STREAMS) assert.equal(firsts(handled, stream), inOrder(stream, rounds));
  const published = await w.published('order');
  await soon('all that was published', () => new Set(published).size === distinct.size);
  console.log(
    `\nNOTE ${rounds * STREAMS.length} events, ${published.length} published, ${handled.length} handled`,
  );
  assert.ok(published.length >= distinct.size + FORWARDERS, `${published.length} of ${distinct.size} events`);
});

test('a group is rebalanced fifty times while events come, lanes are blocked and parked: nothing is lost, or out of order', async () => {
  const w = worldOn('rebalanced.');
  const roll = dice(5);
  const handled: string[] = [];
  const distinct = new Set<string>();
  const free = STREAMS.filter((stream) => stream !== 'order-1' && stream !== 'order-2');
  let mended = false;
  /** Retried later for as long as `mended` is not set, parked, or failing now and then. */
  const handle = async (event: EventEnvelope, signal: AbortSignal): Promise<void> => {
    if (!mended && event.stream === 'order-1' && event.revision === 2) throw new NewerEvent('of version 2');
    if (!mended && event.stream === 'order-2' && event.revision === 3) throw new TypeError('a bug');
    if (roll() < 0.02) throw outage();
    await systemClock.sleep(roll() < 0.05 ? 200 : 2, signal);
    if (signal.aborted) throw outage();
    handled.push(name(event));
    if (free.includes(event.stream)) distinct.add(name(event));
  };
  w.forward();
  const members = [await w.member(handle)];
  let changes = 0;
  const loading = w.load(
    () => changes === 50,
    (rounds) => distinct.size >= (rounds - AHEAD) * free.length,
  );
  const moves = async (): Promise<void> => {
    const seen = handled.length;
    if (members.length < 4 && (members.length === 1 || roll() < 0.5)) members.push(await w.member(handle));
    else await members.splice(Math.floor(roll() * members.length), 1)[0]?.close();
    await soon(`it goes on after change ${changes}`, () => handled.length > seen);
  };
  for (; changes < 50; changes += 1) await moves();
  const rounds = await loading;
  const all = (streams: readonly string[]): boolean =>
    streams.every((stream) => firsts(handled, stream).length === rounds);
  await soon('all others to be handled', () => all(free));
  assert.equal(firsts(handled, 'order-1'), inOrder('order-1', 2));
  assert.equal(firsts(handled, 'order-2'), inOrder('order-2', 3));
  const blocked = async () => (await w.books.blockedLanes.find({ consumer: GROUP }, { limit: 100 })).items;
  const states = async () =>
    (await blocked())
      .map(({ key, state }) => `${key} ${state}`)
      .sort()
      .join();
  await soon('both are kept', async () => (await states()) === 'order-1 retrying,order-2 parked');
  mended = true;
  const parked = (await blocked()).find(({ state }) => state === 'parked')!;
  await w.operate('retry', parked);
  await soon('what was blocked', () => all(STREAMS));
  for (const stream of STREAMS) assert.equal(firsts(handled, stream), inOrder(stream, rounds));
  console.log(`\nNOTE ${rounds * STREAMS.length} events, ${handled.length} handled, over ${changes} changes`);
});

test('a message that is none of our events is parked in sight, with its bytes, in the lane of its key; others go on', async () => {
  const w = worldOn('unreadable.');
  const cluster = w.cluster();
  await cluster.makeTopics();
  const handled: string[] = [];
  const consumer = await w.member(async (event) => void handled.push(name(event)));
  const publisher = w.publisher();
  await publisher.publish([eventOf('order-a', 0)]);
  const stranger = cluster.kafka.producer();
  await stranger.connect();
  const { topic, partition } = cluster.placeOf('order-a');
  await stranger.send({ topic, messages: [{ key: 'order-a', value: 'no event', partition }] });
  await stranger.disconnect();
  await publisher.publish([eventOf('order-a', 1), eventOf('order-b', 0), eventOf('order-b', 1)]);
  await soon('others', () => handled.length === 3);
  await soon('it is parked', () => consumer.status().blocked === 1);
  const [lane] = (await w.books.blockedLanes.find({ consumer: GROUP }, { limit: 2 })).items;
  assert.equal([lane!.state, lane!.key, lane!.event.type], ['parked', 'order-a', UNREADABLE]);
  const { base64, ...where } = lane!.event.data as Record<string, unknown>;
  assert.is(Buffer.from(String(base64), 'base64').toString(), 'no event');
  assert.equal([where.topic, where.partition, where.offset], [topic, partition, '1']);
  await w.operate('discard', lane!);
  await soon('what waited behind it', () => handled.length === 4);
  assert.equal(handled.slice().sort(), ['order-a@0', 'order-a@1', 'order-b@0', 'order-b@1']);
});
test.run();

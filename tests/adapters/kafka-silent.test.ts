/** A driver that never answers a request, as kafkajs 2.2.4 does when a connection breaks in a bad moment. */
import { EventEmitter } from 'node:events';
import type { Consumer, Producer } from 'kafkajs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCluster, type Cluster } from '../../adapters/kafka/cluster.ts';
import { joinGroup } from '../../adapters/kafka/member.ts';
import { kafkaPublisher } from '../../adapters/kafka/publisher.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { fakeClock, until } from '../fake-clock.ts';
import { quietLog } from '../quiet-log.ts';
import { newEvent } from '../contracts/event-store.ts';
import { START } from '../runtime/world.ts';
import type { Position } from '../../domain/kernel.ts';

const never = new Promise<never>(() => undefined);
const test = suite('Kafka: a driver that falls silent');

/** A cluster that is never reached, whose driver hands out these. */
const clusterOf = (
  clients: Readonly<{ producer?: () => Partial<Producer>; consumer?: Cluster['consumer'] }>,
) => {
  const clock = fakeClock(START);
  const cluster: Cluster = openCluster({
    brokers: ['127.0.0.1:9'],
    clientId: 'test',
    categories: ['order'],
    partitions: 1,
    clock,
    log: quietLog,
  });
  const { producer, consumer = cluster.consumer } = clients;
  const kafka = Object.assign(Object.create(cluster.kafka) as typeof cluster.kafka, { producer });
  return { clock, cluster: { ...cluster, kafka, consumer, makeTopics: async () => undefined } };
};

test('what is published is given up after half a minute, and goes through a new producer the next time', async () => {
  const sent: string[] = [];
  let made = 0;
  const producer = (): Partial<Producer> => {
    const name = `producer ${(made += 1)}`;
    return {
      connect: async () => undefined,
      disconnect: () => (name === 'producer 1' ? never : Promise.resolve()),
      send: ({ topic }) => {
        sent.push(name);
        return name === 'producer 1'
          ? never
          : Promise.resolve([{ topicName: topic, partition: 0, errorCode: 0 }]);
      },
    };
  };
  const { clock, cluster } = clusterOf({ producer });
  const publisher = kafkaPublisher(cluster, { source: 'test' });
  const event = { ...newEvent('a'), stream: 'order-a', revision: 0, position: '1' as Position };
  const first = publisher.publish([event]).catch((error: unknown) => error);
  await until('it is sent', () => sent.length === 1);
  await clock.advance(30_000);
  await clock.advance(5_000);
  const error = await first;
  assert.instance(error, StoreUnavailable);
  assert.match(
    (error as Error).message,
    /^Kafka \(127\.0\.0\.1:9\) cannot be written: no answer in 30000 ms$/,
  );
  await publisher.publish([event]);
  assert.equal(sent, ['producer 1', 'producer 2']);
  await publisher.close();
});

test('what goes wrong inside the driver is an outage, whatever it calls it', async () => {
  const producer = (): Partial<Producer> => ({
    connect: () => Promise.reject(new Error('Broker not connected')),
    disconnect: async () => undefined,
  });
  const { cluster } = clusterOf({ producer });
  const publisher = kafkaPublisher(cluster, { source: 'test' });
  const event = { ...newEvent('a'), stream: 'order-a', revision: 0, position: '1' as Position };
  const error = await publisher.publish([event]).catch((thrown: unknown) => thrown);
  assert.instance(error, StoreUnavailable);
  assert.match((error as Error).message, /cannot be written: Broker not connected$/);
  const ours = await cluster.ask('be asked', Promise.reject(new RangeError('ours'))).catch(String);
  assert.is(ours, 'RangeError: ours');
  await publisher.close();
});

test('in a sequence nothing gets ahead of what has failed; the next sequence begins anew', async () => {
  const sent: string[] = [];
  const refusals: (() => void)[] = [];
  const producer = (): Partial<Producer> => ({
    connect: async () => undefined,
    disconnect: async () => undefined,
    send: ({ topic, messages }) => {
      const [{ key, partition = 0 } = {}] = messages;
      sent.push(String(key));
      if (partition === 0 && refusals.length === 0)
        return new Promise((_resolve, reject) => refusals.push(() => reject(new Error('no leader'))));
      return Promise.resolve([{ topicName: topic, partition, errorCode: 0 }]);
    },
  });
  const { cluster } = clusterOf({ producer });
  const places = [0, 1].map((partition) => ({ topic: 't', partition, name: `t/${partition}` }));
  const split = { ...cluster, placeOf: (key: string) => places[key === 'a' ? 0 : 1]! };
  const publisher = kafkaPublisher(split, { source: 'test' });
  const of = (stream: string, revision: number) => ({
    ...newEvent(`${stream}/${revision}`),
    stream,
    revision,
    position: '1' as Position,
  });
  const { publish } = publisher.sequence();
  const ended: string[] = [];
  const first = publish([of('a', 0), of('b', 0)]).catch(() => ended.push('first'));
  await until('it is sent', () => sent.length === 2);
  const second = publish([of('a', 1), of('b', 1)]).catch(() => ended.push('second'));
  await until('the other partition goes on', () => sent.length === 3);
  refusals[0]!();
  await Promise.all([first, second]);
  await publish([of('a', 2), of('b', 2)]).catch(() => ended.push('third'));
  assert.equal(
    [sent, ended],
    [
      ['a', 'b', 'b'],
      ['first', 'second', 'third'],
    ],
  );
  await publisher.sequence().publish([of('a', 0), of('b', 0)]);
  assert.is(sent.length, 5);
  await publisher.close();
});

/** A consumer that joins, and says what a test lets it say. */
const talkative = (): Readonly<{ consumer: Consumer; says(event: string, payload: object): void }> => {
  const emitter = new EventEmitter();
  const consumer = {
    events: {
      HEARTBEAT: 'heartbeat',
      GROUP_JOIN: 'join',
      REBALANCING: 'rebalancing',
      FETCH_START: 'asks',
      FETCH: 'has',
      CRASH: 'crash',
    },
    on: (event: string, heard: (told: object) => void) => emitter.on(event, heard),
    connect: async () => undefined,
    subscribe: async () => undefined,
    run: async () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    seek: () => undefined,
    commitOffsets: async () => undefined,
  } as unknown as Consumer;
  return { consumer, says: (event, payload) => void emitter.emit(event, { payload }) };
};

for (const [silent, talks] of [
  ['a group of which nothing is heard', { asks: 1, has: 1 }],
  ['a broker from which a fetch never comes back', { heartbeat: 1, asks: 2, has: 2 }],
] as const)
  test(`${silent} is joined anew after half a minute, others are left in peace`, async () => {
    const lives: ReturnType<typeof talkative>[] = [];
    const consumer: Cluster['consumer'] = () => {
      lives.push(talkative());
      return { consumer: lives.at(-1)!.consumer, end: async () => undefined };
    };
    const { clock, cluster } = clusterOf({ consumer });
    const given: string[] = [];
    const held: AbortSignal[] = [];
    const joined = joinGroup({
      cluster,
      store: memoryEventStore(),
      clock,
      log: quietLog,
      sessionMs: 10_000,
      group: 'tester',
      topics: cluster.topics(),
      batchSize: 10,
      filter: { categories: ['order'] },
      member: {
        async onAssigned({ partition, signal }) {
          given.push(partition);
          held.push(signal);
        },
        onBatch: async () => undefined,
      },
      startOf: async () => ({ offset: '0', mark: {}, fresh: false }),
      firstOf: async () => '0',
      fenceOf: async (lease) => ({ lease, token: 1 }),
    });
    const join = { memberAssignment: { 'orderfold.order': [0] } };
    const hear = async (life: number, ms: number, what: Readonly<Record<string, number>>): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 1_000) {
        for (const [event, nodeId] of Object.entries(what)) lives[life]!.says(event, { nodeId });
        await clock.advance(1_000);
      }
    };
    await until('it has joined', () => lives.length === 1);
    lives[0]!.says('join', join);
    await hear(0, 60_000, { heartbeat: 1, asks: 1, has: 1 });
    lives[0]!.says('asks', { nodeId: 1 });
    assert.equal([lives.length, given], [1, ['orderfold.order/0']]);
    await hear(0, 29_000, talks);
    assert.is(lives.length, 1);
    await hear(0, 4_000, talks);
    await until('it joins anew', () => lives.length === 2);
    lives[1]!.says('join', join);
    await until('it is given anew', () => given.length === 2);
    lives[0]!.says('join', join);
    lives[0]!.says('rebalancing', {});
    lives[0]!.says('crash', { error: new Error('late'), restart: false });
    await clock.advance(1_000);
    assert.equal(
      [lives.length, given.length, held.at(-1)?.aborted],
      [2, 2, false],
      'what was left is not heard',
    );
    const closing = joined.close();
    await clock.advance(1_000);
    await closing;
  });
test.run();

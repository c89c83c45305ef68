import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { upcast, v1, type EventEnvelope } from '../../domain/kernel.ts';
import { outsidePolicy } from '../../runtime/retry.ts';
import { laneId } from '../../runtime/deliver/blocked.ts';
import { storeFeed } from '../../runtime/feed/store-feed.ts';
import { until } from '../fake-clock.ts';
import { brokenWorld as broken, latch, name, of, position, world } from './world.ts';

const test = suite('consume: blocked streams');
const ID = laneId({ consumer: 'tester', partition: 'all', key: 'order-a' });

test('a long retry goes to the schedule: its stream queues, the others and the checkpoint go on, then order is kept', async () => {
  const w = broken({ do: 'retry', afterMs: 5_000 });
  await w.happen('order-a', 'order-a', 'order-a', 'order-b');
  const running = await w.start();
  await running.idle();
  assert.equal(running.status().blocked, 1);
  assert.equal(w.handled.slice().sort(), ['order-a@0', 'order-b@0']);
  await w.clock.advance(300);
  assert.is(position(await w.checkpoint()), 4);
  assert.is((await w.blockedLanes.get(ID))?.queued, 2);

  await w.clock.advance(4_699);
  assert.is(w.failures.length, 1);
  await w.clock.advance(1);
  await until('the second failure', () => w.failures.length === 2);
  assert.equal(
    w.failures.map(({ attempt, sinceFirstMs }) => [attempt, sinceFirstMs]),
    [
      [1, 0],
      [2, 5_000],
    ],
  );
  await w.happen('order-a');
  w.fault.on = false;
  await w.clock.advance(5_000);
  await running.idle();
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@1', 'order-a@2', 'order-a@3']);
  assert.is(await w.blockedLanes.get(ID), undefined);
  assert.equal(running.status().blocked, 0);
  await running.close();
});

test('each event in a queue fails with a count of its own', async () => {
  const w = world();
  const failing = new Set(['order-a@0', 'order-a@1']);
  w.steering.handle = async (event) => {
    if (failing.has(name(event))) throw new Error(name(event));
  };
  w.steering.onFailure = () => ({ do: 'retry', afterMs: 2_000 });
  await w.happen('order-a', 'order-a', 'order-a');
  const running = await w.start();
  await w.advanceUntil('three failures of the first', () => w.failures.length === 3);
  failing.delete('order-a@0');
  await w.advanceUntil('two failures of the second', () => w.failures.length === 5);
  failing.clear();
  await w.advanceUntil('all is done', () => w.handled.length === 3);
  assert.equal(
    w.failures.map(({ event, attempt }) => [name(event), attempt]),
    [
      ['order-a@0', 1],
      ['order-a@0', 2],
      ['order-a@0', 3],
      ['order-a@1', 1],
      ['order-a@1', 2],
    ],
  );
  await running.close();
});

test('an event of newer code waits for a process that reads it, however long, and is parked by nobody', async () => {
  const w = world({ onFailure: outsidePolicy });
  const schemas = { Happened: v1(z.unknown()) };
  const reads = async (event: EventEnvelope): Promise<void> => void upcast(schemas, event);
  w.steering.handle = async (event) => reads(name(event) === 'order-a@1' ? { ...event, schema: 2 } : event);
  await w.happen('order-a', 'order-a', 'order-a', 'order-b');
  const old = await w.start();
  await w.advanceUntil('it waits, with what is behind it', () => old.status().blocked === 1, 60_000);
  await w.clock.advance(3 * 3_600_000);
  assert.equal(w.handled.slice().sort(), ['order-a@0', 'order-b@0']);
  const lane = await w.blockedLanes.get(ID);
  assert.equal([lane?.state, lane?.queued], ['retrying', 2]);
  assert.match(lane?.error.message ?? '', /version 2; this version reads up to 1/);
  assert.equal(w.audited, []);
  await old.close();
  w.steering.handle = reads;
  const newer = await w.start();
  await w.advanceUntil('it is done', () => w.handled.length === 4);
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@1', 'order-a@2']);
  await newer.close();
});

test('a restart finds the blocked queues, parked and retrying, and goes on behind them', async () => {
  const w = world();
  const fault = { on: true };
  w.steering.handle = async (event) => {
    if (fault.on && (name(event) === 'order-a@0' || name(event) === 'order-r@0')) throw new Error('broken');
  };
  w.steering.onFailure = ({ event }) =>
    event.stream === 'order-a' ? { do: 'park', why: 'bug' } : { do: 'retry', afterMs: 30_000 };
  await w.happen('order-a', 'order-r', 'order-a', 'order-r');
  const first = await w.start();
  await first.idle();
  await first.close();
  assert.equal(w.handled, []);

  await w.happen('order-a', 'order-r', 'order-b');
  const second = await w.start();
  await second.idle();
  assert.equal(w.handled, ['order-b@0']);
  const { retrying, parked } = await w.blockedLanes.tally('tester');
  assert.equal([retrying, parked], [1, 1]);
  fault.on = false;
  await w.clock.advance(30_000);
  await second.idle();
  assert.equal(of(w.handled, 'order-r'), ['order-r@0', 'order-r@1', 'order-r@2']);
  assert.is(await w.operate('retry', ID), true);
  await second.idle();
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@1', 'order-a@2']);
  await second.close();
  assert.is(position(await w.checkpoint()), 7);
});

test('a crash before the commit delivers again what is blocked or was done already; neither changes the queue', async () => {
  const w = broken({ do: 'park', why: 'a bug' });
  await w.happen('order-a', 'order-a', 'order-a');
  const checkpoints = { ...w.checkpoints, save: async () => true }; // the commits of the process that dies
  const first = await w.start({
    feed: storeFeed({ ...w.feedOptions, checkpoints, leased: w.leased() }),
  });
  await first.idle();
  await first.close();
  assert.is(await w.checkpoint(), undefined);

  const second = await w.start();
  await second.idle();
  assert.is((await w.blockedLanes.get(ID))?.queued, 2);
  w.fault.on = false;
  await w.operate('retry', ID);
  await second.idle();
  assert.equal(w.handled, ['order-a@0', 'order-a@1', 'order-a@2']);
  await second.close();
});

test('an event that comes while its stream`s queue is worked off waits its turn', async () => {
  const w = broken({ do: 'park', why: 'a bug' });
  await w.happen('order-a', 'order-a', 'order-a');
  const running = await w.start();
  await running.idle();
  const slow = latch();
  w.steering.handle = (event) => (name(event) === 'order-a@1' ? slow.opened : Promise.resolve());
  await w.operate('retry', ID);
  await until('the head runs', () => w.tried.filter((one) => one === 'order-a@1').length === 2);
  await w.happen('order-a', 'order-b');
  await until('the other stream is done', () => w.handled.includes('order-b@0'));
  assert.equal(of(w.handled, 'order-a'), ['order-a@0']);
  slow.open();
  await running.idle();
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@1', 'order-a@2', 'order-a@3']);
  await running.close();
});

test('a crash in the middle of a discard is made good at the next start', async () => {
  const w = broken({ do: 'park', why: 'a bug' });
  await w.happen('order-a', 'order-a', 'order-a');
  const first = await w.start();
  await first.idle();
  await first.close();
  assert.is(await w.blockedLanes.dequeue(ID, 'order-a/1'), 'more');
  const second = await w.start();
  await second.idle();
  assert.equal(w.handled, ['order-a@0', 'order-a@2']);
  assert.is(second.status().blocked, 0);
  await second.close();
});

test('many streams that fall due together are worked off within the concurrency, and what is new gets through', async () => {
  const w = world({ concurrency: 3 });
  w.steering.handle = async () => {
    throw new Error('broken');
  };
  w.steering.onFailure = () => ({ do: 'retry', afterMs: 10_000 });
  for (let i = 0; i < 200; i++) await w.happen(`order-${i}`);
  const running = await w.start();
  await running.idle();
  assert.is(running.status().blocked, 200);
  const go = latch();
  w.steering.handle = () => go.opened;
  await w.clock.advance(10_000);
  await until('as many as may run', () => running.status().inFlight === 3);
  await w.happen('order-new');
  await until('the new one waits', () => running.status().unfinished === 1);
  go.open();
  await running.idle();
  assert.is(w.handled.length, 201);
  assert.ok(
    w.handled.indexOf('order-new@0') < 10,
    `new events are not behind all retries: ${w.handled.indexOf('order-new@0')}`,
  );
  assert.ok(w.atOnce.most <= 3);
  await running.close();
});

test('a failure policy that fails parks', async () => {
  const w = broken({ do: 'park', why: '' });
  w.steering.onFailure = () => {
    throw new RangeError('policy');
  };
  await w.happen('order-a', 'order-a');
  const running = await w.start();
  await running.idle();
  assert.match(w.audited[0]?.why ?? '', 'RangeError');
  await running.close();
});

test.run();

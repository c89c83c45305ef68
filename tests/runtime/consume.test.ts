import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { storeFeed } from '../../runtime/feed/store-feed.ts';
import { until } from '../fake-clock.ts';
import { latch, name, newEvent, of, position, world } from './world.ts';

const test = suite('consume: order, parallelism, checkpoints');

test('a stream is handled in order, one at a time; streams run in parallel up to the concurrency', async () => {
  const w = world({ concurrency: 2 });
  const gates = new Map(['order-a', 'order-b', 'order-c'].map((stream) => [stream, latch()]));
  w.steering.handle = ({ stream }) => gates.get(stream)?.opened ?? Promise.resolve();
  await w.happen('order-a', 'order-a', 'order-b', 'order-c', 'order-a');
  const running = await w.start();
  await until('two run', () => w.tried.length === 2);
  assert.equal(w.tried, ['order-a@0', 'order-b@0']);
  assert.is(running.status().inFlight, 2);
  for (const gate of gates.values()) gate.open();
  await running.idle();
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@1', 'order-a@2']);
  assert.is(w.handled.length, 5);
  assert.is(w.atOnce.most, 2);
  await running.close();
});

test('a slow event delays no other stream', async () => {
  const w = world();
  const slow = latch();
  w.steering.handle = ({ stream }) => (stream === 'order-slow' ? slow.opened : Promise.resolve());
  await w.happen('order-slow');
  const running = await w.start();
  for (let i = 0; i < 600; i++) await w.happen(`order-${i % 40}`);
  await until('all others are done', () => w.handled.length === 600);
  slow.open();
  await running.idle();
  assert.is(w.handled.at(-1), 'order-slow@0');
  await running.close();
});

test('a handler that does not end within its limit is told so, left, and the event tried again; its lane waits, others go on', async () => {
  const w = world({ limitMs: 5_000, concurrency: 2 });
  const signals: AbortSignal[] = [];
  w.steering.handle = ({ stream, revision }, signal) => {
    if (stream !== 'order-a' || revision > 0) return Promise.resolve();
    signals.push(signal);
    return signals.length <= 2 ? new Promise(() => undefined) : Promise.resolve();
  };
  w.steering.onFailure = ({ error }) =>
    (error as Error).name === 'HandlerTimeout' ? { do: 'retry', afterMs: 100 } : { do: 'park', why: 'other' };
  await w.happen('order-a', 'order-a', 'order-b', 'order-c');
  const running = await w.start();
  await until('others are done', () => w.handled.length === 2);
  assert.is(running.status().inFlight, 1);
  await w.clock.advance(4_900);
  assert.not.ok(signals[0]!.aborted);
  await w.clock.advance(300);
  await until('it is tried again', () => signals.length === 2);
  assert.ok(signals[0]!.aborted);
  assert.equal(w.handled, ['order-b@0', 'order-c@0']);
  await w.clock.advance(6_000);
  await running.idle();
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@1']);
  await running.close();
});

test('the checkpoint stays before an event that is not finished, and goes past it once it is', async () => {
  const w = world();
  const slow = latch();
  w.steering.handle = (event) => (name(event) === 'order-b@0' ? slow.opened : Promise.resolve());
  await w.happen('order-a', 'order-b', 'order-c', 'order-d');
  const running = await w.start();
  await until('the others are done', () => w.handled.length === 3);
  await w.clock.advance(1_000);
  assert.is(position(await w.checkpoint()), 1);
  slow.open();
  await running.idle();
  await w.clock.advance(1_000);
  assert.is(position(await w.checkpoint()), 4);
  await running.close();
});

test('commits are saved together, not one by one', async () => {
  const w = world();
  let saves = 0;
  const checkpoints: typeof w.checkpoints = {
    ...w.checkpoints,
    save: (...to) => ((saves += 1), w.checkpoints.save(...to)),
  };
  for (let i = 0; i < 300; i++) await w.happen(`order-${i}`);
  const running = await w.start({
    feed: storeFeed({ ...w.feedOptions, checkpoints, leased: w.leased() }),
  });
  await running.idle();
  assert.is(saves, 0);
  await w.clock.advance(200);
  assert.is(saves, 1);
  assert.is(position(await w.checkpoint()), 300);
  await running.close();
});

test('what a filter leaves out moves the checkpoint too', async () => {
  const w = world();
  const running = await w.start();
  await w.happen('order-a');
  await w.store.append('stock-x', 'none', [newEvent('stock-x', 0)]);
  await running.idle();
  await running.close();
  assert.equal(w.handled, ['order-a@0']);
  assert.is(position(await w.checkpoint()), 2);
});

test('imported events cause nothing and are finished', async () => {
  const w = world();
  await w.store.append('order-old', 'none', [
    newEvent('order-old', 0, 'import'),
    newEvent('order-old', 1, 'import'),
  ]);
  await w.happen('order-new');
  const running = await w.start();
  await running.idle();
  await running.close();
  assert.equal(w.tried, ['order-new@0']);
  assert.is(position(await w.checkpoint()), 3);
});

test('a short retry waits in its lane and keeps the order', async () => {
  const w = world();
  w.steering.onFailure = () => ({ do: 'retry', afterMs: 400 });
  w.steering.handle = async (event) => {
    if (name(event) === 'order-a@0' && w.tried.filter((one) => one === 'order-a@0').length < 3)
      throw new Error('not yet');
  };
  await w.happen('order-a', 'order-a', 'order-b');
  const running = await w.start();
  await until('it has failed', () => w.failures.length === 1);
  await until('the other is done', () => w.handled.length === 1);
  await w.advanceUntil('all is done', () => w.handled.length === 3);
  assert.equal(w.tried, ['order-a@0', 'order-b@0', 'order-a@0', 'order-a@0', 'order-a@1']);
  assert.equal(
    w.failures.map(({ attempt, sinceFirstMs }) => [attempt, sinceFirstMs]),
    [
      [1, 0],
      [2, 400],
    ],
  );
  assert.is(running.status().retries, 2);
  assert.equal((await w.blockedLanes.find({}, { limit: 10 })).items, []);
  await running.close();
});

test('at most a window of unfinished events is taken on; then the log waits', async () => {
  const w = world({ concurrency: 2 });
  const all = latch();
  w.steering.handle = () => all.opened;
  for (let i = 0; i < 700; i++) await w.happen(`order-${i}`);
  const running = await w.start();
  await until('the window is full', () => running.status().unfinished === 256);
  await w.clock.advance(5_000);
  assert.is(running.status().unfinished, 256);
  assert.is(w.tried.length, 2);
  all.open();
  await running.idle();
  assert.is(w.handled.length, 700);
  await running.close();
});

test('the span that a crash would repeat is bounded behind one event that never ends', async () => {
  const w = world({ concurrency: 2 });
  const stuck = latch();
  w.steering.handle = ({ stream }) => (stream === 'order-stuck' ? stuck.opened : Promise.resolve());
  await w.happen('order-stuck');
  const running = await w.start();
  for (let i = 0; i < 11_000; i++) await w.happen(`order-${i % 100}`);
  await until('the bound is reached', () => w.handled.length > 10_000);
  await w.clock.advance(1_000);
  assert.ok(w.handled.length <= 40 * 256, String(w.handled.length));
  stuck.open();
  await running.idle();
  assert.is(w.handled.length, 11_001);
  await running.close();
});

test('close lets what runs finish, starts nothing more, and saves the commit', async () => {
  const w = world({ concurrency: 2 });
  const all = latch();
  w.steering.handle = () => all.opened;
  await w.happen('order-a', 'order-b', 'order-c', 'order-a');
  const running = await w.start();
  await until('two run', () => w.tried.length === 2);
  const closed = running.close();
  all.open();
  await closed;
  assert.equal(w.tried, ['order-a@0', 'order-b@0']);
  assert.equal(w.handled, ['order-a@0', 'order-b@0']);
  assert.is(position(await w.checkpoint()), 2);
  assert.is(running.status().state, 'stopped');
  assert.is(w.clock.sleeping(), 0);

  const again = await w.start();
  await again.idle();
  await again.close();
  assert.equal(w.handled, ['order-a@0', 'order-b@0', 'order-c@0', 'order-a@1']);
});

test('a handler that does not end in time has its signal aborted, and its event comes again', async () => {
  const w = world({}, 2_000);
  w.steering.handle = (_event, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  await w.happen('order-a');
  const running = await w.start();
  await until('it runs', () => w.tried.length === 1);
  const closed = running.close();
  await w.clock.advance(2_000);
  await closed;
  assert.equal(w.failures, []);
  assert.is(await w.checkpoint(), undefined);
  w.steering.handle = async () => undefined;
  const again = await w.start();
  await again.idle();
  assert.equal(w.handled, ['order-a@0']);
  await again.close();
});

test('a stop verdict stops the consumer in sight, with nothing committed past', async () => {
  const w = world();
  w.steering.handle = async ({ stream }) => {
    if (stream === 'order-b') throw new Error('cannot go on');
  };
  w.steering.onFailure = () => ({ do: 'stop', why: 'the schema is newer than this code' });
  await w.happen('order-a', 'order-b', 'order-c');
  const running = await w.start();
  await until('it stops', () => running.status().state === 'stopped');
  await running.close();
  assert.match(running.status().why ?? '', 'the schema is newer');
  assert.equal(w.errors, ['the consumer has stopped']);
  assert.is(position(await w.checkpoint()), 1);
  await running.idle(); // resolves: nothing will move any more
});

test('a second process with the same group stands by, and takes over', async () => {
  const w = world();
  const one = await w.start();
  await w.happen('order-a');
  await one.idle();
  const two = await w.start();
  await w.clock.advance(20_000);
  assert.equal([one.status().state, two.status().state], ['running', 'standby']);
  await one.close();
  await w.happen('order-a');
  await w.advanceUntil('it takes over', () => w.handled.length === 2);
  assert.is(two.status().state, 'running');
  await two.close();
});

test('what is blocked cannot be written for a while: its lane waits, and nothing is lost', async () => {
  const w = world();
  let away = 3;
  const block: typeof w.blockedLanes.block = async (lane) => {
    if (away-- > 0) throw Object.assign(new Error('away'), { retriable: true });
    return w.blockedLanes.block(lane);
  };
  w.steering.handle = async ({ stream }) => {
    if (stream === 'order-a') throw new TypeError('bug');
  };
  await w.happen('order-a', 'order-b');
  const running = await w.start({ blockedLanes: { ...w.blockedLanes, block } });
  await w.advanceUntil('it is parked', () => running.status().blocked === 1);
  await running.close();
  assert.is(position(await w.checkpoint()), 2);
});

test('status tells the heartbeat', async () => {
  const w = world();
  const running = await w.start();
  assert.is(running.status().lastEventAt, undefined);
  await w.clock.advance(1_000);
  await w.happen('order-a');
  await running.idle();
  const { lastEventAt, state, breaker, blocked } = running.status();
  assert.is(lastEventAt, '2026-01-05T09:00:01.000Z');
  assert.equal([state, breaker, blocked], ['running', 'closed', 0]);
  await running.close();
});

test.run();

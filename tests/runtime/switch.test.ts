/** A shop whose consumers followed the store goes over to a log of several partitions, and back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventLog } from '../../adapters/memory/event-log.ts';
import { goingOn } from '../../runtime/feed/store-feed.ts';
import { runForward } from '../../runtime/feed/forward.ts';
import { quietLog } from '../quiet-log.ts';
import { brokenWorld, of, world } from './world.ts';

const test = suite('from the store to a log');

/** `feed`: the log's, as a process has it that has just been switched over. */
const logBeside = (w: ReturnType<typeof world>) => {
  const log = memoryEventLog(4);
  const forward = () =>
    runForward({
      ...w.feedOptions,
      publisher: log.publisher,
      leased: w.leased(),
      log: quietLog,
      category: 'order',
    });
  return { forward, feed: () => goingOn(log.feed({ clock: w.clock, sessionMs: 2_000 }), w) };
};

test('what is finished stays finished; what is parked is found there, with what waits behind it, and goes on in order', async () => {
  const w = brokenWorld({ do: 'park', why: 'broken' });
  const { forward, feed } = logBeside(w);
  await w.happen('order-a', 'order-b', 'order-a', 'order-a', 'order-b');
  const before = await w.start();
  await before.idle();
  await before.close();
  const { items } = await w.blockedLanes.find({}, { limit: 9 });
  assert.equal(
    items.map(({ partition, state }) => [partition, state]),
    [['all', 'parked']],
  );

  const filling = forward();
  await w.happen('order-a', 'order-b');
  const after = await w.start({ feed: feed() });
  await w.advanceUntil('what is new', () => w.handled.includes('order-b@2'));
  await w.advanceUntil('what is to wait waits', async () => {
    const found = await w.blockedLanes.find({}, { limit: 9 });
    return (await w.blockedLanes.get(found.items[0]?.id ?? ''))?.queued === 3;
  });
  assert.equal(of(w.handled, 'order-b'), ['order-b@0', 'order-b@1', 'order-b@2'], 'once each');
  assert.equal(of(w.handled, 'order-a'), ['order-a@0']);
  const moved = await w.blockedLanes.find({}, { limit: 9 });
  assert.is(moved.items.length, 1, 'nothing is left behind under the old name');
  assert.is(moved.items[0]?.state, 'parked');
  assert.equal(w.audited.length, 1, 'it was parked once');

  w.fault.on = false;
  const asked = w.operate('retry', moved.items[0]!.id);
  await w.advanceUntil('it goes on', () => of(w.handled, 'order-a').length === 4);
  assert.ok(await asked);
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@1', 'order-a@2', 'order-a@3']);
  await Promise.all([after.close(), filling.close(), w.clock.advance(20_000)]);
});

test('what is to be retried on the log is retried on the store after going back', async () => {
  const w = brokenWorld({ do: 'retry', afterMs: 30_000 });
  const { forward, feed } = logBeside(w);
  await w.happen('order-a', 'order-a', 'order-b');
  const filling = forward();
  const onLog = await w.start({ feed: feed() });
  await w.advanceUntil('it waits', () => onLog.status().blocked === 1 && w.handled.includes('order-b@0'));
  await Promise.all([onLog.close(), filling.close(), w.clock.advance(20_000)]);
  w.fault.on = false;
  const onStore = await w.start();
  await w.advanceUntil('it is done', () => w.handled.includes('order-a@1'));
  assert.equal((await w.blockedLanes.find({}, { limit: 9 })).items, []);
  await onStore.close();
});

test('from now is from the tail of the store, however far the log is filled', async () => {
  const w = world({ from: 'now' });
  const { forward, feed } = logBeside(w);
  await w.happen('order-a', 'order-b', 'order-c');
  const running = await w.start({ feed: feed() });
  const filling = forward();
  await w.happen('order-a');
  await w.advanceUntil('what is new', () => w.handled.length > 0);
  await w.clock.advance(2_000);
  assert.equal(w.handled, ['order-a@1']);
  await Promise.all([running.close(), filling.close(), w.clock.advance(20_000)]);
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Batch, EventLog, LogSubscription } from '../../ports/event-log.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { storeLog } from '../../runtime/feed/store-log.ts';
import { until } from '../fake-clock.ts';
import { newEvent, position, world } from './world.ts';
import { quietLog } from '../quiet-log.ts';

const test = suite('store log');
const ALL = { categories: ['order'], from: 'beginning', batchSize: 10 } as const;

const follow = async (
  log: EventLog,
  options: { from: 'beginning' | 'now'; commit?: boolean } = { from: 'beginning' },
) => {
  const seen: string[] = [];
  const batches: Batch[] = [];
  let subscription: LogSubscription | undefined;
  subscription = await log.subscribe('tester', { ...ALL, from: options.from }, async (batch) => {
    batches.push(batch);
    seen.push(...batch.deliveries.map(({ event }) => event.id));
    if (options.commit !== false)
      await until('subscribed', () => subscription !== undefined).then(() =>
        subscription?.commit(batch.partition, batch.through),
      );
  });
  return { seen, batches, subscription };
};

test('delivers what is there and what comes, with cursors to commit to, and resumes behind the checkpoint', async () => {
  const w = world();
  for (let i = 0; i < 25; i++) await w.happen('order-a');
  const first = await follow(w.eventLog());
  await until('all', () => first.seen.length === 25);
  assert.ok(first.batches.every(({ deliveries }) => deliveries.length <= 10));
  assert.is(first.batches.at(-1)?.atTail, true);
  await first.subscription.close();
  await first.subscription.ended;
  assert.is(position(await w.checkpoint()), 25);
  await w.happen('order-a', 'order-b');
  const second = await follow(w.eventLog());
  await until('the rest', () => second.seen.length === 2);
  assert.equal(second.seen, ['order-a/25', 'order-b/0']);
  await second.subscription.close();
});

test('the next batch waits for the one before', async () => {
  const w = world();
  for (let i = 0; i < 25; i++) await w.happen('order-a');
  let calls = 0;
  const subscription = await w.eventLog().subscribe('tester', ALL, ({ signal }) => {
    calls += 1;
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  });
  await until('the first', () => calls === 1);
  await w.clock.advance(10_000);
  assert.is(calls, 1);
  await subscription.close();
  assert.is(await w.checkpoint(), undefined);
});

test('from now: the first start is remembered, also in an empty store', async () => {
  const empty = world();
  await (await follow(empty.eventLog(), { from: 'now' })).subscription.close();
  await empty.happen('order-a');
  const later = await follow(empty.eventLog(), { from: 'now' });
  await until('what came since', () => later.seen.length === 1);
  await later.subscription.close();

  const w = world();
  await w.happen('order-a');
  await (await follow(w.eventLog(), { from: 'now' })).subscription.close();
  await w.happen('order-b');
  const again = await follow(w.eventLog(), { from: 'now' });
  await until('what came since', () => again.seen.length === 1);
  assert.equal(again.seen, ['order-b/0']);
  await again.subscription.close();
});

test('lag: what the group listens to, counted from what is finished', async () => {
  const w = world();
  const log = w.eventLog();
  assert.equal(await log.lag('tester'), { events: 0, seconds: 0 });
  await w.happen('order-a', 'order-a');
  await w.store.append('stock-x', 'none', [newEvent('stock-x', 0)]);
  assert.is((await log.lag('tester')).events, 3); // nobody follows: everything in the store
  const { seen, subscription } = await follow(log, { from: 'beginning', commit: false });
  await until('delivered', () => seen.length === 2);
  await w.clock.advance(4_000);
  await w.happen('order-b');
  await until('delivered', () => seen.length === 3);
  assert.equal(await log.lag('tester'), { events: 3, seconds: 4 });
  const [first] = (await w.store.readAll(undefined, { limit: 1 })).events;
  await subscription.commit('all', first?.position ?? '');
  assert.is((await log.lag('tester')).events, 2);
  await subscription.commit('all', (await w.store.tail()) ?? '');
  assert.equal(await log.lag('tester'), { events: 0, seconds: 0 });
  await subscription.close();
});

test('lag is exact for a store that numbers its events, and a lower bound for others', async () => {
  const w = world();
  for (let i = 0; i < 9_000; i++) await w.happen('order-a');
  assert.is((await w.eventLog().lag('tester')).events, 9_000);
  const other = storeLog({ store: w.store, books: w.books, clock: w.clock, log: quietLog });
  const { events } = await other.lag('tester');
  assert.ok(events >= 1_000 && events <= 9_000, String(events));
});

test('a store that is away is followed again where it stood', async () => {
  const w = world();
  await w.happen('order-a', 'order-a');
  let away = 2;
  const store: typeof w.store = {
    ...w.store,
    async *subscribe(after, options) {
      if (away-- > 0) throw new StoreUnavailable('away');
      for await (const page of w.store.subscribe(after, { ...options, limit: 1 })) {
        yield page;
        if (away === -1 && page.events.length > 0) throw new StoreUnavailable('away again');
      }
    },
  };
  const log = storeLog({ store, books: w.books, clock: w.clock, log: quietLog });
  const { seen, subscription } = await follow(log);
  await w.advanceUntil('both', () => seen.length === 2);
  assert.equal(seen, ['order-a/0', 'order-a/1']);
  await subscription.close();
});

test('a checkpoint that another process moved ends the subscription; an unclear save does not', async () => {
  const w = world();
  await w.happen('order-a');
  let unclear = true;
  const saveCheckpoint: typeof w.books.saveCheckpoint = async (...to) => {
    const done = await w.books.saveCheckpoint(...to);
    if (unclear) throw Object.assign(new Error('no answer'), { retriable: true });
    return done;
  };
  const { seen, subscription } = await follow(
    storeLog({ store: w.store, books: { ...w.books, saveCheckpoint }, clock: w.clock, log: quietLog }),
  );
  await until('delivered', () => seen.length === 1);
  await w.clock.advance(500);
  await w.happen('order-a');
  await until('delivered', () => seen.length === 2);
  await w.clock.advance(500);
  unclear = false;
  await w.clock.advance(500);
  assert.is(position(await w.checkpoint()), 2);

  await w.books.saveCheckpoint('tester', 'all', await w.checkpoint(), 'elsewhere');
  await w.happen('order-a');
  await until('delivered', () => seen.length === 3);
  await w.clock.advance(500);
  const why = await subscription.ended.then(
    () => undefined,
    (error: Error) => error.message,
  );
  assert.match(why ?? '', 'the checkpoint of tester was moved by another process');
  await subscription.close();
});

test('publish is refused: the store is the log', async () => {
  const why = await world()
    .eventLog()
    .publish([])
    .then(
      () => undefined,
      (error: Error) => error.message,
    );
  assert.match(why ?? '', 'the store is the log');
});

test.run();

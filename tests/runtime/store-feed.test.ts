import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSqliteBookkeeping } from '../../adapters/sqlite/bookkeeping.ts';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { system, systemClock, systemRandomness } from '../../adapters/system.ts';
import type { Batch, EventFeed, FeedSubscription, Member } from '../../ports/event-feed.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { decimalDistance, storeFeed } from '../../runtime/feed/store-feed.ts';
import { newFolder } from '../adapters/sqlite-folder.ts';
import { eventFeedContract, type FeedWorld } from '../contracts/event-feed.ts';
import { until } from '../fake-clock.ts';
import { createLeased } from '../../runtime/lease.ts';
import { quietLog } from '../quiet-log.ts';
import { happening, LEASE_MS, newEvent, position, world } from './world.ts';

/** As `name` has them, in a folder of its own. */
const onSqlite = async (): Promise<FeedWorld> => {
  const { folder, remove } = newFolder();
  const path = (name: string): string => join(folder, name);
  const store = openSqliteEventStore({ ...system, path: path('events.db'), newId: systemRandomness.uuid });
  const { checkpoints, leases, close } = openSqliteBookkeeping({
    path: path('bookkeeping.db'),
    store: store.id,
  });
  let processes = 0;
  return {
    partitions: 1,
    feed() {
      const holder = `process ${(processes += 1)}`;
      const leased = createLeased({ ...system, leases, holder, ttlMs: LEASE_MS, log: quietLog });
      return storeFeed({
        ...system,
        store,
        checkpoints,
        leased,
        log: quietLog,
        distance: decimalDistance(1),
      });
    },
    happen: happening(store, systemClock),
    advanceUntil: until,
    async close() {
      await store.close();
      await close();
      remove();
    },
  };
};

eventFeedContract('a store in memory', async () => {
  const w = world();
  return {
    partitions: 1,
    feed: w.feed,
    happen: w.happen,
    advanceUntil: (what, condition) => w.advanceUntil(what, condition),
    close: async () => undefined,
  };
});
eventFeedContract('a store in SQLite', onSqlite);

const test = suite('store feed');
const member = (onBatch: Member['onBatch']): Member => ({ onAssigned: async () => undefined, onBatch });
const ALL = { categories: ['order'], from: 'beginning', batchSize: 10 } as const;

const follow = async (
  feed: EventFeed,
  options: { from: 'beginning' | 'now'; commit?: boolean } = { from: 'beginning' },
) => {
  const seen: string[] = [];
  const batches: Batch[] = [];
  let subscription: FeedSubscription | undefined;
  subscription = await feed.subscribe(
    'tester',
    { ...ALL, from: options.from },
    member(async (batch) => {
      batches.push(batch);
      seen.push(...batch.deliveries.map(({ event }) => event.id));
      if (options.commit !== false)
        await until('subscribed', () => subscription !== undefined).then(() =>
          subscription?.commit(batch.partition, batch.through),
        );
    }),
  );
  return { seen, batches, subscription };
};

const lagOf = async (feed: EventFeed): Promise<{ events: number; seconds: number }> => {
  const [lag] = await feed.lag('tester');
  return { events: lag?.events ?? 0, seconds: lag?.seconds ?? 0 };
};

test('lag: what the group listens to, counted from what is finished', async () => {
  const w = world();
  const feed = w.feed();
  assert.equal(await lagOf(feed), { events: 0, seconds: 0 });
  await w.happen('order-a', 'order-a');
  await w.store.append('stock-x', 'none', [newEvent('stock-x', 0)]);
  assert.is((await lagOf(feed)).events, 3); // nobody follows: everything in the store
  const { seen, subscription } = await follow(feed, { from: 'beginning', commit: false });
  await until('delivered', () => seen.length === 2);
  await w.clock.advance(4_000);
  await w.happen('order-b');
  await until('delivered', () => seen.length === 3);
  assert.equal(await lagOf(feed), { events: 3, seconds: 4 });
  const [first] = (await w.store.readAll(undefined, { limit: 1 })).events;
  await subscription.commit('all', first?.position ?? '');
  assert.is((await lagOf(feed)).events, 2);
  await subscription.commit('all', (await w.store.tail()) ?? '');
  assert.equal(await lagOf(feed), { events: 0, seconds: 0 });
  await subscription.close();
});

test('lag is exact for a store that numbers its events, and a lower bound for others', async () => {
  const w = world();
  for (let i = 0; i < 9_000; i++) await w.happen('order-a');
  assert.is((await lagOf(w.feed())).events, 9_000);
  const other = storeFeed({ ...w.feedOptions, leased: w.leased() });
  const { events } = await lagOf(other);
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
  const log = storeFeed({ ...w.feedOptions, store, leased: w.leased() });
  const { seen, subscription } = await follow(log);
  await w.advanceUntil('both', () => seen.length === 2);
  assert.equal(seen, ['order-a/0', 'order-a/1']);
  await subscription.close();
});

test('a checkpoint that another process moved is followed from there; an unclear save changes nothing', async () => {
  const w = world();
  await w.happen('order-a');
  let unclear = true;
  const save: typeof w.checkpoints.save = async (...to) => {
    const done = await w.checkpoints.save(...to);
    if (unclear) throw Object.assign(new Error('no answer'), { retriable: true });
    return done;
  };
  const feed = storeFeed({ ...w.feedOptions, checkpoints: { ...w.checkpoints, save }, leased: w.leased() });
  const { seen, subscription } = await follow(feed);
  await until('delivered', () => seen.length === 1);
  await w.clock.advance(500);
  await w.happen('order-a');
  await until('delivered', () => seen.length === 2);
  await w.clock.advance(500);
  unclear = false;
  await w.clock.advance(500);
  assert.is(position(await w.checkpoint()), 2);

  const [first] = (await w.store.readAll(undefined, { limit: 1 })).events;
  await w.checkpoints.save('tester', 'all', await w.checkpoint(), first?.position ?? '');
  await w.happen('order-a');
  await until('delivered', () => seen.length === 3);
  await w.advanceUntil('again from there', () => seen.length === 5);
  assert.equal(seen.slice(3), ['order-a/1', 'order-a/2']);
  await subscription.close();
  assert.is(position(await w.checkpoint()), 3);
});

test('one process runs a group; another takes over when that one closes, or shows no sign of life', async () => {
  const w = world();
  await w.happen('order-a');
  const first = await follow(w.feed());
  await until('the first', () => first.seen.length === 1);
  const second = await follow(w.feed());
  await w.clock.advance(60_000);
  assert.equal(second.batches, []);
  await first.subscription.close();
  await w.happen('order-b');
  await w.advanceUntil('the second', () => second.seen.length === 1, LEASE_MS);
  assert.equal(second.seen, ['order-b/0']);

  // A third that cannot renew its lease any more: a process that is paused.
  await second.subscription.close();
  let paused = false;
  const renew: typeof w.leases.renew = async (held) =>
    paused ? new Promise(() => undefined) : w.leases.renew(held);
  const leased = createLeased({
    leases: { ...w.leases, renew },
    holder: 'paused',
    ttlMs: LEASE_MS,
    clock: w.clock,
    log: quietLog,
  });
  const third = await follow(storeFeed({ ...w.feedOptions, leased }));
  await w.advanceUntil('it has the group', () => third.batches.length > 0);
  const fourth = await follow(w.feed());
  paused = true;
  await w.advanceUntil('the fourth has it', () => fourth.batches.length === 1, 3 * LEASE_MS);
  const fence = third.batches[0]?.fence;
  await w.happen('order-c');
  await w.advanceUntil('it has saved', async () => position(await w.checkpoint()) === 3);
  assert.is(
    await w.checkpoints.save('tester', 'all', await w.checkpoint(), 'late', fence),
    false,
    'who was paused writes nothing any more',
  );
  await fourth.subscription.close();
});

test.run();

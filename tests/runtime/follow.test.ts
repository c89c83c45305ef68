/** One loop follows the store for consumers, views and prices: what it survives, it survives for all of them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { NewerEvent } from '../../domain/kernel.ts';
import { productStream, products } from '../../domain/product/product.ts';
import { StoreUnavailable, type EventStore } from '../../ports/event-store.ts';
import type { Projection } from '../../ports/projection.ts';
import type { View } from '../../ports/read-store.ts';
import { follow, type Way } from '../../runtime/feed/follow.ts';
import { createLeased } from '../../runtime/lease.ts';
import { runProjection } from '../../runtime/view/project.ts';
import { followPrices } from '../../shop/prices.ts';
import { fakeClock, until } from '../fake-clock.ts';
import { memoryShop } from '../memory-shop.ts';
import { quietLog } from '../quiet-log.ts';
import { newEvent, START } from './world.ts';

/** A store whose subscriptions break off, and are refused, until it is mended. */
const breakable = () => {
  const store = memoryEventStore();
  let cut = new AbortController();
  let away = false;
  let refusals = 0;
  const watched: EventStore = {
    ...store,
    async *subscribe(after, options) {
      if (away) {
        refusals += 1;
        throw new StoreUnavailable('away');
      }
      const { signal } = cut;
      yield* store.subscribe(after, { ...options, signal: AbortSignal.any([options.signal, signal]) });
      if (signal.aborted) throw new StoreUnavailable('the connection broke');
    },
  };
  return {
    store: watched,
    refusals: () => refusals,
    breakOff(): void {
      away = true;
      cut.abort();
    },
    mend(): void {
      away = false;
      cut = new AbortController();
    },
  };
};

const test = suite('following the store');

test('goes on behind what was taken after errors of the store, with growing waits that have an end', async () => {
  const { store, breakOff, mend, refusals } = breakable();
  const clock = fakeClock(START);
  const stop = new AbortController();
  const seen: string[] = [];
  let after: Way['after'];
  const lost: number[] = [];
  const begin = async (): Promise<Way> => ({
    after,
    async take({ events, scanned }) {
      seen.push(...events.map(({ id }) => id));
      after = scanned;
      return 'on';
    },
    lost: () => void lost.push(seen.length),
  });
  const following = follow(
    { store, clock, log: quietLog, who: {}, filter: {}, pageSize: 10, signal: stop.signal },
    begin,
  );
  await store.append('order-a', 'none', [newEvent('order-a', 0)]);
  await until('the first', () => seen.length === 1);
  breakOff();
  await until('the cut', () => lost.length === 1);
  // 100, 200, 400 … and never more than 5 s.
  for (const [tries, afterMs] of [
    [1, 100],
    [2, 200],
    [3, 400],
  ] as const) {
    await clock.advance(afterMs - 1);
    assert.is(refusals(), tries - 1);
    await clock.advance(1);
    await until(`try ${tries}`, () => refusals() === tries && clock.sleeping() === 1);
  }
  await clock.advance(60_000);
  const tried = refusals();
  await clock.advance(5_000);
  await until('another try', () => refusals() > tried);
  await store.append('order-a', 0, [newEvent('order-a', 1)]);
  mend();
  await clock.advance(5_000);
  await until('the second', () => seen.length === 2);
  assert.equal(seen, ['order-a/0', 'order-a/1']);
  stop.abort();
  await following;
});

test('an error of who takes the pages is survived when it says so, and ends the following when not', async () => {
  const store = memoryEventStore();
  await store.append('order-a', 'none', [newEvent('order-a', 0)]);
  const clock = fakeClock(START);
  const { signal } = new AbortController();
  const errors: Error[] = [new StoreUnavailable('full'), new TypeError('a bug')];
  const following = follow(
    { store, clock, log: quietLog, who: {}, filter: {}, pageSize: 10, signal },
    async () => ({
      after: undefined,
      async take() {
        throw errors.shift() as Error;
      },
    }),
  ).then(
    () => undefined,
    (error: Error) => error.name,
  );
  await until('the first error', () => errors.length === 1 && clock.sleeping() === 1);
  await clock.advance(100);
  assert.is(await following, 'TypeError');
});

const counter: Projection<{ n: number }> = {
  name: 'counter',
  version: 1,
  categories: ['order'],
  idsOf: () => ['all'],
  apply: (row) => ({ n: (row?.n ?? 0) + 1 }),
  columns: {},
  indexes: {},
  columnsOf: () => ({}),
};

test('a view stands still at an event of newer code, in sight, and a process that reads it takes over', async () => {
  const { parts } = memoryShop();
  const { store, reads } = parts;
  const clock = fakeClock(START);
  const process = (holder: string, apply: typeof counter.apply) =>
    runProjection(
      {
        store,
        clock,
        log: quietLog,
        reads,
        leased: createLeased({ leases: parts.leases, holder, ttlMs: 5_000, clock, log: quietLog }),
      },
      { ...counter, apply },
    );
  const old = process('old', (row, { revision }) => {
    if (revision === 1) throw new NewerEvent('Happened has version 2; this version reads up to 1');
    return { n: (row?.n ?? 0) + 1 };
  });
  const newer = process('newer', counter.apply);
  const states = () => [old, newer].map((view) => view.status().state);
  await store.append('order-a', 'none', [newEvent('order-a', 0)]);
  await until('the build', async () => {
    await clock.advance(1);
    return states().join() === 'running,standby';
  });
  await store.append('order-a', 0, [newEvent('order-a', 1)]);
  await until('the newer one has it', async () => {
    await clock.advance(1_000);
    const { view = '' as View } = (await reads.active('counter')) ?? {};
    return (await reads.get<{ n: number }>(view, 'all'))?.n === 2;
  });
  assert.equal(states(), ['failed', 'running']);
  assert.match(old.status().failed?.error ?? '', /Happened .*version 2; this version reads up to 1/);
  await Promise.all([old.close(), newer.close()]);
});

test('a view that could not be written begins behind its checkpoint: nothing is counted twice', async () => {
  const { parts } = memoryShop();
  const { store, reads } = parts;
  const clock = fakeClock(START);
  let failures = 2;
  const failing = {
    ...reads,
    async commit(...args: Parameters<typeof reads.commit>) {
      if (failures > 0 && args[1].from !== undefined) {
        failures -= 1;
        throw new StoreUnavailable('full');
      }
      return reads.commit(...args);
    },
  };
  const leased = createLeased({ leases: parts.leases, holder: 'test', ttlMs: 5_000, clock, log: quietLog });
  const deps = { store, clock, log: quietLog, reads: failing, leased };
  await store.append('order-a', 'none', [newEvent('order-a', 0)]);
  const view = runProjection(deps, counter);
  await until('the build', async () => {
    await clock.advance(1);
    return view.status().state === 'running';
  });
  await store.append('order-a', 0, [newEvent('order-a', 1)]);
  await until('the row', async () => {
    await clock.advance(1_000);
    const active = await reads.active('counter');
    return active !== undefined && (await reads.get<{ n: number }>(active.view, 'all'))?.n === 2;
  });
  assert.is(failures, 0);
  await view.close();
});

test('prices are read from the store while it cannot be followed, and followed again afterwards', async () => {
  const { store, breakOff, mend } = breakable();
  const { parts, shop } = memoryShop({ clock: fakeClock(START) }, { store });
  const clock = parts.system.clock as ReturnType<typeof fakeClock>;
  let changes = 0;
  const cost = (priceMinor: number) =>
    shop.executor.execute(
      products,
      productStream('MUG'),
      { type: 'ListProduct', data: { sku: 'MUG', name: 'Mug', priceMinor, currency: 'GBP' } },
      { commandId: `c${++changes}`, actor: { id: 't', role: 'operator' } },
    );
  await cost(100);
  const prices = followPrices({ store, clock, log: quietLog }, shop.executor);
  const isKnown = async (): Promise<boolean> => {
    await prices.of('MUG');
    return !(prices.of('MUG') instanceof Promise);
  };
  await until('prices to be kept', isKnown);
  breakOff();
  await until('nothing is answered from memory', async () => !(await isKnown()));
  await cost(120);
  assert.is((await prices.of('MUG'))?.priceMinor, 120);
  mend();
  await clock.advance(60_000);
  await until('prices to be kept again', isKnown);
  await cost(140);
  await until('the change to be heard of', async () => (await prices.of('MUG'))?.priceMinor === 140);
  await prices.close();
});
test.run();

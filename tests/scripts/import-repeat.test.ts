import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { StoreUnavailable, type EventStore } from '../../ports/event-store.ts';
import { createExecutor } from '../../runtime/command/execute.ts';
import { stocks } from '../../domain/stock/stock.ts';
import { checkStore } from '../../scripts/check/check-store.ts';
import { NO_PROGRESS } from '../../scripts/cli/progress.ts';
import { fakeClock } from '../fake-clock.ts';
import { allEvents, contents, csv, world, type Cells } from './world.ts';

const test = suite('import: once, twice, half');

/**
 * Sixty invoices of a few customers and SKUs, with cancellations and losses among them, the same each time.
 */
const busyFile = (): string => {
  let seed = 7;
  const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const rows: Cells[] = [];
  for (let i = 0; i < 60; i++) {
    const day = `2011-0${1 + Math.floor(i / 28)}-${String(1 + (i % 28)).padStart(2, '0')} 10:00:00`;
    const customer = String(17_000 + next(4));
    const kind = next(5);
    for (let line = 0; line <= next(4); line++) {
      const sku = String(10_000 + next(6));
      if (kind === 0)
        rows.push({ invoice: `C${500_000 + i}`, sku, customer, date: day, quantity: -1 - next(3) });
      else if (kind === 1)
        rows.push({
          invoice: String(500_000 + i),
          sku,
          customer: 'NA',
          date: day,
          quantity: -1 - next(3),
          price: '0',
        });
      else
        rows.push({
          invoice: String(500_000 + i),
          sku,
          customer,
          date: day,
          quantity: 1 + next(5),
          price: next(2) ? '2.55' : '1.99',
        });
    }
  }
  return csv(...rows);
};

/** Breaks at its `appends`-th append: before it is stored, or (`stored`) after, with the answer lost. */
const breaking = (store: EventStore, appends: number, stored: boolean): EventStore => {
  let count = 0;
  return {
    ...store,
    async append(stream, expected, events) {
      if (++count === appends && stored) await store.append(stream, expected, events);
      if (count >= appends) throw new StoreUnavailable('the disk is gone');
      return store.append(stream, expected, events);
    },
  };
};

test('the summary adds up, and nothing is broken', async () => {
  const here = world();
  const { summary, rejected } = await here.run(here.file('shop.csv', busyFile()));
  assert.ok(summary.matched > 5 && summary.adjustments > 5 && summary.rejected > 0, JSON.stringify(summary));
  assert.is(summary.accepted + summary.rejected, summary.rows);
  assert.is(rejected.length, summary.rejected);
  assert.is(
    Object.values(summary.rejectedBy).reduce((a, b) => a + b, 0),
    summary.rejected,
  );
  assert.is(summary.events, (await allEvents(here.store)).length);
  const { violations, streams } = await checkStore(here.store, NO_PROGRESS);
  assert.equal([violations, streams], [0, summary.orders + summary.products * 2]);
  here.end();
});

test('twice changes nothing', async () => {
  const here = world();
  const path = here.file('shop.csv', busyFile());
  const once = await here.run(path);
  const before = await allEvents(here.store);
  const twice = await here.run(path);
  assert.equal(await allEvents(here.store), before);
  assert.equal({ ...twice.summary, seconds: 0 }, { ...once.summary, events: 0, seconds: 0 });
  assert.equal(twice.rejected, once.rejected);
  here.end();
});

test('one stream at a time or many, the result is the same', async () => {
  const [one, many] = [world(), world()];
  const [first, second] = [
    await one.run(one.file('shop.csv', busyFile()), { parallel: 1 }),
    await many.run(many.file('shop.csv', busyFile()), { parallel: 64 }),
  ];
  assert.equal(await contents(one.store), await contents(many.store));
  assert.equal(first.rejected, second.rejected);
  one.end();
  many.end();
});

test('stopped anywhere and run again it ends the same', async () => {
  const whole = world();
  const { summary } = await whole.run(whole.file('shop.csv', busyFile()));
  const expected = await contents(whole.store);
  for (const appends of [1, 2, 9, 23, 24, 41, 55, 60, 61])
    for (const stored of [false, true]) {
      const half = world();
      const path = half.file('shop.csv', busyFile());
      let failed: unknown;
      await half
        .run(path, { store: breaking(half.store, appends, stored) })
        .catch((error: unknown) => (failed = error));
      assert.instance(failed, StoreUnavailable, `append ${appends} fails`);
      const taken = (await allEvents(half.store)).length;
      const again = await half.run(path);
      assert.equal(await contents(half.store), expected, `stopped at append ${appends}`);
      assert.is(again.summary.events, summary.events - taken, 'only what was missing is stored');
      half.end();
    }
  whole.end();
});

test('stock that others have written is left alone', async () => {
  const here = world();
  const executor = createExecutor({ store: here.store, clock: fakeClock('2011-06-01T00:00:00.000Z') });
  await executor.execute(
    stocks,
    'stock-10001',
    { type: 'ReceiveGoods', data: { quantity: 4 } },
    { commandId: 'someone', actor: { id: 'ops', role: 'operator' } },
  );
  const { summary } = await here.run(here.file('shop.csv', csv({ quantity: 6 }, { sku: '10002' })));
  assert.equal([summary.stockLeftAlone, summary.products], [1, 2]);
  assert.is((await executor.load(stocks, 'stock-10001')).state.onHand, 4);
  here.end();
});

test('a later file of the same shop does not touch the balance that an earlier one derived', async () => {
  const here = world();
  await here.run(here.file('one.csv', csv({ quantity: 6 })));
  const { summary } = await here.run(
    here.file('two.csv', csv({ invoice: '600001', quantity: 2, date: '2011-09-01 10:00:00' })),
  );
  assert.equal([summary.orders, summary.stockLeftAlone], [1, 1]);
  assert.is((await checkStore(here.store, NO_PROGRESS)).violations, 0);
  here.end();
});

test('another source has orders of its own', async () => {
  const here = world(memoryEventStore());
  const path = here.file('shop.csv', csv({}));
  await here.run(path);
  const { summary } = await here.run(path, { source: 'other' });
  assert.is(summary.events, 9, 'the order once more, the product not');
  here.end();
});

test.run();

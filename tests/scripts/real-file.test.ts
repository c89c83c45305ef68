import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createGunzip } from 'node:zlib';
import { parse as parseStream } from 'csv-parse';
import { DateTime } from 'luxon';
import { suite } from 'uvu';
import { quietLog } from '../quiet-log.ts';
import * as assert from 'uvu/assert';
import { openConnection } from '../../adapters/sqlite/driver.ts';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { openSqliteReadStore } from '../../adapters/sqlite/read-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { bestProducts } from '../../api/best-products.ts';
import { orderEvent } from '../../domain/order/events.ts';
import { addDays, shopCalendar } from '../../domain/shop-day.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { orderStatus, type OrderStatusRow } from '../../projections/order-status.ts';
import { sales, type SalesRow } from '../../projections/sales.ts';
import { catchUp } from '../../runtime/view/rebuild.ts';
import { createViewChanges } from '../../runtime/view/changes.ts';
import { viewReader, type ViewReader } from '../../runtime/view/read.ts';
import { checkStore } from '../../scripts/check/check-store.ts';
import { NO_PROGRESS } from '../../scripts/cli/progress.ts';
import { world } from './world.ts';

const FILE = process.env.ORDERFOLD_DATA;
const ZONE = 'Europe/London';
const test = suite('import: a real file');

type Figures = readonly [units: number, pence: number];
const add = (days: Map<string, Figures>, day: string, units: number, pence: number): void => {
  const [unitsBefore, penceBefore] = days.get(day) ?? [0, 0];
  days.set(day, [unitsBefore + units, penceBefore + pence]);
};

/** Units and pence sold a day: a plain sum over the rows that were not rejected. */
const plainSum = async (file: string, rejected: ReadonlySet<string>): Promise<Map<string, Figures>> => {
  const source = createReadStream(file);
  const rows = (file.endsWith('.gz') ? source.pipe(createGunzip()) : source).pipe(
    parseStream({ columns: true }),
  );
  const days = new Map<string, Figures>();
  let row = 0;
  for await (const { InvoiceNo, Quantity, UnitPrice, InvoiceDate } of rows as AsyncIterable<
    Record<string, string>
  >) {
    if (rejected.has(String(++row)) || InvoiceNo?.startsWith('C') || Number(Quantity) < 0) continue;
    add(
      days,
      InvoiceDate?.slice(0, 10) ?? '',
      Number(Quantity),
      Number(Quantity) * Math.round(Number(UnitPrice) * 100),
    );
  }
  return days;
};

const placedSum = async (store: EventStore): Promise<Map<string, Figures>> => {
  const days = new Map<string, Figures>();
  for (
    let page = await store.readAll(undefined, { types: ['OrderPlaced'] });
    ;
    page = await store.readAll(page.scanned, { types: ['OrderPlaced'] })
  ) {
    for (const event of page.events.map(orderEvent)) {
      if (event.type !== 'OrderPlaced') continue;
      const day = DateTime.fromISO(event.meta.at, { zone: ZONE }).toISODate() ?? '';
      for (const { quantity, unitPriceMinor } of event.data.lines)
        add(days, day, quantity, quantity * unitPriceMinor);
    }
    if (page.atTail) return days;
  }
};

const salesSum = async (view: ViewReader<SalesRow>): Promise<Map<string, Figures>> => {
  const days = new Map<string, Figures>();
  for (let after: string | undefined; ;) {
    const { rows, next } = await view.find({
      index: 'period',
      prefix: ['day'],
      limit: 50,
      ...(after === undefined ? {} : { after }),
    });
    for (const { doc } of rows)
      if (doc.kind === 'day')
        add(days, DateTime.fromISO(doc.start, { zone: ZONE }).toISODate() ?? '', doc.units, doc.revenueMinor);
    if (next === null) return days;
    after = next;
  }
};

/** The same by the README's query, as `sqlite3` runs it. */
const askedSum = (path: string): Map<string, Figures> => {
  const readme = readFileSync(resolve(import.meta.dirname, '..', '..', '..', 'README.md'), 'utf8');
  const [, zone = '', sql = ''] =
    /<!-- sales -->\n```sh\nTZ=(\S+) sqlite3 data\/views\.db "(.*)"\n```/.exec(readme) ?? [];
  assert.is(zone, ZONE);
  const before = process.env.TZ;
  process.env.TZ = zone;
  const connection = openConnection(path);
  try {
    const days = new Map<string, Figures>();
    for (const { day, units, revenueMinor } of connection.prepare(sql).all())
      add(days, String(day), Number(units), Number(revenueMinor));
    return days;
  } finally {
    connection.close();
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
};

const timed = async <T>(what: string, ask: () => Promise<T>): Promise<T> => {
  const from = process.hrtime.bigint();
  const answer = await ask();
  console.log(`NOTE ${what}: ${(Number(process.hrtime.bigint() - from) / 1e6).toFixed(1)} ms`);
  return answer;
};

/** Both views built over what was imported: their days add up, and what people ask for is found. */
const askViews = async (
  store: EventStore,
  folder: string,
  plain: ReadonlyMap<string, Figures>,
): Promise<void> => {
  const path = join(folder, 'views.db');
  const reads = openSqliteReadStore({ path, store: store.id, clock: systemClock });
  try {
    const [soldView, deps] = [sales({ timeZone: ZONE }), { store, reads, clock: systemClock }];
    await timed('the view sales was built', () => catchUp(deps, soldView));
    await timed('the view order-status was built', () => catchUp(deps, orderStatus));
    const readable = { reads, changes: createViewChanges({ reads, log: quietLog }), clock: systemClock };
    const [sold, status] = [
      viewReader<SalesRow>(readable, soldView),
      viewReader<OrderStatusRow>(readable, orderStatus),
    ];
    assert.equal([...(await salesSum(sold))].sort(), [...plain].sort());
    assert.equal(
      [...(await timed("the README's query", async () => askedSum(path)))].sort(),
      [...plain].sort(),
    );

    const [busiest = '', [units] = [0]] = [...plain].sort(([, [a]], [, [b]]) => b - a)[0] ?? [];
    const { startOfDay } = shopCalendar(ZONE);
    const [from, to] = [busiest, addDays(busiest, 1)].map((day) =>
      new Date(startOfDay(day)).toISOString(),
    ) as [string, string];
    const day = await timed(`the figures of ${busiest}`, () =>
      sold.find({ index: 'period', prefix: ['day'], from, to, limit: 50 }),
    );
    assert.equal(
      day.rows.map(({ doc }) => doc.kind === 'day' && doc.units),
      [units],
    );
    const orders = await timed(`the first 50 orders of ${busiest}`, () =>
      status.find({ index: 'placed', prefix: [], from, to, limit: 50 }),
    );
    const order = orders.rows[0]?.doc.state;
    assert.ok(order && orders.rows.every(({ doc }) => doc.state.placedAt >= from && doc.state.placedAt < to));
    const theirs = await timed('the last 50 orders of a customer', () =>
      status.find({ index: 'customer', prefix: [order.customerId], limit: 50, descending: true }),
    );
    assert.ok(
      theirs.rows.length > 0 && theirs.rows.every(({ doc }) => doc.state.customerId === order.customerId),
    );
    const sku = order.lines[0]?.sku ?? '';
    const withSku = await timed('the last 50 orders of a SKU', () =>
      status.find({ index: 'sku', prefix: [sku], limit: 50, descending: true }),
    );
    assert.ok(
      withSku.rows.length > 0 &&
        withSku.rows.every(({ doc }) => doc.state.lines.some((line) => line.sku === sku)),
    );
    const month = await timed('the figures of a SKU in a month', () =>
      sold.find({ index: 'month', prefix: [busiest.slice(0, 7), sku], limit: 50 }),
    );
    assert.equal(
      month.rows.map(({ doc }) => doc.kind === 'sku' && doc.sku),
      [sku],
    );
    const best = await timed('the best products of a year', () =>
      bestProducts(sold, systemClock, { from: addDays(busiest, -364), to: addDays(busiest, 1) }, 10),
    );
    assert.is(best.length, 10);
  } finally {
    await reads.close();
  }
};

test('it is taken whole, breaks no rule, its days add up, and so do those of the views', async () => {
  if (FILE === undefined || !existsSync(FILE)) {
    console.log(
      `\nNOTE the import of a real file was not tried: ORDERFOLD_DATA ${FILE === undefined ? 'is not set to one' : `names no file (${FILE})`}`,
    );
    return;
  }
  const here = world();
  const store = openSqliteEventStore({
    path: join(here.folder, 'events.db'),
    clock: systemClock,
    newId: systemRandomness.uuid,
  });
  try {
    const { summary, rejected } = await here.run(FILE, {
      store,
      clock: systemClock,
      timezone: ZONE,
      parallel: 64,
    });
    assert.is(summary.accepted + summary.rejected, summary.rows);
    assert.is(rejected.length, summary.rejected);
    assert.ok(summary.orders > 0 && summary.matched > 0);
    const report = await checkStore(store, NO_PROGRESS);
    assert.equal(report.first, []);
    assert.equal([report.violations, report.events], [0, summary.events]);
    const [plain, placed] = [
      await plainSum(FILE, new Set(rejected.map(({ row }) => row))),
      await placedSum(store),
    ];
    assert.equal([...placed].sort(), [...plain].sort());
    console.log(
      `\nNOTE ${summary.rows} rows, ${summary.orders} orders, ${summary.events} events from ${FILE}: ${placed.size} days add up`,
    );
    await askViews(store, join(here.folder, 'views'), plain);
  } finally {
    await store.close();
    here.end();
  }
});

test.run();

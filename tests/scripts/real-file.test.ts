import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { parse as parseStream } from 'csv-parse';
import { DateTime } from 'luxon';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLmdbEventStore } from '../../adapters/lmdb/event-store.ts';
import { systemClock } from '../../adapters/system.ts';
import { orderEvent } from '../../domain/order/events.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { checkStore } from '../../scripts/check/check-store.ts';
import { NO_PROGRESS } from '../../scripts/cli/progress.ts';
import { world } from './world.ts';

const FILE = process.env.ORDERFOLD_DATA;
const ZONE = 'Europe/London';
const test = suite('import: a real file');

/** Pence sold a day: a plain sum over the rows that were not rejected. */
const plainSum = async (file: string, rejected: ReadonlySet<string>): Promise<Map<string, number>> => {
  const source = createReadStream(file);
  const rows = (file.endsWith('.gz') ? source.pipe(createGunzip()) : source).pipe(parseStream({ columns: true }));
  const days = new Map<string, number>();
  let row = 0;
  for await (const { InvoiceNo, Quantity, UnitPrice, InvoiceDate } of rows as AsyncIterable<Record<string, string>>) {
    if (rejected.has(String(++row)) || InvoiceNo?.startsWith('C') || Number(Quantity) < 0) continue;
    const day = InvoiceDate?.slice(0, 10) ?? '';
    days.set(day, (days.get(day) ?? 0) + Number(Quantity) * Math.round(Number(UnitPrice) * 100));
  }
  return days;
};

const placedSum = async (store: EventStore): Promise<Map<string, number>> => {
  const days = new Map<string, number>();
  for (let page = await store.readAll(undefined, { types: ['OrderPlaced'] }); ; page = await store.readAll(page.scanned, { types: ['OrderPlaced'] })) {
    for (const event of page.events.map(orderEvent)) {
      if (event.type !== 'OrderPlaced') continue;
      const day = DateTime.fromISO(event.meta.at, { zone: ZONE }).toISODate() ?? '';
      days.set(day, (days.get(day) ?? 0) + event.data.lines.reduce((sum, line) => sum + line.quantity * line.unitPriceMinor, 0));
    }
    if (page.atTail) return days;
  }
};

test('it is taken whole, breaks no rule, and its days add up', async () => {
  if (FILE === undefined || !existsSync(FILE)) {
    console.log(`\nNOTE the import of a real file was not tried: ORDERFOLD_DATA ${FILE === undefined ? 'is not set to one' : `names no file (${FILE})`}`);
    return;
  }
  const here = world();
  const store = openLmdbEventStore({ folder: join(here.folder, 'events'), clock: systemClock });
  try {
    const { summary, rejected } = await here.run(FILE, { store, clock: systemClock, timezone: ZONE, parallel: 64 });
    assert.is(summary.accepted + summary.rejected, summary.rows);
    assert.is(rejected.length, summary.rejected);
    assert.ok(summary.orders > 0 && summary.matched > 0);
    const report = await checkStore(store, NO_PROGRESS);
    assert.equal(report.first, []);
    assert.equal([report.violations, report.events], [0, summary.events]);
    const [plain, placed] = [await plainSum(FILE, new Set(rejected.map(({ row }) => row))), await placedSum(store)];
    assert.equal([...placed].sort(), [...plain].sort());
    console.log(`\nNOTE ${summary.rows} rows, ${summary.orders} orders, ${summary.events} events from ${FILE}: ${placed.size} days add up`);
  } finally {
    await store.close();
    here.end();
  }
});

test.run();

/**
 * Which products sold best over a range of days: rows of SKU and month, merged from all months side by side.
 */
import { addDays } from '../domain/shop-day.ts';
import type { Clock } from '../ports/system.ts';
import type { ViewReader } from '../runtime/view/read.ts';
import type { SalesRow, SalesSku } from '../projections/sales.ts';

/** `from` inclusive, `to` exclusive: days (YYYY-MM-DD). */
export type DayRange = Readonly<{ from: string; to: string }>;
export type ProductSales = Readonly<{
  sku: string;
  name: string;
  units: number;
  revenue: Readonly<{ amountMinor: number; currency: string }>;
}>;

/** Rows held at once, over all months: a page of each. */
const ROWS_HELD = 2_000;

const monthsOf = ({ from, to }: DayRange): string[] => {
  const months: string[] = [];
  for (let first = `${from.slice(0, 7)}-01`; first < to; first = `${addDays(first, 31).slice(0, 7)}-01`)
    months.push(first.slice(0, 7));
  return months;
};

/** Rows of one month in the order of SKU and currency, read a page at a time. */
type Reading = {
  readonly month: string;
  rows: readonly SalesSku[];
  next: number;
  after: string | undefined;
  ended: boolean;
};

const byBest = (a: ProductSales, b: ProductSales): number =>
  b.revenue.amountMinor - a.revenue.amountMinor ||
  (a.sku < b.sku ? -1 : a.sku > b.sku ? 1 : a.revenue.currency < b.revenue.currency ? -1 : 1);

/**
 * One product in one currency over all months that have it; undefined when none of its days lies in the
 * range.
 */
const summed = (rows: readonly SalesSku[], { from, to }: DayRange): ProductSales | undefined => {
  let [units, amountMinor, sold, latest] = [0, 0, false, rows[0]];
  for (const row of rows) {
    for (const [dayOfMonth, [dayUnits, dayMinor]] of Object.entries(row.days)) {
      const day = `${row.month}-${dayOfMonth.padStart(2, '0')}`;
      if (day < from || day >= to) continue;
      [units, amountMinor, sold] = [units + dayUnits, amountMinor + dayMinor, true];
      if (!latest || row.namedAt >= latest.namedAt) latest = row;
    }
  }
  return sold && latest
    ? { sku: latest.sku, name: latest.name, units, revenue: { amountMinor, currency: latest.currency } }
    : undefined;
};

/**
 * The `limit` best by revenue, ties by SKU. Other requests run between any two pages, and what is held does
 * not grow with the number of products.
 */
export const bestProducts = async (
  view: ViewReader<SalesRow>,
  clock: Clock,
  range: DayRange,
  limit: number,
): Promise<readonly ProductSales[]> => {
  const readings = monthsOf(range).map((month): Reading => ({
    month,
    rows: [],
    next: 0,
    after: undefined,
    ended: false,
  }));
  const pageRows = Math.ceil(ROWS_HELD / Math.max(1, readings.length));
  const head = async (reading: Reading): Promise<SalesSku | undefined> => {
    while (reading.next === reading.rows.length && !reading.ended) {
      const { month, after } = reading;
      const found = await view.find({
        index: 'month',
        prefix: [month],
        limit: pageRows,
        ...(after === undefined ? {} : { after }),
      });
      reading.rows = found.rows.map(({ doc }) => doc as SalesSku);
      reading.next = 0;
      reading.after = found.next ?? undefined;
      reading.ended = found.next === null;
      await clock.sleep(0);
    }
    return reading.rows[reading.next];
  };

  let best: ProductSales[] = [];
  for (;;) {
    let first: SalesSku | undefined;
    let same: Reading[] = [];
    for (const reading of readings) {
      const row = reading.rows[reading.next] ?? (await head(reading));
      if (!row) continue;
      if (!first || row.sku < first.sku || (row.sku === first.sku && row.currency < first.currency))
        [first, same] = [row, [reading]];
      else if (row.sku === first.sku && row.currency === first.currency) same.push(reading);
    }
    if (!first) return best.sort(byBest).slice(0, limit);
    const product = summed(
      same.flatMap(({ rows, next }) => rows[next] ?? []),
      range,
    );
    for (const reading of same) reading.next += 1;
    if (product) best.push(product);
    if (best.length >= 4 * limit) best = best.sort(byBest).slice(0, limit);
  }
};

/** The orders of a file as checkouts to come: who wants what, and when. */
import { createCatalogue, usualName, usualPriceMinor } from '../import/catalogue.ts';
import { countryCode } from '../import/countries.ts';
import { readRows } from '../import/csv.ts';
import { readInvoices } from '../import/invoices.ts';
import { localTime } from '../import/local-time.ts';
import { rowRules } from '../import/row-rules.ts';

/** `atMs`: when it was placed in the file. Rows of one SKU are one line. */
export type PlannedOrder = Readonly<{
  invoice: string;
  customerId: string;
  country: string;
  atMs: number;
  lines: readonly Readonly<{ sku: string; quantity: number }>[];
}>;
/** `from`: orders passed over at the beginning; `limit`: orders played at most. */
export type PlanOptions = Readonly<{
  file: string;
  timezone: string;
  decimals: number;
  from: number;
  limit: number;
  warn(sentence: string): void;
}>;
export type Need = Readonly<{ sku: string; name: string; priceMinor: number; quantity: number }>;

/** What the API takes at most. */
const MAX_QUANTITY = 10_000;
const MAX_LINES = 1_000;

type Found = Readonly<{
  order: PlannedOrder;
  sales: Parameters<ReturnType<typeof createCatalogue>['count']>[0][];
}>;

async function* readOrders({
  file,
  timezone,
  decimals,
  from,
  limit,
  warn,
}: PlanOptions): AsyncGenerator<Found> {
  const numbers = new Set<string>();
  const seen = (number: string): boolean => numbers.size === numbers.add(number).size;
  let [passed, played] = [0, 0];
  for await (const { number, first, taken } of readInvoices(
    readRows(file),
    rowRules(localTime(timezone), decimals),
    seen,
  )) {
    const sales = taken.filter(({ kind }) => kind === 'sale');
    if (!first || sales.length === 0) continue;
    if (passed++ < from) continue;
    if (played >= limit) return;
    const units = new Map<string, number>();
    for (const { sku, quantity } of sales) units.set(sku, (units.get(sku) ?? 0) + quantity);
    const lines = [...units].map(([sku, quantity]) => ({ sku, quantity }));
    const enormous = lines.find(({ quantity }) => quantity > MAX_QUANTITY);
    if (enormous || lines.length > MAX_LINES) {
      warn(
        `invoice ${number} is left out: ${enormous ? `it asks for ${enormous.quantity} of ${enormous.sku}` : `it has ${lines.length} lines`}, more than a checkout may.`,
      );
      continue;
    }
    played += 1;
    yield {
      order: {
        invoice: number,
        customerId: first.customerId ?? `guest-${number}`,
        country: countryCode(first.country) ?? 'GB',
        atMs: first.time.atMs,
        lines,
      },
      sales,
    };
  }
}

/** The orders in the file's order. Throws BadFile. */
export async function* plannedOrders(options: PlanOptions): AsyncGenerator<PlannedOrder> {
  for await (const { order } of readOrders(options)) yield order;
}

/** What the planned orders need of each SKU, under its most frequent name and price. Throws BadFile. */
export const surveyPlan = async (
  options: PlanOptions,
): Promise<Readonly<{ orders: number; needs: readonly Need[] }>> => {
  const catalogue = createCatalogue();
  const quantities = new Map<string, number>();
  let orders = 0;
  for await (const { order, sales } of readOrders(options)) {
    orders += 1;
    for (const sale of sales) catalogue.count(sale);
    for (const { sku, quantity } of order.lines) quantities.set(sku, (quantities.get(sku) ?? 0) + quantity);
  }
  const needs = catalogue.goods().map((goods) => ({
    sku: goods.sku,
    name: usualName(goods),
    priceMinor: usualPriceMinor(goods) ?? 1,
    quantity: quantities.get(goods.sku) ?? 0,
  }));
  return { orders, needs };
};

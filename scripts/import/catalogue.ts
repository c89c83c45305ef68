/** Catalogue and stock as the history implies them: gathered row by row, written at the end. */
import type { Scratch, ScratchChange } from '../../adapters/sqlite/scratch.ts';
import { productStream, products } from '../../domain/product/product.ts';
import { stockStream, stocks, type StockCommand } from '../../domain/stock/stock.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Context, Executor } from '../../runtime/command/execute.ts';
import { importContext } from './order-history.ts';
import type { Taken } from './row-rules.ts';

/** How often a value came, and when it last did (row). */
type Seen = { count: number; row: number };
/**
 * `onHand` counts from 0 at the beginning of the file; `lowest` is what it fell to; `sold`: net of what came
 * back.
 */
type Goods = {
  sku: string;
  first: string;
  last: string;
  names: Map<string, Seen>;
  prices: Map<number, Seen>;
  onHand: number;
  lowest: number;
  sold: number;
};
type Adjustment = Readonly<{ delta: number; at: string; reason: string; invoice: string; row: number }>;

export type Catalogue = Readonly<{
  /** Counts an accepted row; what it returns is to be written to the scratch database. */
  count(taken: Taken): readonly ScratchChange[];
  goods(): readonly Goods[];
}>;

const LOST = 'damages, lost stock';

const seen = <V>(counts: Map<V, Seen>, value: V, row: number): void => {
  const known = counts.get(value);
  if (!known) counts.set(value, { count: 1, row });
  else [known.count, known.row] = [known.count + 1, row];
};
/** The value that came most often; of those that came equally often the one that came last. */
const usual = <V>(counts: ReadonlyMap<V, Seen>): V | undefined =>
  [...counts].sort(([, a], [, b]) => b.count - a.count || b.row - a.row)[0]?.[0];

export const usualName = (goods: Pick<Goods, 'sku' | 'names'>): string => usual(goods.names) ?? goods.sku;
export const usualPriceMinor = (goods: Pick<Goods, 'prices'>): number | undefined => usual(goods.prices);

export const createCatalogue = (): Catalogue => {
  const all = new Map<string, Goods>();
  return {
    count({ kind, sku, description, priceMinor, quantity, row, invoice, time: { at } }) {
      let goods = all.get(sku);
      if (!goods)
        all.set(
          sku,
          (goods = {
            sku,
            first: at,
            last: at,
            names: new Map(),
            prices: new Map(),
            onHand: 0,
            lowest: 0,
            sold: 0,
          }),
        );
      if (at < goods.first) goods.first = at;
      if (at > goods.last) goods.last = at;
      if (kind === 'sale') {
        if (description !== '') seen(goods.names, description, row);
        seen(goods.prices, priceMinor, row);
      }
      const delta = kind === 'sale' ? -quantity : quantity;
      goods.onHand += delta;
      goods.lowest = Math.min(goods.lowest, goods.onHand);
      if (kind !== 'adjustment') {
        goods.sold -= delta;
        return [];
      }
      const adjustment: Adjustment = { delta, at, reason: description || LOST, invoice, row };
      return [[['adjustment', sku, row], adjustment]];
    },
    goods: () => [...all.values()],
  };
};

/**
 * Lists the product at its first day, unless the catalogue knows it. Resolves to the number of events stored.
 */
export const listProduct = async (
  executor: Executor,
  source: string,
  currency: string,
  goods: Goods,
): Promise<number> => {
  const priceMinor = usualPriceMinor(goods);
  if (priceMinor === undefined) return 0;
  const stream = productStream(goods.sku);
  if ((await executor.load(products, stream)).revision >= 0) return 0;
  const data = { sku: goods.sku, name: usualName(goods), priceMinor, currency };
  const listed = await executor.execute(
    products,
    stream,
    { type: 'ListProduct', data },
    importContext(source, goods.first, 'product', goods.sku),
  );
  if (!listed.ok) throw new Error(`${stream} could not be listed: ${listed.reason.sentence}`);
  return listed.events.length;
};

const stockSteps = (
  scratch: Scratch,
  source: string,
  goods: Goods,
): readonly Readonly<{ command: StockCommand; context: Context }>[] => {
  const { sku, first, last, lowest, sold } = goods;
  // What an id says it did is part of it: another file's opening balance is another command.
  const context = (at: string, step: string, count: number) =>
    importContext(source, at, 'stock', sku, step, String(count), at);
  const steps: { command: StockCommand; context: Context }[] = [];
  if (lowest < 0) {
    const data = { quantity: -lowest, reason: 'opening balance derived from the imported history' };
    steps.push({ command: { type: 'ReceiveGoods', data }, context: context(first, 'opening', -lowest) });
  }
  for (const { value } of scratch.entries<Adjustment>(['adjustment', sku])) {
    const { delta, at, reason, invoice, row } = value;
    steps.push({
      command: { type: 'AdjustStock', data: { delta, reason, fact: true } },
      context: context(at, `adjustment ${invoice} ${row}`, delta),
    });
  }
  if (sold !== 0) {
    const data = {
      delta: -sold,
      reason: 'net of units sold and returned in the imported history',
      fact: true,
    };
    steps.push({ command: { type: 'AdjustStock', data }, context: context(last, 'sold', sold) });
  }
  return steps;
};

/**
 * Writes a SKU's opening balance (the smallest with which nothing ever fell below 0), its adjustments on
 * their days, and the net of what was sold. A stream that holds anything else is left alone. Resolves to the
 * number of events stored.
 */
export const stockGoods = async (
  store: EventStore,
  executor: Executor,
  scratch: Scratch,
  source: string,
  goods: Goods,
): Promise<number | 'left alone'> => {
  const stream = stockStream(goods.sku);
  const missing = new Map(stockSteps(scratch, source, goods).map((step) => [step.context.commandId, step]));
  const known = new Set(missing.keys());
  for await (const event of store.readStream(stream)) {
    if (!known.has(event.meta.commandId)) return 'left alone';
    missing.delete(event.meta.commandId);
  }
  const told = await Promise.all(
    [...missing.values()].map(({ command, context }) => executor.execute(stocks, stream, command, context)),
  );
  return told.reduce((total, one) => {
    if (!one.ok) throw new Error(`${stream} did not take the history: ${one.reason.sentence}`);
    return total + one.events.length;
  }, 0);
};

/** What of each SKU is there and promised, to see what runs short. */
import type { Category } from '../domain/index.ts';
import { keyOf } from '../domain/kernel.ts';
import { levelsAfter, NO_STOCK, type StockLevels } from '../domain/stock/levels.ts';
import { stockEvent } from '../domain/stock/stock.ts';
import type { Projection } from '../ports/projection.ts';

/** `available` = on hand − reserved; below 0 when more has left than was counted. `updatedAt`: ISO 8601. */
export type StockLevelsRow = StockLevels & Readonly<{ sku: string; available: number; updatedAt: string }>;

export const stockLevels: Projection<StockLevelsRow, Category> = {
  name: 'stock-levels',
  version: 2,
  // A product that was listed and never received is short as well: it gets a row of zeros.
  categories: ['product', 'stock'],
  columns: {
    sku: 'text',
    onHand: 'integer',
    reserved: 'integer',
    backordered: 'integer',
    available: 'integer',
  },
  /** Equally available SKUs stand in the order of the rows' ids, which are the SKUs. */
  indexes: { sku: ['sku'], available: ['available'] },
  idsOf: (event) => [keyOf(event.stream)],
  apply(before, event, sku) {
    const updatedAt = event.meta.at;
    const row = before ?? { sku, ...NO_STOCK, available: 0, updatedAt };
    if (event.stream.startsWith('product-')) return row;
    const levels = levelsAfter(row, stockEvent(event));
    return { ...levels, available: levels.onHand - levels.reserved, updatedAt };
  },
  columnsOf: ({ sku, onHand, reserved, backordered, available }) => ({
    sku,
    onHand,
    reserved,
    backordered,
    available,
  }),
};

/** The catalogue as a shop front lists it: name, price and what is available, by SKU. */
import type { Category } from '../domain/index.ts';
import { keyOf } from '../domain/kernel.ts';
import { productEvent } from '../domain/product/product.ts';
import { levelsAfter, NO_STOCK, type StockLevels } from '../domain/stock/levels.ts';
import { stockEvent } from '../domain/stock/stock.ts';
import type { Projection } from '../ports/projection.ts';

export type CatalogueRow = StockLevels &
  Readonly<{ sku: string; listed: boolean; name: string; priceMinor: number; currency: string }>;

/** Words of a name, folded to what a person types. */
export const searchWords = (text: string): string[] => [
  ...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []),
];

export const catalogue: Projection<CatalogueRow, Category> = {
  name: 'catalogue',
  version: 2,
  categories: ['product', 'stock'],
  columns: { sku: 'text', name: 'text', priceMinor: 'integer', word: 'texts' },
  /**
   * What is listed. `word`: by each word of the name and the SKU, for a search by how words begin; the row's id puts SKUs
   * in order.
   */
  indexes: { listed: ['sku'], word: ['word'] },
  idsOf: (event) => [keyOf(event.stream)],
  apply(before, event, sku) {
    const row = before ?? { sku, listed: false, name: '', priceMinor: 0, currency: '', ...NO_STOCK };
    if (!event.stream.startsWith('product-')) return levelsAfter(row, stockEvent(event));
    const { type, data } = productEvent(event);
    return type === 'ProductDelisted'
      ? { ...row, listed: false }
      : { ...row, ...data, ...(type === 'ProductListed' ? { listed: true } : {}) };
  },
  columnsOf: ({ listed, sku, name, priceMinor }) =>
    listed ? { sku, name, priceMinor, word: [...searchWords(name), sku.toLowerCase()] } : {},
};

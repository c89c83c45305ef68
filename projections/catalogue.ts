/** The catalogue as a shop front lists it: name, price and what is available, by SKU. */
import { keyOf } from '../domain/kernel.ts';
import { productEvent } from '../domain/product/product.ts';
import { stockEvent } from '../domain/stock/stock.ts';
import type { Projection, Row } from '../ports/read-store.ts';

export type CatalogueRow = Readonly<{ sku: string; listed: boolean; name: string; priceMinor: number; currency: string; onHand: number; reserved: number; backordered: number }>;

/** Words of a name, folded to what a person types. */
export const searchWords = (text: string): string[] => [...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])];

export const catalogue: Projection<CatalogueRow> = {
  name: 'catalogue',
  version: 1,
  categories: ['product', 'stock'],
  idsOf: (event) => [keyOf(event.stream)],
  apply(before, event, sku) {
    const row = before ?? { sku, listed: false, name: '', priceMinor: 0, currency: '', onHand: 0, reserved: 0, backordered: 0 };
    if (event.stream.startsWith('product-')) {
      const { type, data } = productEvent(event);
      return type === 'ProductDelisted' ? { ...row, listed: false } : { ...row, ...data, ...(type === 'ProductListed' ? { listed: true } : {}) };
    }
    const { type, data } = stockEvent(event);
    switch (type) {
      case 'GoodsReceived':
        return { ...row, onHand: row.onHand + data.quantity };
      case 'StockAdjusted':
        return { ...row, onHand: row.onHand + data.delta };
      case 'UnitsReserved':
        return { ...row, reserved: row.reserved + data.quantity };
      case 'UnitsBackordered':
        return { ...row, backordered: row.backordered + data.quantity };
      case 'BackorderFilled':
        return { ...row, reserved: row.reserved + data.quantity, backordered: row.backordered - data.quantity };
      case 'UnitsReleased':
        return { ...row, reserved: row.reserved - data.reserved, backordered: row.backordered - data.backordered };
      case 'UnitsDispatched':
        return { ...row, onHand: row.onHand - data.quantity, reserved: row.reserved - data.reserved, backordered: row.backordered - data.backordered };
      default: {
        const never: never = type;
        throw new Error(`unknown event ${String(never)}`);
      }
    }
  },
  /** `word`: each word of the name and the SKU, for a search by how words begin; the row's id puts SKUs in order. */
  keys: (row): Row['keys'] => (row.listed ? { listed: [['listed', row.sku]], word: [...searchWords(row.name), row.sku.toLowerCase()].map((word) => ['word', word]) } : {}),
};

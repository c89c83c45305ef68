/** Every aggregate, by the category of its streams: a new one is a folder of its own and a line here. */
import { operationsLog } from './operations/operations.ts';
import { orders } from './order/order.ts';
import { products } from './product/product.ts';
import { stocks } from './stock/stock.ts';

export const aggregates = {
  order: orders,
  stock: stocks,
  product: products,
  operations: operationsLog,
} as const;

/** The part of a stream's name before the first dash. */
export type Category = keyof typeof aggregates;
/** Every event that is ever written to a stream of one of these categories. */
export type EventType<C extends Category = Category> = {
  [K in C]: keyof (typeof aggregates)[K]['events'];
}[C];

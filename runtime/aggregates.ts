/** The aggregates as the runtime sees them: which stream, how it folds, what it remembers. */
import type { Decider, EventEnvelope, Message } from '../domain/kernel.ts';
import type { OrderCommand, OrderRefusal } from '../domain/order/commands.ts';
import { orderEvent, ORDER_EVENTS, type OrderEvent } from '../domain/order/events.ts';
import { order } from '../domain/order/order.ts';
import type { OrderState } from '../domain/order/state.ts';
import {
  operations,
  operationsEvent,
  OPERATIONS_EVENTS,
  type OperationsEvent,
  type OperationsState,
} from '../domain/operations/operations.ts';
import {
  product,
  productEvent,
  PRODUCT_EVENTS,
  type ProductCommand,
  type ProductEvent,
  type ProductRefusal,
  type ProductState,
} from '../domain/product/product.ts';
import {
  stock,
  stockEvent,
  STOCK_EVENTS,
  STOCK_SHAPE,
  type StockCommand,
  type StockEvent,
  type StockRefusal,
  type StockState,
} from '../domain/stock/stock.ts';

/**
 * `ledTo`: the revision that a remembered command led to. `weight`: about how many lines the state takes in a
 * cache. `shape`: set where streams grow without end: snapshots are kept under this name.
 */
export type Aggregate<
  C extends Message,
  E extends Message,
  S extends Readonly<{ revision: number }>,
  R,
> = Readonly<{
  category: string;
  decider: Decider<C, E, S, R>;
  schemaVersion(type: E['type']): number;
  read(event: EventEnvelope): EventEnvelope<E>;
  ledTo(state: S, commandId: string): number | undefined;
  weight(state: S): number;
  shape?: string;
}>;

export const orders: Aggregate<OrderCommand, OrderEvent, OrderState, OrderRefusal> = {
  category: 'order',
  decider: order,
  schemaVersion: (type) => ORDER_EVENTS[type].version,
  read: orderEvent,
  ledTo: (state, commandId) => state.commands[commandId],
  weight: (state) => 2 + state.lines.length,
};

export const stocks: Aggregate<StockCommand, StockEvent, StockState, StockRefusal> = {
  category: 'stock',
  decider: stock,
  schemaVersion: (type) => STOCK_EVENTS[type].version,
  read: stockEvent,
  ledTo: (state, commandId) => state.recent.find(([id]) => id === commandId)?.[1],
  weight: (state) => 10 + Math.ceil(state.recent.length / 4),
  shape: STOCK_SHAPE,
};

export const products: Aggregate<ProductCommand, ProductEvent, ProductState, ProductRefusal> = {
  category: 'product',
  decider: product,
  schemaVersion: (type) => PRODUCT_EVENTS[type].version,
  read: productEvent,
  ledTo: (state, commandId) => state.commands[commandId],
  weight: () => 1,
};

export const operationsLog: Aggregate<OperationsEvent, OperationsEvent, OperationsState, never> = {
  category: 'operations',
  decider: operations,
  schemaVersion: (type) => OPERATIONS_EVENTS[type].version,
  read: operationsEvent,
  ledTo: (state, commandId) => state.recent.find(([id]) => id === commandId)?.[1],
  weight: (state) => 1 + Math.ceil(state.recent.length / 4),
  shape: 'operations-1',
};

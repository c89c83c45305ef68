/**
 * The order page and every list of orders: the order itself, folded, under the keys that the lists ask for.
 */
import { keyOf, type Position } from '../domain/kernel.ts';
import type { Category } from '../domain/index.ts';
import { orderEvent } from '../domain/order/events.ts';
import { orderNumber } from '../domain/order/number.ts';
import { evolve } from '../domain/order/evolve.ts';
import { initialOrder, type OrderState } from '../domain/order/state.ts';
import { statusOf } from '../domain/order/status.ts';
import type { Projection } from '../ports/read-store.ts';

/** `position`: of the last event folded. */
export type OrderStatusRow = Readonly<{ state: OrderState; position: Position }>;

/**
 * Indexes go on with the time of placing, `changed` with the position of the last event; `number` finds one
 * order.
 */
export const orderStatus: Projection<OrderStatusRow, Category> = {
  name: 'order-status',
  version: 2,
  categories: ['order'],
  idsOf: (event) => [keyOf(event.stream)],
  apply: (row, event) => ({
    state: evolve(row?.state ?? initialOrder, orderEvent(event)),
    position: event.position,
  }),
  keys: ({ state, position }) => {
    const status = statusOf(state);
    const skus = [...new Set(state.lines.map((line) => line.sku))];
    return {
      placed: [[state.placedAt]],
      status: [[status, state.placedAt]],
      customer: [[state.customerId, state.placedAt]],
      'customer-status': [[state.customerId, status, state.placedAt]],
      sku: skus.map((sku) => [sku, state.placedAt]),
      number: [[orderNumber(state.orderId)]],
      changed: [[position]],
      'customer-changed': [[state.customerId, position]],
    };
  },
};

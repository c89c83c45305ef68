/**
 * The order page and every list of orders: the order itself, folded, under the keys that the lists ask for.
 */
import { keyOf, type Position } from '../domain/kernel.ts';
import type { Category } from '../domain/index.ts';
import { orderEvent } from '../domain/order/events.ts';
import { orderNumber } from '../domain/order/number.ts';
import { evolveShown } from '../domain/order/evolve.ts';
import { initialOrder, type OrderState } from '../domain/order/state.ts';
import { statusOf } from '../domain/order/status.ts';
import type { Projection } from '../ports/projection.ts';

/** `state`: without the commands that led to it. `position`: of the last event folded. */
export type OrderStatusRow = Readonly<{ state: OrderState; position: Position }>;

/**
 * Indexes go on with the time of placing, `changed` with the position of the last event; `number` finds one
 * order.
 */
export const orderStatus: Projection<OrderStatusRow, Category> = {
  name: 'order-status',
  version: 4,
  categories: ['order'],
  columns: {
    number: 'text',
    customerId: 'text',
    status: 'text',
    placedAt: 'text',
    currency: 'text',
    totalMinor: 'integer',
    sku: 'texts',
    changedAt: 'text',
  },
  indexes: {
    placed: ['placedAt'],
    status: ['status', 'placedAt'],
    customer: ['customerId', 'placedAt'],
    'customer-status': ['customerId', 'status', 'placedAt'],
    sku: ['sku', 'placedAt'],
    number: ['number'],
    changed: ['changedAt'],
    'customer-changed': ['customerId', 'changedAt'],
  },
  idsOf: (event) => [keyOf(event.stream)],
  apply: (row, event) => ({
    state: evolveShown(row?.state ?? initialOrder, orderEvent(event)),
    position: event.position,
  }),
  columnsOf: ({ state, position }) => ({
    number: orderNumber(state.orderId),
    customerId: state.customerId,
    status: statusOf(state),
    placedAt: state.placedAt,
    currency: state.currency,
    totalMinor: state.totals.totalMinor,
    sku: state.lines.map(({ sku }) => sku),
    changedAt: position,
  }),
};

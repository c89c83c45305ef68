/** Orders cancelled together, by what they are found by: counted before. */
import type { Refusal } from '../domain/kernel.ts';
import { orderStream } from '../domain/order/events.ts';
import { orders } from '../domain/order/order.ts';
import { statusOf } from '../domain/order/status.ts';
import type { OrderStatusRow } from '../projections/order-status.ts';
import type { Executor } from '../runtime/command/execute.ts';
import { derivedUuid } from '../runtime/command/identity.ts';
import type { By } from '../runtime/deliver/parked.ts';
import type { ViewReader } from '../runtime/view/read.ts';
import { searchOrders, type OrderFilters } from './order-search.ts';

/** At once, so that a request ends and a slip stays small. */
export const MOST_CANCELLED = 1_000;
const PAGE = 200;
const AT_ONCE = 16;
const NAMED = 20;

/** Neither cancelled yet nor closed: what cancelling would mean anything for. */
const isOpen = ({ state }: OrderStatusRow): boolean =>
  state.closedAt === undefined && statusOf(state) !== 'cancelled';

/** Those that match and are open, `MOST_CANCELLED` and one more at most. Throws ViewUnavailable. */
export const openOrders = async (
  orderStatus: ViewReader<OrderStatusRow>,
  filters: OrderFilters,
): Promise<readonly OrderStatusRow[]> => {
  const found: OrderStatusRow[] = [];
  for (let cursor: string | undefined; found.length <= MOST_CANCELLED;) {
    const { rows, next } = await searchOrders(orderStatus, filters, { cursor, limit: PAGE });
    found.push(...rows.filter(isOpen));
    if (next === null) break;
    cursor = next;
  }
  return found.slice(0, MOST_CANCELLED + 1);
};

/**
 * `cancelled`: with nothing left to be sent; `requested`: the warehouse is asked, and answers; `first`: some of those that
 * were refused.
 */
export type CancelledOrders = Readonly<{
  cancelled: number;
  requested: number;
  refused: number;
  first: readonly (Refusal & Readonly<{ orderId: string }>)[];
}>;

/** Cancels each as it is by then; a repeat does nothing to one that it has cancelled. Throws StoreUnavailable. */
export const cancelOrders = async (
  executor: Executor,
  found: readonly OrderStatusRow[],
  { actor, reason }: By,
): Promise<CancelledOrders> => {
  let [cancelled, requested, refused] = [0, 0, 0];
  const first: (Refusal & { orderId: string })[] = [];
  const cancel = async ({ state: { orderId, revision } }: OrderStatusRow): Promise<void> => {
    const stream = orderStream(orderId);
    const commandId = derivedUuid('cancel-orders', stream, actor.id, String(revision));
    const done = await executor.execute(
      orders,
      stream,
      { type: 'CancelOrder', data: { reason } },
      { commandId, actor, correlationId: orderId },
    );
    if (done.ok && statusOf(done.state) === 'cancelled') cancelled += 1;
    else if (done.ok) requested += 1;
    else {
      refused += 1;
      if (first.length < NAMED) first.push({ orderId, ...done.reason });
    }
  };
  const left = found.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const row of left) await cancel(row);
    }),
  );
  return { cancelled, requested, refused, first };
};

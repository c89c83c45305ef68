/** Orders that are never confirmed end: a deadline is kept for each that is open and not held. */
import type { OrderState } from '../../domain/order/state.ts';
import type { Consumer, ConsumerDeps } from '../../ports/consumer.ts';

/** When an order that stands like this expires; undefined when it does not. */
export const deadlineOf = (state: OrderState): string | undefined =>
  state.confirmedAt || state.cancelled || state.holds.length > 0 || state.revision < 0
    ? undefined
    : state.expiresAt;

export const deadlines = ({ orders, deadlines: kept, onFailure }: ConsumerDeps): Consumer => ({
  name: 'deadlines',
  handles: {
    categories: ['order'],
    types: ['OrderPlaced', 'OrderHeld', 'OrderReleased', 'OrderConfirmed', 'OrderCancelled'],
  },
  sideEffects: true,
  from: 'beginning',
  concurrency: 64,
  breaker: false,
  onFailure,
  async handle(event) {
    const orderId = event.stream.slice('order-'.length);
    const dueAt = deadlineOf(await orders.load(orderId));
    await (dueAt === undefined ? kept.clear(orderId) : kept.set(orderId, dueAt));
  },
});

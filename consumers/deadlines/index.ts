/** Orders that are never confirmed end: a deadline is kept for each that is open and not held. */
import { keyOf } from '../../domain/kernel.ts';
import type { OrderState } from '../../domain/order/state.ts';
import type { ShopConsumer } from '../../shop/consumer-deps.ts';

const EXPIRY = 'order-expiry';

/** When an order that stands like this expires; undefined when it does not. */
const deadlineOf = (state: OrderState): string | undefined =>
  state.confirmedAt || state.cancelled || state.holds.length > 0 || state.revision < 0
    ? undefined
    : state.expiresAt;

export const deadlines: ShopConsumer = {
  name: 'deadlines',
  handles: {
    categories: ['order'],
    types: ['OrderPlaced', 'OrderHeld', 'OrderReleased', 'OrderConfirmed', 'OrderCancelled'],
  },
  effects: ['cancels orders that are not confirmed in time'],
  from: 'beginning',
  concurrency: 64,
  breaker: false,
  make({ orders, deadlines: scheduled, onFailure }) {
    const expiry = scheduled(EXPIRY);
    const keep = async (orderId: string, state: OrderState): Promise<void> => {
      const dueAt = deadlineOf(state);
      await (dueAt === undefined ? expiry.clear(orderId) : expiry.set(orderId, dueAt));
    };
    return {
      onFailure,
      async handle(event) {
        const orderId = keyOf(event.stream);
        await keep(orderId, await orders.load(orderId));
      },
      schedules: [
        {
          name: EXPIRY,
          // A refusal is no failure: the order was confirmed, or is held, and its state says what becomes of it.
          async onDue(orderId) {
            const { state } = await orders.command(
              orderId,
              { type: 'ExpireOrder', data: {} },
              { due: orderId, step: 'expire' },
            );
            await keep(orderId, state);
          },
        },
      ],
    };
  },
};

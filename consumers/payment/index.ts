/**
 * Authorizes, captures, voids and refunds: whatever the order still needs from the gateway, one call after
 * the other.
 */
import { keyOf, type EventEnvelope } from '../../domain/kernel.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import { paymentNeed, type PaymentNeed } from '../../domain/order/needs.ts';
import type { OrderState } from '../../domain/order/state.ts';
import { insist, type ShopConsumer } from '../../shop/consumer-deps.ts';
import type { Authorization } from '../../ports/outside/payment-gateway.ts';

/** More calls for one event than any order needs: a need that never goes away is a bug and parks. */
const CALLS = 1_000;

const authorizationKey = (orderId: string, attempt: number): string => `${orderId}:authorize:${attempt}`;

const answered = (attempt: number, answer: Authorization): OrderCommand => {
  switch (answer.outcome) {
    case 'authorized': {
      const { authorizationId, amountMinor, expiresAt } = answer;
      return { type: 'RecordAuthorization', data: { attempt, authorizationId, amountMinor, expiresAt } };
    }
    case 'action_required':
      return {
        type: 'RecordActionRequired',
        data: { attempt, authorizationId: answer.authorizationId, url: answer.url },
      };
    case 'declined':
      return { type: 'RecordDecline', data: { attempt, code: answer.code, sentence: answer.sentence } };
  }
};

export const payment: ShopConsumer = {
  name: 'payment',
  handles: {
    categories: ['order'],
    types: [
      'OrderPlaced',
      'PaymentRetryRequested',
      'PaymentAuthorized',
      'PaymentCaptured',
      'LinesCancelled',
      'OrderCancelled',
      'ShipmentDispatched',
      'RefundRequested',
    ],
  },
  effects: ['asks the bank to authorize, capture, void and refund'],
  from: 'beginning',
  concurrency: 64,
  breaker: true,
  make({ orders, gateway, onFailure }) {
    /**
     * The call that a need asks for, under a key that is the same however often it is repeated, and what to
     * report of it.
     */
    const call = async (state: OrderState, need: PaymentNeed): Promise<OrderCommand> => {
      const { orderId, currency } = state;
      switch (need.do) {
        case 'authorize': {
          const { attempt, amountMinor, token } = need;
          if (amountMinor === 0)
            return {
              type: 'RecordAuthorization',
              data: { attempt, authorizationId: `nothing-to-pay-${attempt}`, amountMinor },
            };
          return answered(
            attempt,
            await gateway.authorize({
              key: authorizationKey(orderId, attempt),
              orderId,
              amountMinor,
              currency,
              token,
            }),
          );
        }
        case 'abandon': {
          const { attempt } = need;
          const answer = await gateway.abandon({ key: authorizationKey(orderId, attempt), orderId });
          return answer.outcome === 'abandoned'
            ? { type: 'RecordAbandoned', data: { attempt } }
            : answered(attempt, answer);
        }
        case 'capture': {
          const { parcelId, amountMinor, authorizationId } = need;
          if (authorizationId === undefined)
            return {
              type: 'RecordCaptureFailure',
              data: { parcelId, code: 'no_authorization', sentence: 'No authorization has this much left.' },
            };
          const answer = await gateway.capture({
            key: `${orderId}:capture:${parcelId}:${authorizationId}`,
            orderId,
            authorizationId,
            amountMinor,
            currency,
          });
          return answer.outcome === 'captured'
            ? {
                type: 'RecordCapture',
                data: {
                  captureId: answer.captureId,
                  authorizationId,
                  parcelId,
                  amountMinor: answer.amountMinor,
                },
              }
            : {
                type: 'RecordCaptureFailure',
                data: { parcelId, code: answer.code, sentence: answer.sentence },
              };
        }
        case 'void': {
          const { authorizationId } = need;
          const answer = await gateway.void({
            key: `${orderId}:void:${authorizationId}`,
            orderId,
            authorizationId,
          });
          if (answer.outcome === 'failed')
            throw new Error(
              `the gateway will not void ${authorizationId}: ${answer.code}, ${answer.sentence}`,
            );
          return { type: 'RecordVoid', data: { authorizationId } };
        }
        case 'refund': {
          const { refundId, captureId, amountMinor } = need;
          const answer = await gateway.refund({
            key: `${orderId}:refund:${refundId}`,
            orderId,
            captureId,
            amountMinor,
            currency,
          });
          return answer.outcome === 'refunded'
            ? { type: 'RecordRefund', data: { refundId } }
            : {
                type: 'RecordRefundFailure',
                data: { refundId, code: answer.code, sentence: answer.sentence },
              };
        }
      }
    };

    const stepOf = (need: PaymentNeed): string => Object.values(need).join(':');

    return {
      onFailure,
      async handle(event: EventEnvelope, signal) {
        let state = await orders.load(keyOf(event.stream));
        for (let calls = 0; calls < CALLS; calls++) {
          const need = paymentNeed(state);
          if (!need || signal.aborted) return;
          state = insist(
            await orders.command(state.orderId, await call(state, need), { event, step: stepOf(need) }),
          );
        }
        throw new Error(
          `order ${state.orderId} still needs ${stepOf(paymentNeed(state) ?? { do: 'abandon', attempt: 0 })} after ${CALLS} calls`,
        );
      },
    };
  },
};

/**
 * What the outside tells of an order (warehouse, payment provider), as commands on it. The same news again
 * has no effect.
 */
import { orderStream, type OrderEvent } from '../domain/order/events.ts';
import type { OrderCommand, OrderRefusal } from '../domain/order/commands.ts';
import type { OrderState } from '../domain/order/state.ts';
import type { Clock } from '../ports/system.ts';
import type { WarehouseNews } from '../ports/outside/warehouse.ts';
import { orders } from '../domain/order/order.ts';
import type { Executed, Executor } from '../runtime/command/execute.ts';
import { derivedUuid } from '../runtime/command/identity.ts';

/**
 * What a payment provider tells by itself. `newsId` is the same when it is told again; `at`: when it
 * happened.
 */
export type PaymentNews = Readonly<{ newsId: string; orderId: string; at?: string | undefined }> &
  (
    | Readonly<{
        kind: 'authorized';
        attempt: number;
        authorizationId: string;
        amountMinor: number;
        expiresAt?: string | undefined;
      }>
    | Readonly<{ kind: 'declined'; attempt: number; code: string; sentence: string }>
    | Readonly<{ kind: 'expired'; authorizationId: string }>
    | Readonly<{
        kind: 'captured';
        captureId: string;
        authorizationId: string;
        parcelId: string;
        amountMinor: number;
      }>
    | Readonly<{ kind: 'voided'; authorizationId: string }>
    | Readonly<{ kind: 'refunded'; refundId: string }>
    | Readonly<{ kind: 'refund_failed'; refundId: string; code: string; sentence: string }>
  );

export const warehouseCommand = (news: WarehouseNews): OrderCommand => {
  switch (news.kind) {
    case 'dispatched': {
      const { shipmentId, parcelId, lines, carrier, trackingNumber } = news;
      return {
        type: 'RecordDispatch',
        data: {
          shipmentId,
          parcelId,
          lines,
          ...(carrier === undefined ? {} : { carrier }),
          ...(trackingNumber === undefined ? {} : { trackingNumber }),
        },
      };
    }
    case 'delivered':
      return { type: 'RecordDelivery', data: { shipmentId: news.shipmentId, parcelId: news.parcelId } };
    case 'failed':
      return { type: 'RecordShipmentFailure', data: { shipmentId: news.shipmentId, reason: news.reason } };
    case 'return_received':
      return {
        type: 'RecordReturnReceived',
        data: { returnId: news.returnId, lines: news.lines, restock: news.restock },
      };
    default: {
      const never: never = news;
      throw new Error(`unknown news ${(never as WarehouseNews).kind}`);
    }
  }
};

export const paymentCommand = (news: PaymentNews): OrderCommand => {
  switch (news.kind) {
    case 'authorized': {
      const { attempt, authorizationId, amountMinor, expiresAt } = news;
      return {
        type: 'RecordAuthorization',
        data: { attempt, authorizationId, amountMinor, ...(expiresAt === undefined ? {} : { expiresAt }) },
      };
    }
    case 'declined':
      return {
        type: 'RecordDecline',
        data: { attempt: news.attempt, code: news.code, sentence: news.sentence },
      };
    case 'expired':
      return { type: 'RecordAuthorizationExpired', data: { authorizationId: news.authorizationId } };
    case 'captured': {
      const { captureId, authorizationId, parcelId, amountMinor } = news;
      return { type: 'RecordCapture', data: { captureId, authorizationId, parcelId, amountMinor } };
    }
    case 'voided':
      return { type: 'RecordVoid', data: { authorizationId: news.authorizationId } };
    case 'refunded':
      return { type: 'RecordRefund', data: { refundId: news.refundId } };
    case 'refund_failed':
      return {
        type: 'RecordRefundFailure',
        data: { refundId: news.refundId, code: news.code, sentence: news.sentence },
      };
    default: {
      const never: never = news;
      throw new Error(`unknown news ${(never as PaymentNews).kind}`);
    }
  }
};

type Recorded = Promise<Executed<OrderEvent, OrderState, OrderRefusal>>;
type Deps = Readonly<{ executor: Executor; clock: Clock }>;

const record = (
  { executor, clock }: Deps,
  source: 'warehouse' | 'payment',
  news: Readonly<{ newsId: string; orderId: string; at?: string | undefined }>,
  command: OrderCommand,
  traceparent?: string,
): Recorded => {
  const now = clock.now().toISOString();
  // A sender's clock that runs ahead must not move the order's time past our own.
  const happened = news.at === undefined ? now : new Date(news.at).toISOString();
  return executor.execute(orders, orderStream(news.orderId), command, {
    commandId: derivedUuid('news', source, news.newsId),
    actor: { id: source, role: 'system' },
    at: happened < now ? happened : now,
    correlationId: news.orderId,
    causationId: news.newsId,
    ...(traceparent === undefined ? {} : { traceparent }),
  });
};

/**
 * Records what the warehouse tells. A refusal is what cannot be true of this order; throws what `execute`
 * throws.
 */
export const recordWarehouseNews = (deps: Deps, news: WarehouseNews, traceparent?: string): Recorded =>
  record(deps, 'warehouse', news, warehouseCommand(news), traceparent);

/** Records what the payment provider tells by itself. */
export const recordPaymentNews = (deps: Deps, news: PaymentNews, traceparent?: string): Recorded =>
  record(deps, 'payment', news, paymentCommand(news), traceparent);

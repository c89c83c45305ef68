/** Sends what happened to orders to the figures' sink: flat facts without personal data. */
import { keyOf } from '../../domain/kernel.ts';
import { orderEvent, type OrderEvent } from '../../domain/order/events.ts';
import { statusOf } from '../../domain/order/status.ts';
import type { ShopConsumer } from '../../shop/consumer-deps.ts';

type Facts = Readonly<Record<string, string | number>>;

const units = (lines: readonly Readonly<{ quantity: number }>[]): number =>
  lines.reduce((total, line) => total + line.quantity, 0);

/** What figures are made of; ids of customers, texts and ciphertext stay out. */
const factsOf = (event: OrderEvent): Facts => {
  switch (event.type) {
    case 'OrderPlaced': {
      const { lines, totals, taxRate, currency, country, onShortage } = event.data;
      return {
        lines: lines.length,
        units: units(lines),
        ...totals,
        taxRate,
        currency,
        onShortage,
        ...(country === undefined ? {} : { country }),
      };
    }
    case 'PaymentAuthorized':
    case 'PaymentCaptured':
    case 'PaymentVoided':
    case 'PaymentRefunded':
    case 'RefundRequested':
      return { amountMinor: event.data.amountMinor };
    case 'ShipmentDispatched':
      return { units: units(event.data.lines), amountMinor: event.data.amountMinor };
    case 'StockReserved':
    case 'StockShort':
    case 'LinesCancelled':
    case 'ReturnRequested':
    case 'ReturnReceived':
      return { units: units(event.data.lines) };
    case 'PaymentDeclined':
    case 'PaymentCaptureFailed':
    case 'RefundFailed':
      return { code: event.data.code };
    case 'OrderClosed':
      return { outcome: event.data.outcome };
    default:
      return {};
  }
};

export const analytics: ShopConsumer = {
  name: 'analytics',
  handles: {
    categories: ['order'],
    types: [
      'OrderPlaced',
      'StockReserved',
      'StockShort',
      'PaymentAuthorized',
      'PaymentDeclined',
      'OrderConfirmed',
      'OrderHeld',
      'OrderReleased',
      'LinesCancelled',
      'OrderCancelled',
      'ShipmentDispatched',
      'ShipmentDelivered',
      'PaymentCaptured',
      'PaymentCaptureFailed',
      'PaymentVoided',
      'ReturnRequested',
      'ReturnReceived',
      'RefundRequested',
      'PaymentRefunded',
      'RefundFailed',
      'OrderClosed',
    ],
  },
  effects: ['sends figures to their collector'],
  from: 'beginning',
  concurrency: 32,
  breaker: true,
  make: ({ orders, sink, onFailure }) => ({
    onFailure,
    async handle(stored) {
      const event = orderEvent(stored);
      const orderId = keyOf(stored.stream);
      const state = await orders.load(orderId);
      await sink.write({
        factId: stored.id,
        at: stored.meta.at,
        type: event.type,
        orderId,
        status: statusOf(state),
        ...factsOf(event),
      });
    },
  }),
};

/** Tells the customer by mail what has become of the order. */
import { keyOf } from '../../domain/kernel.ts';
import { orderEvent, type OrderEvent, type OrderEventType } from '../../domain/order/events.ts';
import { orderNumber } from '../../domain/order/number.ts';
import type { OrderState } from '../../domain/order/state.ts';
import { insist, type ShopConsumer } from '../../shop/consumer-deps.ts';
import { ERASED } from '../../ports/vault.ts';

type Text = Readonly<{ subject: string; text: string }>;
type Of<T extends OrderEventType> = Extract<OrderEvent, { type: T }>['data'];
type Writers = { readonly [T in OrderEventType]?: (data: Of<T>, state: OrderState) => Text };

const money = (amountMinor: number, currency: string): string =>
  new Intl.NumberFormat('en-GB', { style: 'currency', currency }).format(amountMinor / 100);
const items = (state: OrderState, lines: readonly Readonly<{ lineId: string; quantity: number }>[]): string =>
  lines
    .map(
      ({ lineId, quantity }) =>
        `  ${quantity} × ${state.lines.find((line) => line.lineId === lineId)?.name ?? lineId}`,
    )
    .join('\n');

const REASONS: Readonly<Record<string, string>> = {
  out_of_stock: 'something you ordered is out of stock',
  expired: 'it could not be paid or put together in time',
  all_lines_cancelled: 'nothing was left of it',
  shipment_failed: 'the warehouse could not send it',
};
const because = (reason: string): string => REASONS[reason] ?? reason;

/** What is worth a mail, and what it says. */
const mails: Writers = {
  OrderPlaced: (data, state) => ({
    subject: 'We have your order',
    text: `Thank you. We have received your order over ${money(data.totals.totalMinor, data.currency)}:\n\n${items(state, data.lines)}\n\nWe write again when it is confirmed.`,
  }),
  OrderConfirmed: () => ({
    subject: 'Your order is confirmed',
    text: 'Everything is set aside and your payment is authorized. We write again when it leaves.',
  }),
  PaymentDeclined: (data) => ({
    subject: 'Your payment was declined',
    text: `Your bank declined the payment (${data.sentence}). Please try again on the order's page.`,
  }),
  PaymentActionRequired: (data) => ({
    subject: 'Please confirm your payment',
    text: `Your bank wants you to confirm the payment: ${data.url}`,
  }),
  LinesCancelled: (data, state) => ({
    subject: 'A part of your order is cancelled',
    text: `Cancelled, since ${because(data.reason)}:\n\n${items(state, data.lines)}`,
  }),
  OrderCancelled: (data) => ({
    subject: 'Your order is cancelled',
    text: `Your order is cancelled: ${because(data.reason)}. You are not charged; a charge made already is given back.`,
  }),
  ShipmentDispatched: (data, state) => ({
    subject: 'Your parcel is on its way',
    text: `This has left:\n\n${items(state, data.lines)}${data.trackingNumber ? `\n\nTracking number: ${data.trackingNumber}${data.carrier ? ` (${data.carrier})` : ''}` : ''}`,
  }),
  ShipmentDelivered: () => ({
    subject: 'Your parcel has arrived',
    text: 'Your parcel was delivered. If something is not as it should be, you can return it from the order page.',
  }),
  PaymentCaptureFailed: () => ({
    subject: 'Your card could not be charged',
    text: 'Please pay for what was sent with another card, on the order page.',
  }),
  ReturnReceived: (data, state) => ({
    subject: 'Your return has arrived',
    text: `We have received:\n\n${items(state, data.lines)}`,
  }),
  PaymentRefunded: (data, state) => ({
    subject: 'Your refund',
    text: `We have given back ${money(data.amountMinor, state.currency)}.`,
  }),
};

export const notification: ShopConsumer = {
  name: 'notification',
  handles: { categories: ['order'], types: Object.keys(mails) as OrderEventType[] },
  effects: ['sends mails'],
  from: 'beginning',
  concurrency: 32,
  breaker: true,
  make: ({ orders, mailer, vault, onFailure }) => ({
    onFailure,
    async handle(stored) {
      const event = orderEvent(stored);
      const state = await orders.load(keyOf(stored.stream));
      const notificationId = `${event.type}-${stored.id}`;
      if (state.notified.includes(notificationId) || !state.contact) return;
      const contact = await vault.open(state.contact);
      if (contact === ERASED) return;
      const { name, email } = contact as { name: string; email: string };
      const write = mails[event.type] as ((data: unknown, state: OrderState) => Text) | undefined;
      if (!write) return;
      const { subject, text } = write(event.data, state);
      const messageId = `${stored.id}@orderfold`;
      const number = orderNumber(state.orderId);
      await mailer.send({
        messageId,
        to: email,
        subject: `${subject} (${number})`,
        text: `Hello ${name},\n\n${text}\n\nOrder ${number}\n`,
      });
      insist(
        await orders.command(
          state.orderId,
          { type: 'RecordNotification', data: { notificationId, kind: event.type, messageId } },
          { event: stored, step: 'notified' },
        ),
      );
    },
  }),
};

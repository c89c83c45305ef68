/** One order: what it decides when it is asked for something or told of something. */
import { accept, refuse, type Aggregate, type Decider, type Stamped } from '../kernel.ts';
import type { OrderCommand, OrderRefusal } from './commands.ts';
import { event, nextShipment, refunds, within, type OrderDecision } from './decision.ts';
import { ORDER_EVENTS, type OrderEvent, type OrderEventData } from './events.ts';
import * as facts from './facts.ts';
import { evolve } from './evolve.ts';
import {
  cancellable,
  capturedMinor,
  dueMinor,
  initialOrder,
  isPlaced,
  isSettled,
  LIMITS,
  mayStillAsk,
  openShipments,
  refundingMinor,
  returning,
  securedMinor,
  type Limited,
  type Line,
  type OrderState,
} from './state.ts';
import { ledTo, remembers, sizeOf } from '../remembered.ts';

const place = (data: OrderEventData['OrderPlaced'], state: OrderState): OrderDecision => {
  if (isPlaced(state))
    return state.requestHash === data.requestHash
      ? accept()
      : refuse(
          'idempotency_key_reused',
          'This Idempotency-Key has been used for another order; send a new key with a new order.',
        );
  const { linesMinor, shippingMinor, discountMinor, taxMinor, totalMinor } = data.totals;
  const sumMinor = data.lines.reduce((total, line) => total + line.quantity * line.unitPriceMinor, 0);
  if (
    data.lines.length === 0 ||
    data.lines.some((line) => !Number.isSafeInteger(line.quantity) || line.quantity < 1)
  )
    return refuse('invalid_order', 'Each line has one unit at least.');
  if (
    sumMinor !== linesMinor ||
    discountMinor > linesMinor ||
    linesMinor + shippingMinor - discountMinor !== totalMinor ||
    taxMinor > totalMinor ||
    !Number.isSafeInteger(totalMinor)
  )
    return refuse('invalid_order', 'The totals of the order do not add up.');
  if (!(data.taxRate >= 0 && data.taxRate <= 1))
    return refuse('invalid_order', 'The tax rate is a share from 0 to 1.');
  if (new Set(data.lines.map((line) => line.lineId)).size !== data.lines.length)
    return refuse('invalid_order', 'Two lines have the same id.');
  return accept(event('OrderPlaced', data));
};

/** What can be cancelled at once is; what the warehouse was asked for becomes a request to it. */
const cancel = (reason: string, state: OrderState): OrderDecision => {
  if (state.cancelled || (state.cancellationRequested && openShipments(state).length > 0)) return accept();
  const free = state.lines
    .map((line) => ({ lineId: line.lineId, quantity: cancellable(line) }))
    .filter((line) => line.quantity > 0);
  const asked = openShipments(state).length > 0;
  const left = state.parcels.length > 0;
  if (asked)
    return accept(
      ...(free.length > 0 ? [event('LinesCancelled', { lines: free, reason })] : []),
      event('CancellationRequested', { reason }),
    );
  if (!left) return accept(event('OrderCancelled', { reason }));
  if (free.length === 0)
    return refuse('already_shipped', 'The order has been shipped; ask for a return instead.');
  return accept(event('LinesCancelled', { lines: free, reason }));
};

const exhausted = (
  state: OrderState,
  what: Limited,
  code: OrderRefusal['code'],
  done: string,
): OrderDecision | undefined =>
  mayStillAsk(state, what)
    ? undefined
    : refuse(code, `For this order ${done} ${LIMITS[what]} times, which is the most; please call us.`);

const retryPayment = (token: string | undefined, state: OrderState): OrderDecision => {
  const failedCapture = state.parcels.some((parcel) => parcel.capture === 'failed');
  if (state.cancelled && !failedCapture)
    return refuse('already_cancelled', 'The order is cancelled; nothing is to be paid.');
  if (state.payment.state === 'working')
    return refuse('payment_in_progress', 'A payment is being tried; wait for its result.');
  if (
    !failedCapture &&
    (dueMinor(state) === 0 ||
      (state.payment.state === 'authorized' && securedMinor(state) >= dueMinor(state)))
  )
    return refuse('already_paid', 'The order is paid.');
  return (
    exhausted(state, 'payment', 'too_many_payments', 'its payment was tried again') ??
    accept(
      event('PaymentRetryRequested', {
        attempt: state.payment.attempt + 1,
        ...(token === undefined ? {} : { token }),
      }),
    )
  );
};

const requestRefund = (
  data: Readonly<{ refundId: string; amountMinor: number; currency: string; reason: string }>,
  state: OrderState,
): OrderDecision => {
  if (state.refunds.some((refund) => refund.refundId === data.refundId)) return accept();
  if (data.currency !== state.currency)
    return refuse('currency_mismatch', `The order is in ${state.currency}, not ${data.currency}.`);
  const availableMinor = capturedMinor(state) - refundingMinor(state);
  if (data.amountMinor > availableMinor)
    return refuse(
      'exceeds_captured',
      `At most ${availableMinor} minor units (${state.currency}) can be refunded: that much was captured and not yet given back.`,
    );
  return accept(...refunds(state, data.refundId, data.amountMinor, data.reason));
};

const requestShipment = (state: OrderState): OrderDecision => {
  if (!state.confirmedAt) return refuse('not_confirmed', 'The order is not confirmed yet.');
  if (state.cancelled || state.cancellationRequested || state.holds.length > 0) return accept();
  return accept(...nextShipment(state));
};

const expire = (at: string, state: OrderState): OrderDecision => {
  if (state.confirmedAt || state.cancelled) return accept();
  if (state.holds.length > 0 || at < state.expiresAt)
    return refuse('not_due', `The order may still be confirmed until ${state.expiresAt}.`);
  return accept(event('OrderCancelled', { reason: 'expired' }));
};

const answer = (command: Stamped<OrderCommand>, state: OrderState): OrderDecision => {
  if (command.type === 'PlaceOrder') return place(command.data, state);
  if (!isPlaced(state)) return refuse('order_not_found', 'There is no such order.');
  switch (command.type) {
    case 'CancelOrder':
      return cancel(command.data.reason, state);
    case 'CancelLines': {
      const { lines, reason } = command.data;
      const atWarehouse = lines.some(({ lineId, quantity }) =>
        state.lines.some((l) => l.lineId === lineId && quantity > cancellable(l) && l.requested > 0),
      );
      if (atWarehouse)
        return refuse(
          'at_warehouse',
          'The warehouse is already packing these units; cancel the order or ask for a return.',
        );
      return (
        within(state, lines, cancellable, 'not_cancellable', 'cancelled') ??
        accept(event('LinesCancelled', { lines, reason }))
      );
    }
    case 'ChangeShippingAddress':
      if (state.cancelled) return refuse('already_cancelled', 'The order is cancelled.');
      if (state.shipments.length > 0)
        return refuse(
          'at_warehouse',
          'The warehouse has been asked to ship; the address can no longer change.',
        );
      return (
        exhausted(state, 'address', 'too_many_address_changes', 'its address was changed') ??
        accept(event('ShippingAddressChanged', command.data))
      );
    case 'RequestReturn': {
      const { returnId, lines, reason } = command.data;
      if (state.returns.some((r) => r.returnId === returnId)) return accept();
      const free = (line: Line) => line.dispatched - line.returned - returning(state, line.lineId);
      return (
        within(state, lines, free, 'not_returnable', 'returned') ??
        exhausted(state, 'return', 'too_many_returns', 'a return was asked for') ??
        accept(event('ReturnRequested', { returnId, lines, reason }))
      );
    }
    case 'RetryPayment':
      return retryPayment(command.data.token, state);
    case 'HoldOrder':
      if (state.cancelled) return refuse('already_cancelled', 'The order is cancelled.');
      if (state.holds.some((h) => h.hold === command.data.hold))
        return refuse('already_held', 'The order is already held.');
      if (state.lines.every((line) => line.dispatched + line.cancelled === line.ordered))
        return refuse('already_shipped', 'The order has been shipped.');
      return accept(event('OrderHeld', command.data));
    case 'ReleaseOrder':
      if (!state.holds.some((h) => h.hold === command.data.hold))
        return refuse('not_held', 'The order is not held.');
      return accept(event('OrderReleased', command.data));
    case 'RequestRefund':
      return requestRefund(command.data, state);
    case 'ExpireOrder':
      return expire(command.meta.at, state);
    case 'RequestShipment':
      return requestShipment(state);
    default:
      return facts.record(command, state);
  }
};

/** What follows by itself from where the order now stands; undefined when nothing does. */
const follows = (state: OrderState): OrderEvent | undefined => {
  if (!isPlaced(state)) return undefined;
  const open = state.lines.some((line) => line.cancelled < line.ordered);
  if (!open && !state.cancelled) return event('OrderCancelled', { reason: 'all_lines_cancelled' });
  const stockSettled = state.lines.every((line) => line.pending === 0);
  if (
    !state.confirmedAt &&
    !state.cancelled &&
    stockSettled &&
    state.holds.length === 0 &&
    state.payment.state === 'authorized' &&
    securedMinor(state) >= dueMinor(state)
  )
    return event('OrderConfirmed', {});
  if (state.closedAt === undefined && isSettled(state)) {
    const sent = state.lines.filter((line) => line.dispatched > 0);
    const outcome =
      sent.length === 0
        ? 'cancelled'
        : sent.every((line) => line.returned === line.dispatched)
          ? 'returned'
          : 'delivered';
    return event('OrderClosed', { outcome });
  }
  return undefined;
};

/**
 * Draws the conclusions in the same decision: confirmation, cancellation of what has nothing left, closing.
 * A command that this order remembers yields no events.
 */
const decide: Decider<OrderCommand, OrderEvent, OrderState, OrderRefusal>['decide'] = (command, state) => {
  if (command.type !== 'PlaceOrder' && remembers(state.commands, command.meta.commandId)) return accept();
  const decision = answer(command, state);
  if (!decision.ok) return decision;
  if (decision.events.length === 0) return accept();
  const events = [...decision.events];
  let next = events.reduce((folded, e) => evolve(folded, { ...e, meta: command.meta }), state);
  for (let conclusion = follows(next); conclusion; conclusion = follows(next)) {
    events.push(conclusion);
    next = evolve(next, { ...conclusion, meta: command.meta });
  }
  return { ok: true, events, state: next };
};

export const order: Decider<OrderCommand, OrderEvent, OrderState, OrderRefusal> = {
  initial: initialOrder,
  evolve,
  decide,
};

/** Orders, streams `order-<uuid>`. */
export const orders: Aggregate<OrderCommand, OrderEvent, OrderState, OrderRefusal> = {
  category: 'order',
  events: ORDER_EVENTS,
  decider: order,
  ledTo: (state, commandId) => ledTo(state.commands, commandId),
  weight: (state) => 2 + state.lines.length + Math.ceil(sizeOf(state.commands) / 8),
};

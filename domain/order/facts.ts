/**
 * What the outside reports to an order. A fact is recorded in every state; only what cannot be true is
 * refused.
 */
import { accept, refuse, type Stamped } from '../kernel.ts';
import type { OrderCommand } from './commands.ts';
import { event, nextShipment, refunds, within, type OrderDecision } from './decision.ts';
import type { LineQuantity, OrderEvent } from './events.ts';
import { evolve } from './evolve.ts';
import {
  authorizedMinor,
  cancellable,
  capturedMinor,
  chargeable,
  dueMinor,
  openShipments,
  priceOfNext,
  refundingMinor,
  securedMinor,
  type OrderState,
} from './state.ts';

type Of<T extends OrderCommand['type']> = Extract<OrderCommand, { type: T }>['data'];

const quantities = (lines: readonly LineQuantity[]): LineQuantity[] =>
  lines.filter((line) => line.quantity > 0);

const stock = ({ lines }: Of<'RecordStock'>, state: OrderState): OrderDecision => {
  // A line that the stock has answered for is not answered for again.
  const fresh = lines.filter(({ lineId }) =>
    state.lines.some((line) => line.lineId === lineId && line.held === null),
  );
  const of = (count: 'reserved' | 'backordered' | 'short') =>
    quantities(fresh.map((line) => ({ lineId: line.lineId, quantity: line[count] })));
  const [reserved, backordered, short] = [of('reserved'), of('backordered'), of('short')];
  const events: OrderEvent[] = [];
  if (reserved.length > 0) events.push(event('StockReserved', { from: 'pending', lines: reserved }));
  if (backordered.length > 0)
    events.push(event('StockShort', { resolution: 'backordered', lines: backordered }));
  if (short.length > 0) events.push(event('StockShort', { resolution: 'cancelled', lines: short }));
  if (short.length > 0 && !state.cancelled) {
    if (state.onShortage === 'cancelOrder') events.push(event('OrderCancelled', { reason: 'out_of_stock' }));
    else {
      const pending = new Map(state.lines.map((line) => [line.lineId, line.pending]));
      const left = quantities(
        short.map((line) => ({ ...line, quantity: Math.min(line.quantity, pending.get(line.lineId) ?? 0) })),
      );
      if (left.length > 0) events.push(event('LinesCancelled', { lines: left, reason: 'out_of_stock' }));
    }
  }
  return accept(...events);
};

const release = ({ lines }: Of<'RecordRelease'>, state: OrderState): OrderDecision => {
  // What the stock holds only ever shrinks by a release, so an older answer that comes late says nothing.
  const changed = lines.filter(({ lineId, holds }) =>
    state.lines.some((line) => line.lineId === lineId && (line.held === null || holds < line.held)),
  );
  return changed.length === 0 ? accept() : accept(event('StockReleased', { lines: changed }));
};

const authorization = (data: Of<'RecordAuthorization'>, state: OrderState): OrderDecision =>
  state.payment.authorizations.some((a) => a.authorizationId === data.authorizationId)
    ? accept()
    : accept(event('PaymentAuthorized', data));

const authorizationExpired = (
  { authorizationId }: Of<'RecordAuthorizationExpired'>,
  state: OrderState,
): OrderDecision => {
  const known = state.payment.authorizations.find((a) => a.authorizationId === authorizationId);
  if (!known) return refuse('unknown_authorization', `The order has no authorization ${authorizationId}.`);
  if (known.state !== 'open') return accept();
  const expired = event('PaymentAuthorizationExpired', { authorizationId });
  const stillDue =
    !state.cancelled && dueMinor(state) > securedMinor(state) - (known.amountMinor - known.capturedMinor);
  const beingAsked = state.payment.state === 'working' || state.payment.state === 'action_required';
  if (!stillDue || beingAsked) return accept(expired);
  // The card is on file: ask again rather than stop a confirmed order.
  const { token } = state.payment;
  return accept(
    expired,
    event('PaymentRetryRequested', {
      attempt: state.payment.attempt + 1,
      ...(token === undefined ? {} : { token }),
    }),
  );
};

const capture = (
  data: Of<'RecordCapture'>,
  command: Stamped<OrderCommand>,
  state: OrderState,
): OrderDecision => {
  if (state.captures.some((c) => c.captureId === data.captureId)) return accept();
  const known = state.payment.authorizations.find((a) => a.authorizationId === data.authorizationId);
  if (!known)
    return refuse('unknown_authorization', `The order has no authorization ${data.authorizationId}.`);
  if (
    capturedMinor(state) + data.amountMinor > authorizedMinor(state) ||
    known.capturedMinor + data.amountMinor > known.amountMinor
  )
    return refuse(
      'exceeds_authorized',
      `${data.amountMinor} minor units are more than was authorized and not captured yet.`,
    );
  const captured = event('PaymentCaptured', data);
  const parcel = state.parcels.find((p) => p.parcelId === data.parcelId);
  const owedMinor =
    parcel?.capture === 'due' || parcel?.capture === 'failed'
      ? Math.min(parcel.amountMinor, data.amountMinor)
      : 0;
  const next = evolve(state, { ...captured, meta: command.meta });
  // Money that nothing was sent for goes back, and money for what came back before it was captured.
  const unsent = refunds(
    next,
    `unsent-${data.captureId}`,
    data.amountMinor - owedMinor,
    'captured_for_nothing_sent',
  );
  const after = unsent.reduce((folded, e) => evolve(folded, { ...e, meta: command.meta }), next);
  return accept(
    captured,
    ...unsent,
    ...refunds(after, `returned-${data.captureId}`, returnedMinor(after), 'returned'),
  );
};

/**
 * What the customer has paid beyond the price of what was charged and kept (shipping is kept), and was not
 * asked to be given back yet. Goodwill stands beside this, but never is more given back than was captured.
 */
const returnedMinor = (state: OrderState): number => {
  const given = (prefix: string, failedToo: boolean) =>
    state.refunds.reduce(
      (total, r) =>
        total + (r.refundId.startsWith(prefix) && (failedToo || r.state !== 'failed') ? r.amountMinor : 0),
      0,
    );
  const keptMinor = state.lines.reduce((total, line) => {
    const returned = Math.min(line.returned, line.charged);
    return total + priceOfNext(line, returned, line.charged - returned);
  }, 0);
  const shippingMinor = state.lines.some((line) => line.charged > 0) ? state.totals.shippingMinor : 0;
  const paidMinor = capturedMinor(state) - given('unsent-', true);
  return Math.min(
    paidMinor - keptMinor - shippingMinor - given('return', false),
    capturedMinor(state) - refundingMinor(state),
  );
};

/** What the warehouse will not send is cancelled: all of the order if nothing has left. */
const shipmentFailed = (
  { shipmentId, reason }: Of<'RecordShipmentFailure'>,
  command: Stamped<OrderCommand>,
  state: OrderState,
): OrderDecision => {
  const shipment = state.shipments.find((s) => s.shipmentId === shipmentId);
  if (!shipment) return refuse('unknown_shipment', `The order has no shipment ${shipmentId}.`);
  if (shipment.open.length === 0) return accept();
  const failed = event('ShipmentFailed', { shipmentId, reason });
  if (!state.cancellationRequested) {
    const less = event('LinesCancelled', { lines: shipment.open, reason: 'shipment_failed' });
    const next = [failed, less].reduce((folded, e) => evolve(folded, { ...e, meta: command.meta }), state);
    // Units on back-order are cancelled first (the stock lets these go first); what stays reserved is asked
    // for again.
    return accept(failed, less, ...(next.holds.length > 0 ? [] : nextShipment(next)));
  }
  return accept(
    failed,
    ...restCancelled(evolve(state, { ...failed, meta: command.meta }), state.cancellationRequested.reason),
  );
};

/** Carries out a cancellation that waited for the warehouse, once no shipment is open. */
const restCancelled = (state: OrderState, reason: string): OrderEvent[] => {
  if (openShipments(state).length > 0) return [];
  const lines = quantities(state.lines.map((line) => ({ lineId: line.lineId, quantity: cancellable(line) })));
  if (state.parcels.length === 0) return [event('OrderCancelled', { reason })];
  return lines.length === 0 ? [] : [event('LinesCancelled', { lines, reason })];
};

const dispatch = (
  data: Of<'RecordDispatch'>,
  command: Stamped<OrderCommand>,
  state: OrderState,
): OrderDecision => {
  if (state.parcels.some((p) => p.parcelId === data.parcelId)) return accept();
  if (!state.shipments.some((s) => s.shipmentId === data.shipmentId))
    return refuse('unknown_shipment', `The order has no shipment ${data.shipmentId}.`);
  const refused = within(
    state,
    data.lines,
    (line) => line.ordered - line.dispatched,
    'more_than_ordered',
    'dispatched',
  );
  if (refused) return refused;
  const units = new Map<string, number>();
  for (const { lineId, quantity } of data.lines) units.set(lineId, (units.get(lineId) ?? 0) + quantity);
  const goodsMinor = state.lines.reduce(
    (total, line) =>
      total + priceOfNext(line, line.charged, chargeable(state, line, units.get(line.lineId) ?? 0)),
    0,
  );
  // Shipping goes with the first units that are paid for, also when a discount makes these free.
  const paid = state.lines.some((line) => chargeable(state, line, units.get(line.lineId) ?? 0) > 0);
  const first = paid && !state.lines.some((line) => line.charged > 0);
  const amountMinor = goodsMinor + (first ? state.totals.shippingMinor : 0);
  const lines = [...units].map(([lineId, quantity]) => {
    const held = state.lines.find((line) => line.lineId === lineId)?.held ?? quantity;
    return { lineId, quantity, ...(quantity > held ? { unheld: quantity - held } : {}) };
  });
  const sent = event('ShipmentDispatched', { ...data, lines, amountMinor });
  if (!state.cancellationRequested) return accept(sent);
  return accept(
    sent,
    ...restCancelled(evolve(state, { ...sent, meta: command.meta }), state.cancellationRequested.reason),
  );
};

/**
 * Returned units that were paid for are refunded, as far as goodwill has not given the money back already.
 */
const returnReceived = (
  data: Of<'RecordReturnReceived'>,
  command: Stamped<OrderCommand>,
  state: OrderState,
): OrderDecision => {
  const known = state.returns.find((r) => r.returnId === data.returnId);
  if (known?.receivedAt) return accept();
  const refused = within(
    state,
    data.lines,
    (line) => line.dispatched - line.returned,
    'more_than_dispatched',
    'returned',
  );
  if (refused) return refused;
  const received = event('ReturnReceived', data);
  const next = evolve(state, { ...received, meta: command.meta });
  return accept(
    received,
    ...refunds(next, `return-${data.returnId}`, returnedMinor(next), 'returned', data.returnId),
  );
};

/** Decides about a report. */
export const record = (command: Stamped<OrderCommand>, state: OrderState): OrderDecision => {
  switch (command.type) {
    case 'RecordStock':
      return stock(command.data, state);
    case 'RecordBackorderFilled': {
      const line = state.lines.find(({ lineId }) => lineId === command.data.lineId);
      if (!line) return refuse('unknown_line', `The order has no line ${command.data.lineId}.`);
      const quantity = Math.min(command.data.quantity, line.backordered);
      return quantity === 0
        ? accept()
        : accept(event('StockReserved', { from: 'backorder', lines: [{ lineId: line.lineId, quantity }] }));
    }
    case 'RecordRelease':
      return release(command.data, state);
    case 'RecordAuthorization':
      return authorization(command.data, state);
    case 'RecordActionRequired':
      return state.payment.state === 'working' && state.payment.attempt === command.data.attempt
        ? accept(event('PaymentActionRequired', command.data))
        : accept();
    case 'RecordDecline': {
      const waiting = state.payment.state === 'working' || state.payment.state === 'action_required';
      return waiting && state.payment.attempt === command.data.attempt
        ? accept(event('PaymentDeclined', command.data))
        : accept();
    }
    case 'RecordAuthorizationExpired':
      return authorizationExpired(command.data, state);
    case 'RecordCapture':
      return capture(command.data, command, state);
    case 'RecordCaptureFailure': {
      const parcel = state.parcels.find(({ parcelId }) => parcelId === command.data.parcelId);
      if (!parcel) return refuse('unknown_parcel', `The order has no parcel ${command.data.parcelId}.`);
      return parcel.capture === 'due' ? accept(event('PaymentCaptureFailed', command.data)) : accept();
    }
    case 'RecordVoid': {
      const known = state.payment.authorizations.find(
        (a) => a.authorizationId === command.data.authorizationId,
      );
      if (!known)
        return refuse(
          'unknown_authorization',
          `The order has no authorization ${command.data.authorizationId}.`,
        );
      if (known.state !== 'open') return accept();
      return accept(
        event('PaymentVoided', {
          authorizationId: known.authorizationId,
          amountMinor: known.amountMinor - known.capturedMinor,
        }),
      );
    }
    case 'RecordAbandoned': {
      const { attempt } = command.data;
      const waiting = state.payment.state === 'working' || state.payment.state === 'action_required';
      return waiting && state.payment.attempt === attempt
        ? accept(event('PaymentVoided', { attempt, amountMinor: 0 }))
        : accept();
    }
    case 'RecordRefund':
    case 'RecordRefundFailure': {
      const refund = state.refunds.find(({ refundId }) => refundId === command.data.refundId);
      if (!refund) return refuse('unknown_refund', `The order has no refund ${command.data.refundId}.`);
      if (refund.state !== 'requested') return accept();
      if (command.type === 'RecordRefundFailure') return accept(event('RefundFailed', command.data));
      return accept(
        event('PaymentRefunded', {
          refundId: refund.refundId,
          captureId: refund.captureId,
          amountMinor: refund.amountMinor,
        }),
      );
    }
    case 'RecordShipmentFailure':
      return shipmentFailed(command.data, command, state);
    case 'RecordDispatch':
      return dispatch(command.data, command, state);
    case 'RecordDelivery': {
      const parcel = state.parcels.find(({ parcelId }) => parcelId === command.data.parcelId);
      if (!parcel) return refuse('unknown_parcel', `The order has no parcel ${command.data.parcelId}.`);
      return parcel.deliveredAt ? accept() : accept(event('ShipmentDelivered', command.data));
    }
    case 'RecordReturnReceived':
      return returnReceived(command.data, command, state);
    case 'RecordNotification':
      return state.notified.includes(command.data.notificationId)
        ? accept()
        : accept(event('CustomerNotified', command.data));
    default:
      throw new Error(`${command.type} is no fact`);
  }
};

/** Folds an order: what each of its events changes. */
import type { Stamped } from '../kernel.ts';
import { allocate } from '../money.ts';
import type { OrderEvent, OrderEventData } from './events.ts';
import { dispatched, unlessAnswered } from './dispatch.ts';
import { authorized, captureFailed, dueAgain, endAttempt, endAuthorization } from './payment.ts';
import { dueMinor, isSettled, type Limited, type OrderState, type Return, type Step } from './state.ts';
import { plus } from '../plus.ts';
import { remember, type Remembered } from '../remembered.ts';
import { cancelUnits, mapWhere, onLines } from './units.ts';

const asked = (state: OrderState, what: Limited): Pick<OrderState, 'asked'> => ({
  asked: { ...state.asked, [what]: state.asked[what] + 1 },
});

const placed = (state: OrderState, data: OrderEventData['OrderPlaced'], at: string): OrderState => {
  const { lines, payment, contact, shippingAddress, country, requestHash } = data;
  const grossMinor = lines.map((line) => line.unitPriceMinor * line.quantity);
  const discounts = allocate(data.totals.discountMinor, grossMinor);
  // Each field by its name: copying the rest of an object is dear, and every checkout comes by here.
  return {
    revision: state.revision,
    updatedAt: state.updatedAt,
    holds: state.holds,
    shipments: state.shipments,
    parcels: state.parcels,
    captures: state.captures,
    refunds: state.refunds,
    returns: state.returns,
    notified: state.notified,
    asked: state.asked,
    commands: state.commands,
    orderId: data.orderId,
    customerId: data.customerId,
    currency: data.currency,
    totals: data.totals,
    taxRate: data.taxRate,
    onShortage: data.onShortage,
    expiresAt: data.expiresAt,
    ...(contact && { contact }),
    ...(shippingAddress && { shippingAddress }),
    ...(country !== undefined && { country }),
    ...(requestHash !== undefined && { requestHash }),
    placedAt: at,
    lines: lines.map(({ lineId, sku, name, unitPriceMinor, quantity }, index) => ({
      lineId,
      sku,
      name,
      unitPriceMinor,
      netMinor: (grossMinor[index] ?? 0) - (discounts[index] ?? 0),
      ordered: quantity,
      pending: quantity,
      reserved: 0,
      backordered: 0,
      dispatched: 0,
      cancelled: 0,
      returned: 0,
      requested: 0,
      charged: 0,
      held: null,
    })),
    payment: {
      ...state.payment,
      askedMinor: data.totals.totalMinor,
      ...(payment.token === undefined ? {} : { token: payment.token }),
    },
    since: { stock: at, payment: at },
  };
};

const holdEnded = (state: OrderState, hold: string, at: string): OrderState => {
  const holds = state.holds.filter((h) => h.hold !== hold);
  if (holds.length > 0 || state.heldSince === undefined) return { ...state, holds };
  // While anyone held it the clock stood still.
  const { heldSince, ...others } = state;
  return {
    ...others,
    holds,
    expiresAt: new Date(Date.parse(state.expiresAt) + Date.parse(at) - Date.parse(heldSince)).toISOString(),
  };
};

/** Always a new object, of which `after` makes the next state. */
const change = (state: OrderState, event: Stamped<OrderEvent>): OrderState => {
  const { at } = event.meta;
  const moved = (step: Step): OrderState['since'] => plus(state.since, { [step]: at });
  switch (event.type) {
    case 'OrderPlaced':
      return placed(state, event.data, at);
    case 'StockReserved':
      return {
        ...state,
        since: moved('stock'),
        lines: onLines(state, event.data.lines, (line, quantity) => {
          const from = event.data.from === 'pending' ? 'pending' : 'backordered';
          const units = Math.min(quantity, line[from]);
          const held = from === 'pending' ? (line.held ?? 0) + quantity : line.held;
          return { ...line, [from]: line[from] - units, reserved: line.reserved + units, held };
        }),
      };
    case 'StockShort':
      return {
        ...state,
        since: moved('stock'),
        lines: onLines(state, event.data.lines, (line, quantity) => {
          if (event.data.resolution === 'cancelled') return { ...line, held: line.held ?? 0 };
          const units = Math.min(quantity, line.pending);
          return {
            ...line,
            pending: line.pending - units,
            backordered: line.backordered + units,
            held: (line.held ?? 0) + quantity,
          };
        }),
      };
    case 'StockReleased': {
      const holds = new Map(event.data.lines.map((line) => [line.lineId, line.holds]));
      return {
        ...state,
        since: moved('stock'),
        lines: state.lines.map((line) => ({ ...line, held: holds.get(line.lineId) ?? line.held })),
      };
    }
    case 'PaymentActionRequired':
      return {
        ...state,
        since: moved('payment'),
        payment: plus(state.payment, {
          state: 'action_required',
          attempt: event.data.attempt,
          actionUrl: event.data.url,
        }),
      };
    case 'PaymentAuthorized': {
      const payment = authorized(state.payment, event.data);
      return { ...state, since: moved('payment'), payment, parcels: dueAgain(payment, state.parcels) };
    }
    case 'PaymentDeclined':
      return {
        ...state,
        since: moved('payment'),
        payment: endAttempt(
          plus(state.payment, { attempt: event.data.attempt, declined: event.data.sentence }),
          'declined',
        ),
      };
    case 'PaymentAuthorizationExpired':
      return {
        ...state,
        since: moved('payment'),
        payment: endAuthorization(state.payment, event.data.authorizationId, 'expired'),
      };
    case 'PaymentRetryRequested': {
      const { actionUrl: _url, declined: _declined, token: _token, ...payment } = state.payment;
      const { attempt, token } = event.data;
      return {
        ...state,
        since: moved('payment'),
        ...asked(state, 'payment'),
        payment: {
          ...payment,
          state: 'working',
          attempt,
          askedMinor: dueMinor(state),
          ...(token === undefined ? {} : { token }),
        },
      };
    }
    case 'OrderConfirmed':
      return plus(state, { since: moved('shipment'), confirmedAt: at });
    case 'OrderHeld':
      return plus(state, {
        heldSince: state.heldSince ?? at,
        holds: [...state.holds, plus(event.data, { since: at })],
      });
    case 'OrderReleased':
      return holdEnded(state, event.data.hold, at);
    case 'ShippingAddressChanged':
      return { ...state, ...event.data, ...asked(state, 'address') };
    case 'LinesCancelled':
      return { ...state, lines: onLines(state, event.data.lines, cancelUnits) };
    case 'CancellationRequested':
      return plus(state, { cancellationRequested: { at, reason: event.data.reason } });
    case 'OrderCancelled': {
      const { cancellationRequested: _answered, ...others } = state;
      return plus(others, {
        cancelled: { at, reason: event.data.reason },
        lines: state.lines.map((line) => cancelUnits(line, line.pending + line.reserved + line.backordered)),
      });
    }
    case 'ShipmentRequested':
      return {
        ...state,
        since: moved('shipment'),
        shipments: [
          ...state.shipments,
          { shipmentId: event.data.shipmentId, requestedAt: at, open: event.data.lines },
        ],
        lines: onLines(state, event.data.lines, (line, quantity) => ({
          ...line,
          requested: line.requested + quantity,
        })),
      };
    case 'ShipmentFailed': {
      const { shipmentId, reason } = event.data;
      const open = state.shipments.find((s) => s.shipmentId === shipmentId)?.open ?? [];
      const shipments = mapWhere(
        state.shipments,
        (s) => s.shipmentId === shipmentId,
        (s) => plus(s, { open: [], failed: reason }),
      );
      return {
        ...unlessAnswered(state, shipments),
        since: moved('shipment'),
        shipments,
        lines: onLines(state, open, (line, quantity) => ({ ...line, requested: line.requested - quantity })),
      };
    }
    case 'ShipmentDispatched':
      return dispatched(state, event.data, at);
    case 'ShipmentDelivered':
      return {
        ...state,
        since: moved('delivery'),
        parcels: mapWhere(
          state.parcels,
          (p) => p.parcelId === event.data.parcelId,
          (p) => plus(p, { deliveredAt: at }),
        ),
      };
    case 'PaymentCaptured': {
      const { authorizationId, parcelId, amountMinor } = event.data;
      return {
        ...state,
        since: moved('payment'),
        captures: [...state.captures, event.data],
        parcels: mapWhere(
          state.parcels,
          (p) => p.parcelId === parcelId,
          (p) => ({ ...p, capture: 'captured' }),
        ),
        payment: {
          ...state.payment,
          authorizations: mapWhere(
            state.payment.authorizations,
            (a) => a.authorizationId === authorizationId,
            (a) => ({ ...a, capturedMinor: a.capturedMinor + amountMinor }),
          ),
        },
      };
    }
    case 'PaymentCaptureFailed':
      return {
        ...state,
        since: moved('payment'),
        parcels: mapWhere(
          state.parcels,
          (p) => p.parcelId === event.data.parcelId,
          (p) => captureFailed(state.payment, state.parcels, p),
        ),
      };
    case 'PaymentVoided':
      return {
        ...state,
        since: moved('payment'),
        payment:
          event.data.authorizationId === undefined
            ? endAttempt(state.payment, 'voided')
            : endAuthorization(state.payment, event.data.authorizationId, 'voided'),
      };
    case 'ReturnRequested':
      return {
        ...state,
        since: moved('return'),
        ...asked(state, 'return'),
        returns: [...state.returns, plus(event.data, { requestedAt: at })],
      };
    case 'ReturnReceived': {
      const { returnId, lines, restock } = event.data;
      const known = state.returns.find((r) => r.returnId === returnId);
      const received: Return = {
        returnId,
        lines,
        reason: known?.reason ?? 'unannounced',
        requestedAt: known?.requestedAt ?? at,
        receivedAt: at,
        restock,
      };
      return {
        ...state,
        since: moved('return'),
        returns: known
          ? mapWhere(
              state.returns,
              (r) => r === known,
              () => received,
            )
          : [...state.returns, received],
        lines: onLines(state, lines, (line, quantity) => ({ ...line, returned: line.returned + quantity })),
      };
    }
    case 'RefundRequested':
      return {
        ...state,
        since: moved('refund'),
        refunds: [...state.refunds, plus(event.data, { state: 'requested' })],
      };
    case 'PaymentRefunded':
      return {
        ...state,
        since: moved('refund'),
        refunds: mapWhere(
          state.refunds,
          (r) => r.refundId === event.data.refundId,
          (r) => ({ ...r, state: 'refunded' }),
        ),
      };
    case 'RefundFailed':
      return {
        ...state,
        since: moved('refund'),
        refunds: mapWhere(
          state.refunds,
          (r) => r.refundId === event.data.refundId,
          (r) => ({ ...r, state: 'failed' }),
        ),
      };
    case 'CustomerNotified':
      return { ...state, notified: [...state.notified, event.data.notificationId] };
    case 'OrderClosed':
      return plus(state, { closedAt: at });
    default: {
      const never: never = event;
      throw new Error(`unknown event ${(never as OrderEvent).type}`);
    }
  }
};

const after = (state: OrderState, event: Stamped<OrderEvent>, commands: Remembered): OrderState => {
  // An object of its own that nobody has seen yet: copying it once more would be a good part of what a fold costs.
  const next: { -readonly [K in keyof OrderState]: OrderState[K] } = change(state, event);
  next.revision = state.revision + 1;
  next.updatedAt = event.meta.at;
  next.commands = commands;
  if (next.closedAt === undefined || (isSettled(next) && event.type !== 'ReturnReceived')) return next;
  const { closedAt: _reopened, ...open } = next;
  return open;
};

/** The order after `event`. A late fact (a capture, goods that come back) opens a closed order again. */
export const evolve = (state: OrderState, event: Stamped<OrderEvent>): OrderState =>
  after(state, event, remember(state.commands, event.meta.commandId, state.revision + 1));

/** The same for who shows an order and decides nothing on it: `commands` stay as they are. */
export const evolveShown = (state: OrderState, event: Stamped<OrderEvent>): OrderState =>
  after(state, event, state.commands);

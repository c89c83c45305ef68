/** An order folded from its events: plain JSON, so that a view or a snapshot can hold it. */
import type { Sealed, Stamped } from '../kernel.ts';
import { allocate, amountOfFirst } from '../money.ts';
import type { LineQuantity, OrderEvent, OrderEventData, ShortagePolicy, Totals } from './events.ts';
import { authorized, captureFailed, drawnOn, dueAgain, endAttempt, endAuthorization } from './payment.ts';
import { cancelUnits, mapWhere, onLines, sum, take, without, withoutSurplus } from './units.ts';

/**
 * ordered = pending + reserved + backordered + dispatched + cancelled; returned ≤ dispatched. `requested`:
 * part of `reserved` that the warehouse has been asked for. `held`: what the stock holds for the line
 * (reserved or back-ordered there), null until it has answered. `charged`: dispatched units that are paid
 * for. `netMinor`: what all ordered units cost after discount.
 */
export type Line = Readonly<{
  lineId: string;
  sku: string;
  name: string;
  unitPriceMinor: number;
  netMinor: number;
  ordered: number;
  pending: number;
  reserved: number;
  backordered: number;
  dispatched: number;
  cancelled: number;
  returned: number;
  requested: number;
  charged: number;
  held: number | null;
}>;
export type Authorization = Readonly<{
  authorizationId: string;
  attempt: number;
  amountMinor: number;
  capturedMinor: number;
  state: 'open' | 'voided' | 'expired';
}>;
/**
 * `working`: the gateway is asked under `attempt` for `askedMinor`, which stays what it is for that attempt.
 */
export type Payment = Readonly<{
  state: 'working' | 'action_required' | 'authorized' | 'declined' | 'expired' | 'voided';
  attempt: number;
  askedMinor: number;
  token?: string;
  actionUrl?: string;
  declined?: string;
  authorizations: readonly Authorization[];
}>;
/**
 * `unheld`: units that the stock no longer held for the order when they left. `authorizationId`: what it is
 * captured from until that has definitely failed; a capture of unknown outcome is thus repeated, and never
 * made a second time from another one.
 */
export type Parcel = Readonly<{
  shipmentId: string;
  parcelId: string;
  lines: readonly (LineQuantity & Readonly<{ unheld?: number | undefined }>)[];
  dispatchedAt: string;
  deliveredAt?: string;
  carrier?: string;
  trackingNumber?: string;
  amountMinor: number;
  capture: 'none' | 'due' | 'captured' | 'failed';
  authorizationId?: string;
}>;
/** `open`: units asked for that have neither left nor failed. */
export type Shipment = Readonly<{
  shipmentId: string;
  requestedAt: string;
  open: readonly LineQuantity[];
  failed?: string;
}>;
export type Capture = Readonly<{
  captureId: string;
  authorizationId: string;
  parcelId: string;
  amountMinor: number;
}>;
export type Refund = Readonly<{
  refundId: string;
  captureId: string;
  amountMinor: number;
  reason: string;
  state: 'requested' | 'refunded' | 'failed';
  returnId?: string;
}>;
export type Return = Readonly<{
  returnId: string;
  lines: readonly LineQuantity[];
  reason: string;
  requestedAt: string;
  receivedAt?: string;
  restock?: boolean;
}>;
export type Step = 'stock' | 'payment' | 'shipment' | 'delivery' | 'return' | 'refund';

export type OrderState = Readonly<{
  /** Last revision folded; -1 before the order was placed. */
  revision: number;
  orderId: string;
  customerId: string;
  currency: string;
  totals: Totals;
  taxRate: number;
  onShortage: ShortagePolicy;
  contact?: Sealed;
  shippingAddress?: Sealed;
  country?: string;
  requestHash?: string;
  placedAt: string;
  updatedAt: string;
  expiresAt: string;
  lines: readonly Line[];
  holds: readonly Readonly<{ hold: string; reason: string; since: string }>[];
  /** Since when somebody has held it without a break. */
  heldSince?: string;
  confirmedAt?: string;
  closedAt?: string;
  cancelled?: Readonly<{ at: string; reason: string }>;
  cancellationRequested?: Readonly<{ at: string; reason: string }>;
  payment: Payment;
  shipments: readonly Shipment[];
  parcels: readonly Parcel[];
  captures: readonly Capture[];
  refunds: readonly Refund[];
  returns: readonly Return[];
  notified: readonly string[];
  /** When each step last moved. */
  since: Readonly<Partial<Record<Step, string>>>;
  /** Commands that were carried out, with the revision each led to. */
  commands: Readonly<Record<string, number>>;
}>;

export const initialOrder: OrderState = {
  revision: -1,
  orderId: '',
  customerId: '',
  currency: '',
  onShortage: 'cancelOrder',
  totals: { linesMinor: 0, shippingMinor: 0, discountMinor: 0, taxMinor: 0, totalMinor: 0 },
  taxRate: 0,
  placedAt: '',
  updatedAt: '',
  expiresAt: '',
  lines: [],
  holds: [],
  payment: { state: 'working', attempt: 1, askedMinor: 0, authorizations: [] },
  shipments: [],
  parcels: [],
  captures: [],
  refunds: [],
  returns: [],
  notified: [],
  since: {},
  commands: {},
};

export const isPlaced = (state: OrderState): boolean => state.revision >= 0;
export const authorizedMinor = (state: OrderState): number =>
  sum(state.payment.authorizations, (a) => a.amountMinor);
export const capturedMinor = (state: OrderState): number => sum(state.captures, (c) => c.amountMinor);
export const refundedMinor = (state: OrderState): number =>
  sum(state.refunds, (r) => (r.state === 'refunded' ? r.amountMinor : 0));
/** Refunded and asked to be refunded. */
export const refundingMinor = (state: OrderState): number =>
  sum(state.refunds, (r) => (r.state === 'failed' ? 0 : r.amountMinor));
/** What open authorizations still allow to be captured. */
export const securedMinor = (state: OrderState): number =>
  sum(state.payment.authorizations, (a) => (a.state === 'open' ? a.amountMinor - a.capturedMinor : 0));
/** Units that have neither left nor been cancelled. */
export const waiting = (line: Line): number => line.pending + line.reserved + line.backordered;
/** The price of `units` more units of a line of which `before` are already charged, discount taken out. */
export const priceOfNext = (line: Line, before: number, units: number): number =>
  amountOfFirst(before + units, line.ordered, line.netMinor) -
  amountOfFirst(before, line.ordered, line.netMinor);
/**
 * What is still to be captured: parcels that left, also those whose capture failed, and what is going to
 * leave.
 */
export const dueMinor = (state: OrderState): number => {
  const left = sum(state.parcels, (parcel) =>
    parcel.capture === 'due' || parcel.capture === 'failed' ? parcel.amountMinor : 0,
  );
  const goods = sum(state.lines, (line) => priceOfNext(line, line.charged, waiting(line)));
  const shipping =
    state.lines.some((line) => line.charged > 0) || !state.lines.some((line) => waiting(line) > 0)
      ? 0
      : state.totals.shippingMinor;
  return left + goods + shipping;
};
/** Units that can be cancelled without asking the warehouse. */
export const cancellable = (line: Line): number =>
  line.pending + line.backordered + line.reserved - line.requested;
/** Units on their way back or back already. */
export const returning = (state: OrderState, lineId: string): number =>
  sum(state.returns, (r) => sum(r.receivedAt ? [] : r.lines, (l) => (l.lineId === lineId ? l.quantity : 0)));
export const openShipments = (state: OrderState): readonly Shipment[] =>
  state.shipments.filter((shipment) => shipment.open.length > 0);

/**
 * Nothing is left to do for the shop: goods, stock and money are where they belong. A return that was
 * announced may never arrive.
 */
export const isSettled = (state: OrderState): boolean =>
  isPlaced(state) &&
  state.lines.every((line) => waiting(line) === 0 && line.held === 0) &&
  openShipments(state).length === 0 &&
  state.parcels.every((parcel) => parcel.deliveredAt !== undefined && parcel.capture !== 'due') &&
  // Whom the bank waits for may never come; if they do, the authorization opens the order again.
  state.payment.state !== 'working' &&
  (state.payment.state !== 'action_required' ||
    state.parcels.some((parcel) => parcel.capture === 'failed')) &&
  securedMinor(state) === 0 &&
  state.refunds.every((refund) => refund.state !== 'requested');

/** A cancellation that the warehouse was asked for is answered once no shipment is open. */
const unlessAnswered = (state: OrderState, shipments: readonly Shipment[]): OrderState => {
  const { cancellationRequested, ...others } = state;
  return cancellationRequested && shipments.some((s) => s.open.length > 0) ? state : others;
};

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

const dispatched = (
  state: OrderState,
  data: OrderEventData['ShipmentDispatched'],
  at: string,
): OrderState => {
  const { lines, ...rest } = data;
  const shipment = state.shipments.find(({ shipmentId }) => shipmentId === data.shipmentId);
  const askedFor = (lineId: string) =>
    sum(shipment?.open ?? [], (l) => (l.lineId === lineId ? l.quantity : 0));
  // Units that left under this shipment beyond what it was asked for are no longer awaited from another one.
  const surplus: LineQuantity[] = [];
  const changed = onLines(state, lines, (line, quantity) => {
    const left = take(line, quantity, ['reserved', 'backordered', 'pending', 'cancelled']);
    const asked = line.requested - Math.min(quantity, askedFor(line.lineId));
    if (asked > left.reserved) surplus.push({ lineId: line.lineId, quantity: asked - left.reserved });
    return {
      ...left,
      dispatched: line.dispatched + quantity,
      charged: line.charged + chargeable(state, line, quantity),
      requested: Math.min(asked, left.reserved),
      held: line.held === null ? null : Math.max(0, line.held - quantity),
    };
  });
  const own = mapWhere(
    state.shipments,
    (s) => s.shipmentId === data.shipmentId,
    (s) => ({ ...s, open: without(s.open, lines) }),
  );
  const shipments = surplus.length === 0 ? own : withoutSurplus(own, surplus);
  return {
    ...unlessAnswered(state, shipments),
    shipments,
    lines: changed,
    parcels: [
      ...state.parcels,
      drawnOn(state.payment, state.parcels, {
        ...rest,
        lines,
        dispatchedAt: at,
        capture: data.amountMinor > 0 ? 'due' : 'none',
      }),
    ],
    since: { ...state.since, shipment: at, delivery: at },
  };
};

/** Of `quantity` units that leave, those that are paid for: units that had been cancelled go free. */
export const chargeable = (state: OrderState, line: Line, quantity: number): number =>
  state.cancelled ? 0 : Math.min(quantity, waiting(line));

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

const change = (state: OrderState, event: Stamped<OrderEvent>): OrderState => {
  const { at } = event.meta;
  const moved = (...steps: Step[]) => ({
    since: { ...state.since, ...Object.fromEntries(steps.map((step) => [step, at])) },
  });
  switch (event.type) {
    case 'OrderPlaced':
      return placed(state, event.data, at);
    case 'StockReserved':
      return {
        ...state,
        ...moved('stock'),
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
        ...moved('stock'),
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
        ...moved('stock'),
        lines: state.lines.map((line) => ({ ...line, held: holds.get(line.lineId) ?? line.held })),
      };
    }
    case 'PaymentActionRequired':
      return {
        ...state,
        ...moved('payment'),
        payment: {
          ...state.payment,
          state: 'action_required',
          attempt: event.data.attempt,
          actionUrl: event.data.url,
        },
      };
    case 'PaymentAuthorized': {
      const payment = authorized(state.payment, event.data);
      return { ...state, ...moved('payment'), payment, parcels: dueAgain(payment, state.parcels) };
    }
    case 'PaymentDeclined':
      return {
        ...state,
        ...moved('payment'),
        payment: endAttempt(
          { ...state.payment, attempt: event.data.attempt, declined: event.data.sentence },
          'declined',
        ),
      };
    case 'PaymentAuthorizationExpired':
      return {
        ...state,
        ...moved('payment'),
        payment: endAuthorization(state.payment, event.data.authorizationId, 'expired'),
      };
    case 'PaymentRetryRequested': {
      const { actionUrl: _url, declined: _declined, token: _token, ...payment } = state.payment;
      const { attempt, token } = event.data;
      return {
        ...state,
        ...moved('payment'),
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
      return { ...state, ...moved('shipment'), confirmedAt: at };
    case 'OrderHeld':
      return {
        ...state,
        heldSince: state.heldSince ?? at,
        holds: [...state.holds, { ...event.data, since: at }],
      };
    case 'OrderReleased':
      return holdEnded(state, event.data.hold, at);
    case 'ShippingAddressChanged':
      return { ...state, ...event.data };
    case 'LinesCancelled':
      return { ...state, lines: onLines(state, event.data.lines, cancelUnits) };
    case 'CancellationRequested':
      return { ...state, cancellationRequested: { at, reason: event.data.reason } };
    case 'OrderCancelled': {
      const { cancellationRequested: _answered, ...others } = state;
      return {
        ...others,
        cancelled: { at, reason: event.data.reason },
        lines: state.lines.map((line) => cancelUnits(line, line.pending + line.reserved + line.backordered)),
      };
    }
    case 'ShipmentRequested':
      return {
        ...state,
        ...moved('shipment'),
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
        (s) => ({ ...s, open: [], failed: reason }),
      );
      return {
        ...unlessAnswered(state, shipments),
        ...moved('shipment'),
        shipments,
        lines: onLines(state, open, (line, quantity) => ({ ...line, requested: line.requested - quantity })),
      };
    }
    case 'ShipmentDispatched':
      return dispatched(state, event.data, at);
    case 'ShipmentDelivered':
      return {
        ...state,
        ...moved('delivery'),
        parcels: mapWhere(
          state.parcels,
          (p) => p.parcelId === event.data.parcelId,
          (p) => ({ ...p, deliveredAt: at }),
        ),
      };
    case 'PaymentCaptured': {
      const { authorizationId, parcelId, amountMinor } = event.data;
      return {
        ...state,
        ...moved('payment'),
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
        ...moved('payment'),
        parcels: mapWhere(
          state.parcels,
          (p) => p.parcelId === event.data.parcelId,
          (p) => captureFailed(state.payment, state.parcels, p),
        ),
      };
    case 'PaymentVoided':
      return {
        ...state,
        ...moved('payment'),
        payment:
          event.data.authorizationId === undefined
            ? endAttempt(state.payment, 'voided')
            : endAuthorization(state.payment, event.data.authorizationId, 'voided'),
      };
    case 'ReturnRequested':
      return {
        ...state,
        ...moved('return'),
        returns: [...state.returns, { ...event.data, requestedAt: at }],
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
        ...moved('return'),
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
        ...moved('refund'),
        refunds: [...state.refunds, { ...event.data, state: 'requested' }],
      };
    case 'PaymentRefunded':
      return {
        ...state,
        ...moved('refund'),
        refunds: mapWhere(
          state.refunds,
          (r) => r.refundId === event.data.refundId,
          (r) => ({ ...r, state: 'refunded' }),
        ),
      };
    case 'RefundFailed':
      return {
        ...state,
        ...moved('refund'),
        refunds: mapWhere(
          state.refunds,
          (r) => r.refundId === event.data.refundId,
          (r) => ({ ...r, state: 'failed' }),
        ),
      };
    case 'CustomerNotified':
      return { ...state, notified: [...state.notified, event.data.notificationId] };
    case 'OrderClosed':
      return { ...state, closedAt: at };
    default: {
      const never: never = event;
      throw new Error(`unknown event ${(never as OrderEvent).type}`);
    }
  }
};

/** The order after `event`. A late fact (a capture, goods that come back) opens a closed order again. */
export const evolve = (state: OrderState, event: Stamped<OrderEvent>): OrderState => {
  const revision = state.revision + 1;
  const next = {
    ...change(state, event),
    revision,
    updatedAt: event.meta.at,
    commands: { ...state.commands, [event.meta.commandId]: revision },
  };
  if (next.closedAt === undefined || (isSettled(next) && event.type !== 'ReturnReceived')) return next;
  const { closedAt: _reopened, ...open } = next;
  return open;
};

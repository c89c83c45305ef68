/** What an order is once its events are folded: plain JSON, so that a view or a snapshot can hold it. */
import type { Sealed } from '../kernel.ts';
import { amountOfFirst, sum } from '../money.ts';
import { NOTHING_REMEMBERED, type Remembered } from '../remembered.ts';
import type { LineQuantity, ShortagePolicy, Totals } from './events.ts';

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

export type Limited = 'address' | 'payment' | 'return';

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
  /** How often a customer or an operator has asked for what an order takes a limited number of times. */
  asked: Readonly<Record<Limited, number>>;
  /** Commands that were carried out, with the revision each led to. */
  commands: Remembered;
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
  asked: { address: 0, payment: 0, return: 0 },
  commands: NOTHING_REMEMBERED,
};

/**
 * What anybody may ask of one order, so that no order grows without end. Cancelling, refunds and what the outside
 * reports have no limit.
 */
export const LIMITS: Readonly<Record<Limited, number>> = { address: 50, payment: 50, return: 200 };
export const mayStillAsk = (state: OrderState, what: Limited): boolean => state.asked[what] < LIMITS[what];

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

/** Of `quantity` units that leave, those that are paid for: units that had been cancelled go free. */
export const chargeable = (state: OrderState, line: Line, quantity: number): number =>
  state.cancelled ? 0 : Math.min(quantity, waiting(line));

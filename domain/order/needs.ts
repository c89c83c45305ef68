/**
 * What an order still needs from the outside, as its state says. Consumers do just this, whatever event woke
 * them: an event that comes twice, or late, finds nothing left to do.
 */
import { dueMinor, openShipments, securedMinor, waiting, type OrderState } from './state.ts';

export type PaymentNeed =
  | Readonly<{ do: 'authorize'; attempt: number; amountMinor: number; token?: string }>
  /**
   * Nothing is left to pay, or it is secured otherwise, while an attempt may be under way: make sure that
   * nothing stays authorized under it.
   */
  | Readonly<{ do: 'abandon'; attempt: number }>
  /** `authorizationId` is undefined when no authorization has enough left. */
  | Readonly<{ do: 'capture'; parcelId: string; amountMinor: number; authorizationId: string | undefined }>
  | Readonly<{ do: 'void'; authorizationId: string }>
  | Readonly<{ do: 'refund'; refundId: string; captureId: string; amountMinor: number }>;

/** The first thing that the order needs from the gateway; undefined when it needs nothing. */
export const paymentNeed = (state: OrderState): PaymentNeed | undefined => {
  const { payment } = state;
  const inProgress = payment.state === 'working' || payment.state === 'action_required';
  const failedCapture = state.parcels.some((parcel) => parcel.capture === 'failed');
  const nothingWaits = state.lines.every((line) => waiting(line) === 0);
  const secured = securedMinor(state) > 0 && securedMinor(state) >= dueMinor(state);
  if (inProgress && !failedCapture && (state.cancelled || secured || (nothingWaits && dueMinor(state) === 0)))
    return { do: 'abandon', attempt: payment.attempt };
  if (payment.state === 'working') {
    return {
      do: 'authorize',
      attempt: payment.attempt,
      amountMinor: payment.askedMinor,
      ...(payment.token === undefined ? {} : { token: payment.token }),
    };
  }
  const parcel = state.parcels.find(({ capture }) => capture === 'due');
  if (parcel)
    return {
      do: 'capture',
      parcelId: parcel.parcelId,
      amountMinor: parcel.amountMinor,
      authorizationId: parcel.authorizationId,
    };
  const current = payment.authorizations.findLast((a) => a.state === 'open');
  const over = state.cancelled !== undefined || nothingWaits;
  const spare = payment.authorizations.find(
    (a) => a.state === 'open' && a.amountMinor > a.capturedMinor && (over || a !== current),
  );
  if (spare) return { do: 'void', authorizationId: spare.authorizationId };
  const refund = state.refunds.find((r) => r.state === 'requested');
  return (
    refund && {
      do: 'refund',
      refundId: refund.refundId,
      captureId: refund.captureId,
      amountMinor: refund.amountMinor,
    }
  );
};

/** `keep`: what the stock shall go on holding for the line. */
export type StockNeed =
  | Readonly<{ do: 'reserve'; lineId: string; sku: string; quantity: number }>
  | Readonly<{ do: 'release'; lineId: string; sku: string; keep: number }>;

/**
 * Reservations to make and to give back; a line whose stock has not answered when it was cancelled may hold
 * some.
 */
export const stockNeeds = (state: OrderState): readonly StockNeed[] =>
  state.lines.flatMap(({ lineId, sku, held, pending, reserved, backordered }): StockNeed[] => {
    if (held === null)
      return pending > 0
        ? [{ do: 'reserve', lineId, sku, quantity: pending }]
        : [{ do: 'release', lineId, sku, keep: 0 }];
    const keep = reserved + backordered;
    return held > keep ? [{ do: 'release', lineId, sku, keep }] : [];
  });

export type WarehouseNeed = Readonly<{ do: 'request' }> | Readonly<{ do: 'cancel'; shipmentId: string }>;

/** Whether the warehouse is to be asked for what is reserved, and which shipments it is to stop. */
export const warehouseNeeds = (state: OrderState): readonly WarehouseNeed[] => {
  if (state.cancellationRequested || state.cancelled)
    return openShipments(state).map(({ shipmentId }) => ({ do: 'cancel', shipmentId }));
  const ready = state.confirmedAt !== undefined && state.holds.length === 0;
  return ready && state.lines.some((line) => line.reserved > line.requested) ? [{ do: 'request' }] : [];
};

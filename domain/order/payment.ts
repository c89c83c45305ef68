/** How an order's payment moves: attempts, authorizations, and which of these a parcel is captured from. */
import { sum } from '../money.ts';
import { plus } from '../plus.ts';
import type { OrderEventData } from './events.ts';
import type { Parcel, Payment } from './state.ts';
import { mapWhere } from './units.ts';

const inProgress = (payment: Payment): boolean =>
  payment.state === 'working' || payment.state === 'action_required';

export const authorized = (payment: Payment, data: OrderEventData['PaymentAuthorized']): Payment => ({
  ...payment,
  // A late answer to an earlier attempt does not answer the one under way.
  state: inProgress(payment) && data.attempt < payment.attempt ? payment.state : 'authorized',
  authorizations: [
    ...payment.authorizations.filter((a) => a.authorizationId !== data.authorizationId),
    {
      authorizationId: data.authorizationId,
      attempt: data.attempt,
      amountMinor: data.amountMinor,
      capturedMinor: 0,
      state: 'open',
    },
  ],
});

/**
 * The parcel with the latest authorization behind its present one that has enough left, parcels that are due
 * from it deducted.
 */
export const drawnOn = (payment: Payment, parcels: readonly Parcel[], parcel: Parcel): Parcel => {
  if (parcel.capture !== 'due') return parcel;
  const tried = payment.authorizations.findIndex((a) => a.authorizationId === parcel.authorizationId);
  const found = payment.authorizations.findLast((a, index) => {
    const promised = sum(parcels, (p) =>
      p.capture === 'due' && p.authorizationId === a.authorizationId && p.parcelId !== parcel.parcelId
        ? p.amountMinor
        : 0,
    );
    return (
      index > tried && a.state === 'open' && a.amountMinor - a.capturedMinor - promised >= parcel.amountMinor
    );
  });
  if (found) return plus(parcel, { authorizationId: found.authorizationId });
  const { authorizationId: _none, ...others } = parcel;
  return others;
};

/** What could not be captured, or had nothing to be captured from, is due from the new authorization. */
export const dueAgain = (payment: Payment, before: readonly Parcel[]): readonly Parcel[] => {
  let parcels = before;
  for (const parcel of before) {
    if (parcel.capture !== 'failed' && (parcel.capture !== 'due' || parcel.authorizationId !== undefined))
      continue;
    const next = drawnOn(payment, parcels, { ...parcel, capture: 'due' });
    parcels = parcels.map((p) => (p === parcel ? next : p));
  }
  return parcels;
};

export const captureFailed = (payment: Payment, parcels: readonly Parcel[], parcel: Parcel): Parcel => {
  const next = drawnOn(payment, parcels, parcel);
  return next.authorizationId === undefined ? { ...parcel, capture: 'failed' } : next;
};

const hasOpen = (payment: Payment): boolean =>
  payment.authorizations.some((a) => a.state === 'open' && a.amountMinor > a.capturedMinor);

/** Ends an authorization; the payment with it, unless another one is open or is being asked for. */
export const endAuthorization = (
  payment: Payment,
  authorizationId: string,
  end: 'voided' | 'expired',
): Payment => {
  const authorizations = mapWhere(
    payment.authorizations,
    (a) => a.authorizationId === authorizationId && a.state === 'open',
    (a) => ({ ...a, state: end }),
  );
  const next = { ...payment, authorizations };
  return payment.state === 'authorized' && !hasOpen(next) ? { ...next, state: end } : next;
};

/** An attempt came to nothing; an earlier one's authorization may have come late and stand. */
export const endAttempt = (payment: Payment, end: 'voided' | 'declined'): Payment => ({
  ...payment,
  state: hasOpen(payment) ? 'authorized' : end,
});

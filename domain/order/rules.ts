/** The rules that hold for an order after every event; a property test and `npm run check` go by these. */
import {
  authorizedMinor,
  capturedMinor,
  isPlaced,
  refundedMinor,
  refundingMinor,
  type OrderState,
} from './state.ts';

/** A sentence for each rule that `state` breaks; empty when all hold. */
export const brokenOrderRules = (state: OrderState): readonly string[] => {
  if (!isPlaced(state)) return ['the stream does not begin with OrderPlaced'];
  const broken: string[] = [];
  for (const line of state.lines) {
    const {
      lineId,
      ordered,
      pending,
      reserved,
      backordered,
      dispatched,
      cancelled,
      returned,
      requested,
      charged,
      held,
    } = line;
    const counts = {
      pending,
      reserved,
      backordered,
      dispatched,
      cancelled,
      returned,
      requested,
      charged,
      held: held ?? 0,
    };
    for (const [name, count] of Object.entries(counts))
      if (!Number.isSafeInteger(count) || count < 0) broken.push(`line ${lineId}: ${name} is ${count}`);
    if (ordered !== pending + reserved + backordered + dispatched + cancelled)
      broken.push(
        `line ${lineId}: ordered ${ordered} ≠ ${pending} pending + ${reserved} reserved + ${backordered} back-ordered + ${dispatched} dispatched + ${cancelled} cancelled`,
      );
    if (returned > dispatched)
      broken.push(`line ${lineId}: returned ${returned} of ${dispatched} dispatched`);
    if (requested > reserved)
      broken.push(`line ${lineId}: the warehouse was asked for ${requested} of ${reserved} reserved`);
    if (charged > dispatched) broken.push(`line ${lineId}: charged ${charged} of ${dispatched} dispatched`);
  }
  const { linesMinor, shippingMinor, discountMinor, taxMinor, totalMinor } = state.totals;
  const gross = state.lines.reduce((total, line) => total + line.ordered * line.unitPriceMinor, 0);
  const net = state.lines.reduce((total, line) => total + line.netMinor, 0);
  if (gross !== linesMinor) broken.push(`lines cost ${gross}, the total says ${linesMinor}`);
  if (net !== linesMinor - discountMinor)
    broken.push(`lines after discount cost ${net}, not ${linesMinor - discountMinor}`);
  if (linesMinor + shippingMinor - discountMinor !== totalMinor)
    broken.push(`${linesMinor} + ${shippingMinor} − ${discountMinor} ≠ ${totalMinor}`);
  if (taxMinor > totalMinor) broken.push(`tax ${taxMinor} is not contained in ${totalMinor}`);
  const [authorized, captured, refunded, refunding] = [
    authorizedMinor(state),
    capturedMinor(state),
    refundedMinor(state),
    refundingMinor(state),
  ];
  if (captured > authorized) broken.push(`captured ${captured} of ${authorized} authorized`);
  if (refunding > captured)
    broken.push(`refunded ${refunded}, ${refunding} with what is asked for, of ${captured} captured`);
  for (const a of state.payment.authorizations)
    if (a.capturedMinor > a.amountMinor)
      broken.push(`authorization ${a.authorizationId}: captured ${a.capturedMinor} of ${a.amountMinor}`);
  const parcels = state.parcels.reduce((total, parcel) => total + parcel.amountMinor, 0);
  if (parcels > totalMinor) broken.push(`parcels are charged ${parcels} of a total of ${totalMinor}`);
  if (state.cancelled && state.lines.some((line) => line.pending + line.reserved + line.backordered > 0))
    broken.push('cancelled, yet units are waiting');
  return broken;
};

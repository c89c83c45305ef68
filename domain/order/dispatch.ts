/** How goods leave: what a parcel changes on lines and shipments, and when a cancellation is answered by it. */
import { sum } from '../money.ts';
import { plus } from '../plus.ts';
import type { LineQuantity, OrderEventData } from './events.ts';
import { drawnOn } from './payment.ts';
import { chargeable, type OrderState, type Shipment } from './state.ts';
import { mapWhere, onLines, take } from './units.ts';

/** A cancellation that the warehouse was asked for is answered once no shipment is open. */
export const unlessAnswered = (state: OrderState, shipments: readonly Shipment[]): OrderState => {
  if (!state.cancellationRequested || shipments.some((s) => s.open.length > 0)) return state;
  const { cancellationRequested: _answered, ...others } = state;
  return others;
};

const without = (open: readonly LineQuantity[], left: readonly LineQuantity[]): LineQuantity[] =>
  open
    .map((line) => ({
      ...line,
      quantity: line.quantity - sum(left, (l) => (l.lineId === line.lineId ? l.quantity : 0)),
    }))
    .filter((line) => line.quantity > 0);

/** Takes `surplus` off what is open, the latest shipment first. */
const withoutSurplus = (
  shipments: readonly Shipment[],
  surplus: readonly LineQuantity[],
): readonly Shipment[] => {
  const left = new Map(surplus.map((line) => [line.lineId, line.quantity]));
  return shipments
    .toReversed()
    .map((shipment) => ({
      ...shipment,
      open: shipment.open.flatMap((line) => {
        const units = Math.min(line.quantity, left.get(line.lineId) ?? 0);
        left.set(line.lineId, (left.get(line.lineId) ?? 0) - units);
        return units === line.quantity ? [] : [{ ...line, quantity: line.quantity - units }];
      }),
    }))
    .toReversed();
};

export const dispatched = (
  state: OrderState,
  data: OrderEventData['ShipmentDispatched'],
  at: string,
): OrderState => {
  const { lines } = data;
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
  const parcel = plus(data, { dispatchedAt: at, capture: data.amountMinor > 0 ? 'due' : 'none' });
  return {
    ...unlessAnswered(state, shipments),
    shipments,
    lines: changed,
    parcels: [...state.parcels, drawnOn(state.payment, state.parcels, parcel)],
    since: plus(state.since, { shipment: at, delivery: at }),
  };
};

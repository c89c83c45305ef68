/** Units of lines and shipments as events move them. */
import type { LineQuantity } from './events.ts';
import type { Line, OrderState, Shipment } from './state.ts';

export const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

export const onLines = (
  state: OrderState,
  changes: readonly LineQuantity[],
  change: (line: Line, quantity: number) => Line,
): readonly Line[] => {
  const quantities = new Map<string, number>();
  for (const { lineId, quantity } of changes)
    quantities.set(lineId, (quantities.get(lineId) ?? 0) + quantity);
  return state.lines.map((line) => {
    const quantity = quantities.get(line.lineId);
    return quantity === undefined ? line : change(line, quantity);
  });
};

/** Takes `quantity` out of the named counts in their order and never below 0. */
export const take = (
  line: Line,
  quantity: number,
  from: readonly ('pending' | 'reserved' | 'backordered' | 'cancelled')[],
): Line => {
  const counts = {
    pending: line.pending,
    reserved: line.reserved,
    backordered: line.backordered,
    cancelled: line.cancelled,
  };
  for (const name of from) {
    const units = Math.min(quantity, counts[name]);
    counts[name] -= units;
    quantity -= units;
  }
  return { ...line, ...counts };
};

export const without = (open: readonly LineQuantity[], left: readonly LineQuantity[]): LineQuantity[] =>
  open
    .map((line) => ({
      ...line,
      quantity: line.quantity - sum(left, (l) => (l.lineId === line.lineId ? l.quantity : 0)),
    }))
    .filter((line) => line.quantity > 0);

/** Takes `surplus` off what is open, the latest shipment first. */
export const withoutSurplus = (
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

export const cancelUnits = (line: Line, quantity: number): Line => ({
  ...take(line, quantity, ['backordered', 'pending', 'reserved']),
  cancelled: line.cancelled + quantity,
});

export const mapWhere = <T>(
  items: readonly T[],
  matches: (item: T) => boolean,
  change: (item: T) => T,
): readonly T[] => items.map((item) => (matches(item) ? change(item) : item));

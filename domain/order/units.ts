/** Units of lines and shipments as events move them. */
import type { LineQuantity } from './events.ts';
import type { Line, OrderState } from './state.ts';

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
  const left: { -readonly [K in keyof Line]: Line[K] } = { ...line };
  for (const name of from) {
    const units = Math.min(quantity, left[name]);
    left[name] -= units;
    quantity -= units;
  }
  return left;
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

/** Which earlier sales a cancellation's rows give back: decided by the file alone, in its order. */
import type { Scratch, ScratchChange } from '../../adapters/sqlite/scratch.ts';
import type { Rejection, Taken } from './row-rules.ts';

/** Units of one line of an order that come back. */
export type Part = Readonly<{ orderId: string; lineId: string; quantity: number }>;
type OpenLine = Readonly<{ orderId: string; lineId: string; priceMinor: number; left: number }>;
export type Matched =
  Readonly<{ ok: true; parts: readonly Part[] }> | Readonly<{ ok: false; rejection: Rejection }>;

const under = (customerId: string, sku: string) => ['line', customerId, sku] as const;

/** What makes a line that was sold one that can be returned. Guests have no name to be found by. */
export const openLine = (sale: Taken, orderId: string, lineId: string): readonly ScratchChange[] => {
  if (sale.customerId === undefined) return [];
  const line: OpenLine = { orderId, lineId, priceMinor: sale.priceMinor, left: sale.quantity };
  return [[[...under(sale.customerId, sale.sku), sale.row], line]];
};

/**
 * Takes the row's units out of the customer's open lines with that SKU: those sold at the row's price first,
 * then the latest first. All of them or none.
 */
export const matchReturn = (scratch: Scratch, { customerId, sku, quantity, priceMinor }: Taken): Matched => {
  if (customerId === undefined)
    return {
      ok: false,
      rejection: { code: 'no_customer', sentence: 'A guest gives back; whose order it was cannot be told.' },
    };
  const lines = [...scratch.entries<OpenLine>(under(customerId, sku), { reverse: true })];
  const units = lines.reduce((total, { value }) => total + value.left, 0);
  if (units < quantity) {
    const sentence = `Customer ${customerId} has bought ${units === 0 ? 'none' : `${units}`} of ${sku} that could still come back, not ${quantity}.`;
    return { ok: false, rejection: { code: 'no_earlier_order', sentence } };
  }
  const samePrice = ({ value }: (typeof lines)[number]): boolean => value.priceMinor === priceMinor;
  const parts: Part[] = [];
  const changes: ScratchChange[] = [];
  let wanted = quantity;
  for (const { key, value } of [...lines.filter(samePrice), ...lines.filter((line) => !samePrice(line))]) {
    if (wanted === 0) break;
    const taken = Math.min(wanted, value.left);
    wanted -= taken;
    parts.push({ orderId: value.orderId, lineId: value.lineId, quantity: taken });
    changes.push([key, taken === value.left ? undefined : { ...value, left: value.left - taken }]);
  }
  scratch.write(changes);
  return { ok: true, parts };
};

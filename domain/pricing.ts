/** Shipping and tax of an order: one pure function, for a shop to replace with its own. */
import type { Totals } from './order/events.ts';
import { taxContained } from './money.ts';

/**
 * `taxRate`: 0.2 = 20%, contained in prices and shipping; an order keeps the one it was priced with.
 * `shippingFreeFromMinor`: goods worth this much ship free.
 */
export type PriceRules = Readonly<{
  taxRate: number;
  shippingFlatMinor: number;
  shippingFreeFromMinor: number;
}>;

/** `linesMinor`: what all lines cost together, tax contained. */
export const totalsOf = (
  linesMinor: number,
  { taxRate, shippingFlatMinor, shippingFreeFromMinor }: PriceRules,
): Totals => {
  const shippingMinor = linesMinor >= shippingFreeFromMinor ? 0 : shippingFlatMinor;
  const totalMinor = linesMinor + shippingMinor;
  return {
    linesMinor,
    shippingMinor,
    discountMinor: 0,
    taxMinor: taxContained(totalMinor, taxRate),
    totalMinor,
  };
};

/** Money as integer minor units (pence, cents) of one ISO 4217 currency. */
import { z } from 'zod';

/** A currency as ISO 4217 names it, three capital letters. */
export const Currency = z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as GBP');
export const Money = z.strictObject({ amountMinor: z.int().min(0), currency: Currency });
export type Money = Readonly<z.infer<typeof Money>>;

/** The sum of what `of` says of each item: amounts, units. */
export const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

/**
 * Divides `totalMinor` in proportion to `weights` without losing a unit (largest remainder; ties go to the
 * earlier). Weights are non-negative; when all are 0 the first gets everything. Sum of the result =
 * `totalMinor`. Source: Hamilton's method; the products are taken as BigInt since they pass 2^53.
 */
export const allocate = (totalMinor: number, weights: readonly number[]): number[] => {
  if (totalMinor === 0) return weights.map(() => 0);
  if (weights.length === 0) throw new RangeError('nothing to allocate to');
  const whole = weights.reduce((a, b) => a + b, 0);
  if (whole === 0) return weights.map((_, index) => (index === 0 ? totalMinor : 0));
  const exact = weights.map((weight) => BigInt(totalMinor) * BigInt(weight));
  const shares = exact.map((product) => Number(product / BigInt(whole)));
  const remainders = exact.map((product, index) => ({ index, rest: Number(product % BigInt(whole)) }));
  let left = totalMinor - shares.reduce((a, b) => a + b, 0);
  remainders.sort((a, b) => b.rest - a.rest || a.index - b.index);
  for (const { index } of remainders) {
    if (left-- <= 0) break;
    shares[index] = (shares[index] ?? 0) + 1;
  }
  return shares;
};

/**
 * What the first `units` of `quantity` equal units cost when all of them cost `amountMinor`.
 * Differences of this are the price of the units between, so parts always sum to the whole.
 */
export const amountOfFirst = (units: number, quantity: number, amountMinor: number): number =>
  units >= quantity ? amountMinor : Number((BigInt(amountMinor) * BigInt(units)) / BigInt(quantity));

/** The tax contained in a gross amount at `rate` (0.2 = 20%), rounded half up. */
export const taxContained = (grossMinor: number, rate: number): number => {
  const rateMillionths = Math.round(rate * 1e6);
  return Math.round((grossMinor * rateMillionths) / (1e6 + rateMillionths));
};

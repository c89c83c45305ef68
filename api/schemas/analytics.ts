/** What the analytics answer, and how they are asked for a range of time. */
import { z } from 'zod';
import { Currency } from '../../domain/money.ts';
import { components, Instant, Limit, Sku } from './common.ts';

/** As it was sent: which instant a day begins at depends on the shop's time zone. */
export const ShopTime = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or a day',
  })
  .describe("ISO 8601 time, or a day (YYYY-MM-DD) of the shop's time zone.");
export const BestLimit = Limit.describe('So many of the best: 50 unless asked, 200 at most.');

/** A sum over many orders: it may pass what one order can cost. */
const Sum = z.strictObject({ amountMinor: z.int().min(0), currency: Currency });
const Count = z.int().min(0);
const Day = z.iso.date().describe("A day of the shop's time zone.");
const range = { from: Day.describe('The first day.'), to: Day.describe('The day behind the last.') };

export const SalesPeriod = z
  .strictObject({ start: Instant, orders: Count, units: Count, revenue: Sum, returned: Sum })
  .register(components, {
    id: 'SalesPeriod',
    description:
      'What was ordered from `start` on for a minute, an hour or a day; `returned`: the value of what has come back of it since.',
  });
export const ProductSales = z
  .strictObject({ sku: Sku, name: z.string(), units: Count, revenue: Sum })
  .register(components, {
    id: 'ProductSales',
    description: '`name`: what the SKU was called when it was last ordered in the range.',
  });
export const BestProducts = z
  .strictObject({ ...range, items: z.array(ProductSales) })
  .register(components, { id: 'BestProducts' });

export const FUNNEL_STEPS = [
  'placed',
  'reserved',
  'authorized',
  'confirmed',
  'dispatched',
  'delivered',
] as const;
export const Funnel = z
  .strictObject({
    ...range,
    orders: Count,
    steps: z.array(z.strictObject({ step: z.enum(FUNNEL_STEPS), orders: Count, medianMs: Count.nullable() })),
    cancelled: Count,
    returned: Count,
    oldestUnfinished: z
      .strictObject({ orderId: z.string(), number: z.string(), placedAt: Instant })
      .nullable(),
  })
  .register(components, {
    id: 'Funnel',
    description:
      'Orders placed in the range that have reached each step, if only in part, and the median time (ms, exact to about 5%) since the step before; null where nothing was timed. ' +
      'Stock and payment are asked side by side: both are timed from placing, confirmation from the later of the two. Imported orders are counted but not timed. ' +
      '`cancelled`, `returned`: orders that were cancelled, or of which something came back. `oldestUnfinished` is of the whole shop.',
  });

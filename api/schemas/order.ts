/** Orders as they are asked for and shown. */
import { z } from 'zod';
import { SHORTAGE_POLICIES } from '../../domain/order/events.ts';
import { ACTIONS, STATUSES, STEP_STATES } from '../../domain/order/status.ts';
import { Address, components, Contact, Instant, Money, Sku, text } from './common.ts';

const MOST_LINES = 1_000;
/** Units of one line: 1 to 10,000. */
export const Quantity = z.int().min(1).max(10_000);
const Count = z.int().min(0);

export const NewOrder = z
  .strictObject({
    lines: z
      .array(z.strictObject({ sku: Sku, quantity: Quantity }))
      .min(1)
      .max(MOST_LINES),
    contact: Contact,
    shippingAddress: Address,
    payment: z.strictObject({ method: z.literal('card'), token: text(200).optional() }),
    onShortage: z.enum(SHORTAGE_POLICIES).optional(),
    expectedTotal: Money.optional(),
  })
  .register(components, { id: 'NewOrder' });

export const LineQuantities = z
  .array(z.strictObject({ lineId: text(200), quantity: Quantity }))
  .min(1)
  .max(MOST_LINES);

const Total = z
  .strictObject({
    amountMinor: Count,
    currency: z.string(),
    linesMinor: Count,
    shippingMinor: Count,
    discountMinor: Count,
    taxMinor: Count,
  })
  .register(components, {
    id: 'Total',
    description: 'lines + shipping − discount; the tax is contained in it.',
  });

export const PlacedOrder = z
  .strictObject({
    orderId: z.uuid(),
    number: z.string(),
    status: z.literal('placed'),
    revision: Count,
    position: z.string(),
    total: Total,
  })
  .register(components, { id: 'PlacedOrder' });

export const CommandAnswer = z
  .strictObject({ orderId: z.uuid(), status: z.enum(STATUSES), revision: Count, position: z.string() })
  .register(components, {
    id: 'CommandAnswer',
    description: '`revision`: what the command led to, also when it is repeated.',
  });

const LineCount = z.strictObject({ lineId: z.string(), quantity: Count });
/** What is shown where personal data was erased. */
const Erased = z.literal('[erased]');
const shown = {
  orderId: z.string(),
  number: z.string(),
  customerId: z.string(),
  status: z.enum(STATUSES),
  steps: z.array(
    z.strictObject({
      step: z.enum(['stock', 'payment', 'shipment', 'delivery', 'return', 'refund']),
      state: z.enum(STEP_STATES),
      since: Instant.optional(),
      expectedBy: Instant.optional(),
      sentence: z.string(),
      actions: z.array(z.enum(ACTIONS)),
    }),
  ),
  lines: z.array(
    z.strictObject({
      lineId: z.string(),
      sku: z.string(),
      name: z.string(),
      quantity: Count,
      unitPrice: Money,
      reserved: Count,
      backordered: Count,
      dispatched: Count,
      cancelled: Count,
      returned: Count,
    }),
  ),
  total: Total,
  captured: Money,
  refunded: Money,
  shipments: z.array(
    z.strictObject({
      shipmentId: z.string(),
      parcelId: z.string(),
      lines: z.array(LineCount.extend({ unheld: Count.optional() })),
      carrier: z.string().optional(),
      trackingNumber: z.string().optional(),
      dispatchedAt: Instant,
      deliveredAt: Instant.optional(),
    }),
  ),
  returns: z.array(
    z.strictObject({
      returnId: z.string(),
      lines: z.array(LineCount),
      reason: z.string(),
      requestedAt: Instant,
      receivedAt: Instant.optional(),
    }),
  ),
  placedAt: Instant,
  updatedAt: Instant,
  revision: Count,
  position: z.string(),
  source: z.enum(['view', 'stream']),
} as const;

export const OrderSummary = z
  .strictObject(shown)
  .register(components, { id: 'OrderSummary', description: 'A status document without personal data.' });
// Stored personal data is shown as it was stored, also by other versions and imports: looser than what is
// taken in.
const ShownAddress = z.strictObject({
  name: z.string(),
  line1: z.string(),
  line2: z.string().optional(),
  city: z.string(),
  region: z.string().optional(),
  postcode: z.string(),
  country: z.string(),
});
const ShownContact = z.strictObject({ name: z.string(), email: z.string(), phone: z.string().optional() });
export const StatusDocument = z
  .strictObject({
    ...shown,
    shippingAddress: z.union([ShownAddress, Erased, z.null()]),
    contact: z.union([ShownContact, Erased, z.null()]),
  })
  .register(components, {
    id: 'StatusDocument',
    description: '"[erased]" where personal data was erased, null where it was never known.',
  });

export const HistoryItem = z
  .strictObject({
    id: z.uuid(),
    type: z.string(),
    schema: z.int().min(1),
    revision: Count,
    position: z.string(),
    data: z.record(z.string(), z.unknown()),
    meta: z.looseObject({
      at: Instant,
      recordedAt: Instant,
      origin: z.enum(['live', 'import']),
      actor: z.strictObject({ id: z.string(), role: z.string() }),
      commandId: z.string(),
      previousHash: z.string(),
    }),
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe(
        "SHA-256 over the canonical JSON of the event as it is stored; the next event's meta.previousHash.",
      ),
  })
  .register(components, { id: 'HistoryItem' });

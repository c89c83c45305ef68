/**
 * What can have happened to an order, as it is stored. Shapes that have shipped never change: add a version,
 * an upcaster and a golden sample, as OrderPlaced shows.
 */
import { z } from 'zod';
import {
  Sealed,
  upcast,
  v1,
  type DataOf,
  type EventEnvelope,
  type EventSchemas,
  type EventsOf,
} from '../kernel.ts';
import { Currency } from '../money.ts';

const Instant = z.iso.datetime();
const Minor = z.int().min(0);
const Quantity = z.int().min(1);
const Id = z.string().min(1).max(200);
const Reason = z.string().min(1).max(500);
const LineQuantity = z.strictObject({ lineId: Id, quantity: Quantity });
const LineQuantities = z.array(LineQuantity).min(1).readonly();
export type LineQuantity = Readonly<z.infer<typeof LineQuantity>>;

export const SHORTAGE_POLICIES = ['cancelOrder', 'cancelLines', 'backorder'] as const;
export type ShortagePolicy = (typeof SHORTAGE_POLICIES)[number];

const OrderLine = z.strictObject({
  lineId: Id,
  sku: Id,
  name: z.string(),
  quantity: Quantity,
  unitPriceMinor: Minor,
});
export type OrderLine = Readonly<z.infer<typeof OrderLine>>;

/** lines + shipping − discount = total; the tax is contained in the total. */
const Totals = z.strictObject({
  linesMinor: Minor,
  shippingMinor: Minor,
  discountMinor: Minor,
  taxMinor: Minor,
  totalMinor: Minor,
});
export type Totals = Readonly<z.infer<typeof Totals>>;

/** Version 1 had the amount of the tax alone. */
const OrderPlacedV1 = z.strictObject({
  orderId: z.uuid(),
  customerId: Id,
  currency: Currency,
  lines: z.array(OrderLine).min(1),
  totals: Totals,
  onShortage: z.enum(SHORTAGE_POLICIES),
  contact: Sealed.exactOptional(),
  shippingAddress: Sealed.exactOptional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .exactOptional(),
  payment: z.strictObject({ method: z.literal('card'), token: z.string().exactOptional() }),
  requestHash: z.string().exactOptional(),
  expiresAt: Instant,
});
/**
 * `taxRate`: the share (0.2 = 20%) of the price before tax that the order was priced with, whatever the rate
 * is today. `country` (ISO 3166-1 alpha-2) stands in the clear for tax and figures: alone it names nobody.
 * `requestHash`: keyed hash of the checkout's body, which recognises a repeat; it is worth nothing once the
 * key is erased.
 */
const OrderPlaced = OrderPlacedV1.extend({ taxRate: z.number().min(0).max(1) });

/**
 * The rate that the amounts show, to 4 decimals: those of a small order are rounded to whole minor units, so
 * it can be off.
 */
const taxRateShown = ({ taxMinor, totalMinor }: Totals): number => {
  if (taxMinor === 0) return 0;
  const netMinor = totalMinor - taxMinor;
  // A penny can be all tax by rounding; no configured rate is above 1.
  return netMinor <= 0 ? 1 : Math.min(1, Math.round((taxMinor / netMinor) * 1e4) / 1e4);
};

export const ORDER_EVENTS = {
  OrderPlaced: {
    version: 2,
    data: OrderPlaced,
    older: { 1: OrderPlacedV1 },
    upcasters: {
      1: (old: z.infer<typeof OrderPlacedV1>): z.infer<typeof OrderPlaced> => ({
        ...old,
        taxRate: taxRateShown(old.totals),
      }),
    },
  },
  /** `from: 'backorder'`: stock that has arrived for units that were waiting. */
  StockReserved: v1(z.strictObject({ from: z.enum(['pending', 'backorder']), lines: LineQuantities })),
  /** Units that were not there; what becomes of them follows from the order's shortage policy. */
  StockShort: v1(z.strictObject({ resolution: z.enum(['cancelled', 'backordered']), lines: LineQuantities })),
  /** What the stock has let go (0: it held nothing) and what it still holds for the line. */
  StockReleased: v1(
    z.strictObject({
      lines: z.array(z.strictObject({ lineId: Id, quantity: Minor, holds: Minor })).min(1),
    }),
  ),
  PaymentActionRequired: v1(z.strictObject({ attempt: Quantity, authorizationId: Id, url: z.string() })),
  PaymentAuthorized: v1(
    z.strictObject({
      attempt: Quantity,
      authorizationId: Id,
      amountMinor: Minor,
      expiresAt: Instant.exactOptional(),
    }),
  ),
  PaymentDeclined: v1(z.strictObject({ attempt: Quantity, code: Id, sentence: z.string() })),
  PaymentAuthorizationExpired: v1(z.strictObject({ authorizationId: Id })),
  /** The customer tries again, with another card or after an action: attempt n + 1. */
  PaymentRetryRequested: v1(z.strictObject({ attempt: Quantity, token: z.string().exactOptional() })),
  OrderConfirmed: v1(z.strictObject({})),
  /** `hold`: who holds it (operator, fraud); an order can be held by several at once. */
  OrderHeld: v1(z.strictObject({ hold: Id, reason: Reason })),
  OrderReleased: v1(z.strictObject({ hold: Id, reason: Reason })),
  ShippingAddressChanged: v1(
    z.strictObject({
      shippingAddress: Sealed,
      country: z
        .string()
        .regex(/^[A-Z]{2}$/)
        .exactOptional(),
    }),
  ),
  LinesCancelled: v1(z.strictObject({ lines: LineQuantities, reason: Reason })),
  CancellationRequested: v1(z.strictObject({ reason: Reason })),
  OrderCancelled: v1(z.strictObject({ reason: Reason })),
  ShipmentRequested: v1(z.strictObject({ shipmentId: Id, lines: LineQuantities })),
  ShipmentFailed: v1(z.strictObject({ shipmentId: Id, reason: Reason })),
  /**
   * `amountMinor`: what this parcel is charged; shipping goes with the first, units that were cancelled are
   * free. `unheld`: units of the line that the stock no longer held for the order when they left (a late
   * dispatch).
   */
  ShipmentDispatched: v1(
    z.strictObject({
      shipmentId: Id,
      parcelId: Id,
      lines: z
        .array(LineQuantity.extend({ unheld: Quantity.exactOptional() }))
        .min(1)
        .readonly(),
      amountMinor: Minor,
      carrier: z.string().exactOptional(),
      trackingNumber: z.string().exactOptional(),
    }),
  ),
  ShipmentDelivered: v1(z.strictObject({ shipmentId: Id, parcelId: Id })),
  PaymentCaptured: v1(
    z.strictObject({ captureId: Id, authorizationId: Id, parcelId: Id, amountMinor: Minor }),
  ),
  PaymentCaptureFailed: v1(z.strictObject({ parcelId: Id, code: Id, sentence: z.string() })),
  /** `authorizationId` is missing when an attempt was given up before anything was authorized. */
  PaymentVoided: v1(
    z.strictObject({
      authorizationId: Id.exactOptional(),
      attempt: Quantity.exactOptional(),
      amountMinor: Minor,
    }),
  ),
  ReturnRequested: v1(z.strictObject({ returnId: Id, lines: LineQuantities, reason: Reason })),
  ReturnReceived: v1(z.strictObject({ returnId: Id, lines: LineQuantities, restock: z.boolean() })),
  RefundRequested: v1(
    z.strictObject({
      refundId: Id,
      captureId: Id,
      amountMinor: Quantity,
      reason: Reason,
      returnId: Id.exactOptional(),
    }),
  ),
  PaymentRefunded: v1(z.strictObject({ refundId: Id, captureId: Id, amountMinor: Quantity })),
  RefundFailed: v1(z.strictObject({ refundId: Id, code: Id, sentence: z.string() })),
  CustomerNotified: v1(z.strictObject({ notificationId: Id, kind: Id, messageId: Id })),
  OrderClosed: v1(z.strictObject({ outcome: z.enum(['delivered', 'cancelled', 'returned']) })),
} as const satisfies EventSchemas;
export type OrderEventData = DataOf<typeof ORDER_EVENTS>;
export type OrderEvent = EventsOf<typeof ORDER_EVENTS>;
export type OrderEventType = OrderEvent['type'];

/** An order's stored event in the current version. */
export const orderEvent = (event: EventEnvelope): EventEnvelope<OrderEvent> =>
  upcast<OrderEvent>(ORDER_EVENTS, event);

export const orderStream = (orderId: string): string => `order-${orderId}`;

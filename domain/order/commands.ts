/** What can be asked of an order, and what the outside reports to it. */
import type { Refusal, Sealed } from '../kernel.ts';
import type { LineQuantity, OrderEventData } from './events.ts';

type Commands = {
  PlaceOrder: OrderEventData['OrderPlaced'];
  CancelOrder: { reason: string };
  CancelLines: { lines: readonly LineQuantity[]; reason: string };
  ChangeShippingAddress: { shippingAddress: Sealed; country?: string };
  RequestReturn: { returnId: string; lines: readonly LineQuantity[]; reason: string };
  RetryPayment: { token?: string };
  HoldOrder: { hold: string; reason: string };
  ReleaseOrder: { hold: string; reason: string };
  RequestRefund: { refundId: string; amountMinor: number; currency: string; reason: string };
  /** Cancels an order that was not confirmed in time; does nothing (and says so) before its time. */
  ExpireOrder: Record<string, never>;

  /** What the stock answered: per line reserved + backordered + short = what was pending. */
  RecordStock: { lines: readonly { lineId: string; reserved: number; backordered: number; short: number }[] };
  RecordBackorderFilled: { lineId: string; quantity: number };
  /** `quantity` was let go, `holds` is what the stock still holds for the line. */
  RecordRelease: { lines: readonly { lineId: string; quantity: number; holds: number }[] };

  RecordAuthorization: { attempt: number; authorizationId: string; amountMinor: number; expiresAt?: string };
  RecordActionRequired: { attempt: number; authorizationId: string; url: string };
  RecordDecline: { attempt: number; code: string; sentence: string };
  RecordAuthorizationExpired: { authorizationId: string };
  RecordCapture: { captureId: string; authorizationId: string; parcelId: string; amountMinor: number };
  RecordCaptureFailure: { parcelId: string; code: string; sentence: string };
  RecordVoid: { authorizationId: string };
  /** An attempt was given up at the gateway with nothing authorized. */
  RecordAbandoned: { attempt: number };
  RecordRefund: { refundId: string };
  RecordRefundFailure: { refundId: string; code: string; sentence: string };

  /** Asks for everything that is reserved and not yet asked for. */
  RequestShipment: Record<string, never>;
  RecordShipmentFailure: { shipmentId: string; reason: string };
  RecordDispatch: {
    shipmentId: string;
    parcelId: string;
    lines: readonly LineQuantity[];
    carrier?: string;
    trackingNumber?: string;
  };
  RecordDelivery: { shipmentId: string; parcelId: string };
  RecordReturnReceived: { returnId: string; lines: readonly LineQuantity[]; restock: boolean };
  RecordNotification: { notificationId: string; kind: string; messageId: string };
};

export type OrderCommandType = keyof Commands;
export type OrderCommand = {
  [T in OrderCommandType]: Readonly<{ type: T; data: Readonly<Commands[T]> }>;
}[OrderCommandType];

export const REFUSALS = [
  'order_not_found',
  'idempotency_key_reused',
  'invalid_order',
  'already_shipped',
  'already_cancelled',
  'at_warehouse',
  'unknown_line',
  'not_cancellable',
  'not_returnable',
  'payment_in_progress',
  'already_paid',
  'too_many_address_changes',
  'too_many_payments',
  'too_many_returns',
  'already_held',
  'not_held',
  'not_confirmed',
  'not_due',
  'currency_mismatch',
  'exceeds_captured',
  'exceeds_authorized',
  'unknown_authorization',
  'unknown_refund',
  'unknown_shipment',
  'unknown_parcel',
  'more_than_ordered',
  'more_than_dispatched',
] as const;
export type OrderRefusal = Refusal<(typeof REFUSALS)[number]>;

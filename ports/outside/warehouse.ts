import type { Listening } from '../consumer.ts';

export type ParcelLine = Readonly<{ lineId: string; sku: string; quantity: number }>;

/** What the warehouse tells, once or more often. `newsId` is the same when it is told again. */
export type WarehouseNews = Readonly<{ newsId: string; orderId: string; at: string }> &
  (
    | Readonly<{
        kind: 'dispatched';
        shipmentId: string;
        parcelId: string;
        lines: readonly Omit<ParcelLine, 'sku'>[];
        carrier?: string;
        trackingNumber?: string;
      }>
    | Readonly<{ kind: 'delivered'; shipmentId: string; parcelId: string }>
    | Readonly<{ kind: 'failed'; shipmentId: string; reason: string }>
    | Readonly<{
        kind: 'return_received';
        returnId: string;
        lines: readonly Omit<ParcelLine, 'sku'>[];
        restock: boolean;
      }>
  );

/** Takes one piece of news; when it throws, the same news comes again later. */
export type Report = (news: WarehouseNews) => Promise<void>;

/**
 * Calls are idempotent by `shipmentId` and `returnId`; failing calls throw OutsideError. What follows comes
 * as news.
 */
export interface Warehouse {
  /** `address` is null when it was erased or never known. */
  requestShipment(
    call: Readonly<{ shipmentId: string; orderId: string; lines: readonly ParcelLine[]; address: unknown }>,
  ): Promise<Readonly<{ outcome: 'accepted' }> | Readonly<{ outcome: 'refused'; reason: string }>>;
  /** 'too_late': it has left, or leaves; its news follow. */
  cancelShipment(
    call: Readonly<{ shipmentId: string; orderId: string }>,
  ): Promise<Readonly<{ outcome: 'cancelled' | 'too_late' }>>;
  /** Announces goods on their way back. */
  expectReturn(
    call: Readonly<{ returnId: string; orderId: string; lines: readonly ParcelLine[] }>,
  ): Promise<void>;
  /** Where it tells its news by itself; another posts them to a webhook. */
  listen?(report: Report): Listening;
}

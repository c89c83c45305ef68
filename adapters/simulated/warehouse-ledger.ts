/** The books of the simulated warehouse: what it was asked, what it did, and what it has yet to do and tell. */
import type { ParcelLine } from '../../ports/outside/warehouse.ts';
import { valuesOf, type Ledger } from './ledger.ts';
import { asOutage } from './unreliable.ts';

/**
 * Times are ISO 8601. A cancellation of a shipment that was never asked for leaves a record without lines or
 * `requestedAt`.
 */
export type ShipmentRecord = Readonly<{
  shipmentId: string;
  orderId: string;
  lines: readonly ParcelLine[];
  state: 'pending' | 'dispatched' | 'delivered' | 'cancelled' | 'refused';
  requestedAt?: string;
  dispatchedAt?: string;
  deliveredAt?: string;
  cancelledAt?: string;
  /** Why it was refused. */
  reason?: string;
}>;
export type ReturnRecord = Readonly<{
  returnId: string;
  orderId: string;
  lines: readonly ParcelLine[];
  state: 'expected' | 'received';
  expectedAt: string;
  receivedAt?: string;
}>;

export type WarehouseLedger = Readonly<{
  shipment(shipmentId: string): ShipmentRecord | undefined;
  return(returnId: string): ReturnRecord | undefined;
  /** In the order of ids. */
  shipments(): AsyncIterable<ShipmentRecord>;
  returns(): AsyncIterable<ReturnRecord>;
  /** How many things it has yet to do or to tell. */
  pending(): number;
}>;

/** A thing to do at a time, and to tell of: `attempts` so far to tell it. */
export type Due = Readonly<{
  newsId: string;
  dueMs: number;
  does: 'dispatch' | 'deliver' | 'receive';
  id: string;
  attempts: number;
}>;

export type WarehouseBooks = Readonly<{
  shipment(id: string): ShipmentRecord | undefined;
  return(id: string): ReturnRecord | undefined;
  saveShipment(shipment: ShipmentRecord): void;
  saveReturn(record: ReturnRecord): void;
  isDue(due: Due): boolean;
  add(due: Due): void;
  remove(due: Due): void;
}>;

/** The books in `kept`, which has them to itself. */
export const warehouseBooks = (kept: Ledger, provider: string) => {
  const shipments = kept.table<ShipmentRecord>('shipments');
  const returns = kept.table<ReturnRecord>('returns');
  /** By time, so that one loop can wait for all of them. */
  const dues = kept.table<Due>('due');

  const books: WarehouseBooks = {
    shipment: (id) => shipments.get(id),
    return: (id) => returns.get(id),
    saveShipment: (shipment) => shipments.put(shipment.shipmentId, shipment),
    saveReturn: (record) => returns.put(record.returnId, record),
    isDue: ({ dueMs, newsId }) => dues.get([dueMs, newsId]) !== undefined,
    add: (due) => dues.put([due.dueMs, due.newsId], due),
    remove: ({ dueMs, newsId }) => dues.remove([dueMs, newsId]),
  };

  const ledger: WarehouseLedger = {
    shipment: (id) => shipments.get(id),
    return: (id) => returns.get(id),
    shipments: () => valuesOf(shipments),
    returns: () => valuesOf(returns),
    pending: () => dues.count(),
  };

  return {
    ledger,
    /** Reads and writes as one: nothing of another process comes between. Resolves when committed. */
    change: <T>(act: (books: WarehouseBooks) => T): Promise<T> =>
      kept.transaction(() => act(books)).catch(asOutage(provider)),
    /** The first `limit` things to do, the earliest first. */
    first: (limit: number): readonly Due[] => dues.range({ limit }).map(({ value }) => value),
  };
};

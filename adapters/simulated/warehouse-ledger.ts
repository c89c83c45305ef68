/**
 * The books of the simulated warehouse: what it was asked, what it did, and what it has yet to do and tell,
 * on disk.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { ParcelLine } from '../../ports/warehouse.ts';
import { asOutage, pages } from './unreliable.ts';

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

/** Opens the books in an LMDB environment of their own under `folder`. */
export const openWarehouseLedger = (folder: string, provider: string) => {
  const path = join(folder, 'warehouse');
  mkdirSync(path, { recursive: true });
  const root = open({ path, maxDbs: 8 });
  const shipments = root.openDB<ShipmentRecord, string>({ name: 'shipments' });
  const returns = root.openDB<ReturnRecord, string>({ name: 'returns' });
  /** By time, so that one loop can wait for all of them. */
  const dues = root.openDB<Due, [number, string]>({ name: 'due' });

  const books: WarehouseBooks = {
    shipment: (id) => shipments.get(id),
    return: (id) => returns.get(id),
    saveShipment: (shipment) => void shipments.put(shipment.shipmentId, shipment),
    saveReturn: (record) => void returns.put(record.returnId, record),
    isDue: ({ dueMs, newsId }) => dues.doesExist([dueMs, newsId]),
    add: (due) => void dues.put([due.dueMs, due.newsId], due),
    remove: ({ dueMs, newsId }) => void dues.remove([dueMs, newsId]),
  };

  const ledger: WarehouseLedger = {
    shipment: (id) => shipments.get(id),
    return: (id) => returns.get(id),
    shipments: () => pages(shipments),
    returns: () => pages(returns),
    pending: () => (dues.getStats() as { entryCount: number }).entryCount,
  };

  return {
    ledger,
    /** Reads and writes as one: nothing of another process comes between. Resolves when committed. */
    change: <T>(act: (books: WarehouseBooks) => T): Promise<T> =>
      root.transaction(() => act(books)).catch(asOutage(provider)),
    /** The first `limit` things to do, the earliest first. */
    first(limit: number): readonly Due[] {
      dues.resetReadTxn();
      return [...dues.getRange({ limit })].map(({ value }) => value);
    },
    close: (): Promise<void> => root.close(),
  };
};

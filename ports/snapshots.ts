export type Snapshot = Readonly<{ revision: number; state: unknown; previousHash: string; at: string }>;

/**
 * Folded states of long streams: a cache, losing it changes nothing. `shape` names the state's version; another one, and
 * that of another event store, finds nothing.
 */
export interface Snapshots {
  get(stream: string, shape: string): Promise<Snapshot | undefined>;
  save(stream: string, shape: string, snapshot: Snapshot): Promise<void>;
}

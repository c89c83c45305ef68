/**
 * Who does what there may be one of. `token` counts the holders so far, `beat` the renewals of this one; `holder` is
 * empty once it has given it back.
 */
export type Lease = Readonly<{ name: string; holder: string; token: number; beat: number }>;

/**
 * Carried by a write of who holds a lease: what it writes to keeps the highest token of each lease that it has seen, and
 * refuses lower ones. A holder that was paused and has been replaced cannot write any more.
 */
export type Fence = Readonly<{ lease: string; token: number }>;

/**
 * Each write is compare-and-set and durable when it resolves. There is no clock in it: who wants the lease watches it
 * with a clock of its own.
 */
export interface Leases {
  read(name: string): Promise<Lease | undefined>;
  /** Makes `holder` the one, if the lease still is `seen` (undefined: nobody ever held it); undefined if it is not. */
  take(name: string, holder: string, seen: Lease | undefined): Promise<Lease | undefined>;
  /** Undefined when it is another's by now. */
  renew(held: Lease): Promise<Lease | undefined>;
  /** Gives it back; nothing happens when it is another's by now. */
  release(held: Lease): Promise<void>;
}

/** Where a simulated provider keeps its books: tables of JSON values in the order of their keys. */

/** Tuples are compared part by part; numbers before texts. */
export type LedgerKey = string | readonly (string | number)[];
export type LedgerEntry<V> = Readonly<{ key: LedgerKey; value: V }>;
/** `after`: exclusive. `prefix`: the first parts of the tuples wanted. `limit`: entries at most. */
export type LedgerRange = Readonly<{
  prefix?: readonly (string | number)[];
  after?: LedgerKey;
  limit?: number;
}>;

export type LedgerTable<V> = Readonly<{
  get(key: LedgerKey): V | undefined;
  put(key: LedgerKey, value: V): void;
  remove(key: LedgerKey): void;
  /** As it is now, other processes' writes included. */
  range(range: LedgerRange): readonly LedgerEntry<V>[];
  count(): number;
}>;

/** Small enough for a map in memory, a file or a server: the books of a bank that does not exist. */
export type Ledger = Readonly<{
  table<V>(name: string): LedgerTable<V>;
  /**
   * Reads and writes as one: nothing of another process comes between. Resolves when it is kept. What `act` wrote
   * before it threw may stay.
   */
  transaction<T>(act: () => T): Promise<T>;
  close(): Promise<void>;
}>;

const PAGE = 1_000;

/** All values of a table in the order of their keys, a page in memory at a time. */
export async function* valuesOf<V>(table: LedgerTable<V>): AsyncGenerator<V> {
  for (let after: LedgerKey | undefined; ;) {
    const page = table.range({ limit: PAGE, ...(after === undefined ? {} : { after }) });
    for (const { value } of page) yield value;
    if (page.length < PAGE) return;
    after = page.at(-1)?.key;
  }
}

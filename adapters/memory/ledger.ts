import type { Ledger, LedgerEntry, LedgerKey, LedgerTable } from '../simulated/ledger.ts';

const partsOf = (key: LedgerKey): readonly (string | number)[] => (typeof key === 'string' ? [key] : key);
const compareParts = (a: string | number | undefined, b: string | number | undefined): number => {
  if (a === b) return 0;
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : 1;
};
const compare = (a: LedgerKey, b: LedgerKey): number => {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let n = 0; n < Math.max(left.length, right.length); n++) {
    const order = compareParts(left[n], right[n]);
    if (order !== 0) return order;
  }
  return 0;
};

const memoryTable = <V>(): LedgerTable<V> => {
  const kept = new Map<string, LedgerEntry<V>>();
  let sorted: readonly LedgerEntry<V>[] | undefined;
  const inOrder = (): readonly LedgerEntry<V>[] =>
    (sorted ??= [...kept.values()].sort((a, b) => compare(a.key, b.key)));
  return {
    get: (key) => kept.get(JSON.stringify(key))?.value,
    put(key, value) {
      kept.set(JSON.stringify(key), { key, value });
      sorted = undefined;
    },
    remove(key) {
      if (kept.delete(JSON.stringify(key))) sorted = undefined;
    },
    range: ({ prefix = [], after, limit = Infinity }) =>
      inOrder()
        .filter(
          ({ key }) =>
            prefix.every((part, n) => partsOf(key)[n] === part) &&
            (after === undefined || compare(key, after) > 0),
        )
        .slice(0, limit),
    count: () => kept.size,
  };
};

/** Gone with the process. */
export const memoryLedger = (): Ledger => {
  const tables = new Map<string, LedgerTable<never>>();
  return {
    table<V>(name: string) {
      const table = tables.get(name) ?? memoryTable<never>();
      tables.set(name, table);
      return table as unknown as LedgerTable<V>;
    },
    transaction: async (act) => act(),
    close: async () => undefined,
  };
};

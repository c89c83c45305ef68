import { mkdirSync } from 'node:fs';
import { open } from 'lmdb';
import type { Ledger, LedgerKey } from '../simulated/ledger.ts';

const TABLES = 8;
/** Behind every text that can stand in a key. */
const HIGHEST = '\u{10FFFF}';

type Key = string | (string | number)[];
const own = (key: LedgerKey): Key => (typeof key === 'string' ? key : [...key]);

/** An LMDB environment in `folder`; several processes may share it. Resolved transactions are on disk. */
export const openLmdbLedger = (folder: string): Ledger => {
  mkdirSync(folder, { recursive: true });
  const root = open({ path: folder, maxDbs: TABLES });
  return {
    table<V>(name: string) {
      const table = root.openDB<unknown, Key>({ name });
      return {
        get: (key) => table.get(own(key)) as V | undefined,
        put: (key, value) => void table.put(own(key), value),
        remove: (key) => void table.remove(own(key)),
        range({ prefix, after, limit }) {
          // What other processes have committed by now, and no read transaction held open: it keeps a file growing.
          table.resetReadTxn();
          const start = after === undefined ? prefix && [...prefix] : own(after);
          const range = {
            ...(start === undefined ? {} : { start, exclusiveStart: after !== undefined }),
            ...(prefix === undefined ? {} : { end: [...prefix, HIGHEST] }),
            ...(limit === undefined ? {} : { limit }),
          };
          return [...table.getRange(range)].map(({ key, value }) => ({ key, value: value as V }));
        },
        count: () => (table.getStats() as { entryCount: number }).entryCount,
      };
    },
    transaction: (act) => root.transaction(act),
    close: () => root.close(),
  };
};

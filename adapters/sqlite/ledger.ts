import { StoreUnavailable } from '../../ports/event-store.ts';
import type { Ledger, LedgerEntry, LedgerKey, LedgerRange, LedgerTable } from '../simulated/ledger.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { openFile } from './file.ts';
import { tupleKey } from './tuple-key.ts';
import type { Step } from './writer.ts';

/** As many parts as the simulated providers' keys have at most. */
const KEY = tupleKey(3);
/** Another process's transaction came first this often. */
const TRIES = 100;

const partsOf = (key: LedgerKey): (string | number)[] => KEY.of(typeof key === 'string' ? [key] : key);
const entryOf = <V>(row: SqlRow): LedgerEntry<V> => {
  const parts = KEY.in(row);
  const key = parts.length === 1 && typeof parts[0] === 'string' ? parts[0] : parts;
  return { key, value: JSON.parse(row.value as string) as V };
};

type Written = Readonly<{ table: string; key: readonly (string | number)[]; text: string | null }>;
type Transaction = Readonly<{ reads: Map<string, Written>; writes: Map<string, Written> }>;

/**
 * Tables in an SQLite file that several processes may share. A transaction reads, then is written if what it read
 * still stands; it reads what those before it in this process are about to write.
 */
export const openSqliteLedger = ({ path }: Readonly<{ path: string }>): Ledger => {
  const file = openFile({
    path,
    what: 'the ledger of the simulated providers',
    schema: '',
    unavailable: StoreUnavailable,
  });
  let current: Transaction | undefined;
  const queued = new Map<string, Written>();

  const guard = ({ table, key, text }: Written): Step => ({
    sql: `select 1 from "${table}" where ${KEY.whole} ${text === null ? '' : 'and value = ?'}`,
    values: text === null ? key : [...key, text],
    changes: text === null ? 0 : 1,
  });
  const change = ({ table, key, text }: Written): Step =>
    text === null
      ? { sql: `delete from "${table}" where ${KEY.whole}`, values: key }
      : {
          sql: `insert or replace into "${table}" (${KEY.columns.join(', ')}, value) values (?, ?, ?, ?)`,
          values: [...key, text],
        };

  const tableOf = <V>(table: string): LedgerTable<V> => {
    const read = (key: readonly (string | number)[]): string | null =>
      (file.get(`select value from "${table}" where ${KEY.whole}`, ...key)?.value as string | undefined) ??
      null;
    const put = (key: LedgerKey, text: string | null): void => {
      if (!current) throw new Error('a ledger is written in a transaction');
      const parts = partsOf(key);
      current.writes.set(JSON.stringify([table, ...parts]), { table, key: parts, text });
    };
    return {
      get(key) {
        const parts = partsOf(key);
        const name = JSON.stringify([table, ...parts]);
        const mine = current?.writes.get(name) ?? current?.reads.get(name);
        const known = mine ?? (current && queued.get(name));
        const text = known ? known.text : read(parts);
        if (current && !mine) current.reads.set(name, { table, key: parts, text });
        return text === null ? undefined : (JSON.parse(text) as V);
      },
      put: (key, value) => put(key, JSON.stringify(value)),
      remove: (key) => put(key, null),
      range({ prefix = [], after, limit = -1 }: LedgerRange) {
        const where = KEY.beginning(prefix);
        const values: SqlValue[] = [...prefix];
        if (after !== undefined) {
          where.push(`(${KEY.columns.join(', ')}) > (?, ?, ?)`);
          values.push(...partsOf(after));
        }
        const condition = where.length === 0 ? '' : `where ${where.join(' and ')}`;
        return file
          .all(
            `select * from "${table}" ${condition} order by ${KEY.columns.join(', ')} limit ?`,
            ...values,
            limit,
          )
          .map((row) => entryOf<V>(row));
      },
      count: () => Number(file.get(`select count(*) as n from "${table}"`)?.n),
    };
  };

  return {
    table<V>(name: string) {
      file.make(`create table if not exists "${name}" (${KEY.declared}) strict, without rowid`);
      return tableOf<V>(name);
    },
    async transaction(act) {
      for (let tries = 0; tries < TRIES; tries++) {
        const mine: Transaction = { reads: new Map(), writes: new Map() };
        current = mine;
        let result: ReturnType<typeof act>;
        try {
          result = act();
        } finally {
          current = undefined;
        }
        if (mine.writes.size === 0) return result;
        for (const [name, written] of mine.writes) queued.set(name, written);
        try {
          const guards = [...mine.reads.values()].map(guard);
          const done = await file.write(...guards, ...[...mine.writes.values()].map(change));
          if (done.ok) return result;
        } finally {
          for (const [name, written] of mine.writes) if (queued.get(name) === written) queued.delete(name);
        }
      }
      throw new StoreUnavailable('the ledger of the simulated providers is written by others all the time');
    },
    close: () => file.close(),
  };
};

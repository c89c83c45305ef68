/** A scratch database: ordered keys and values, in a file once memory does not hold them, gone with the process. */
import { openConnection } from './driver.ts';
import { tupleKey, type Tuple } from './tuple-key.ts';

/** Tuples of up to four parts, ordered part by part; numbers before texts. */
export type ScratchKey = Tuple;
/** `value: undefined` removes the key. */
export type ScratchChange = readonly [key: ScratchKey, value: unknown];

export type Scratch = Readonly<{
  get<V>(key: ScratchKey): V | undefined;
  /** All changes at once; they are there for the next read. */
  write(changes: readonly ScratchChange[]): void;
  /** What lies under `prefix`, in the order of the keys (or backwards). */
  entries<V>(
    prefix: ScratchKey,
    options?: Readonly<{ reverse?: boolean }>,
  ): readonly Readonly<{ key: ScratchKey; value: V }>[];
  close(): Promise<void>;
}>;

const KEY = tupleKey(4);

export const openScratch = (): Scratch => {
  // A file without a name is SQLite's own business (sqlite.org/inmemorydb.html), and nothing is left behind.
  const db = openConnection('');
  db.exec(`create table scratch (${KEY.declared}) strict, without rowid`);
  const get = db.prepare(`select value from scratch where ${KEY.whole}`);
  const put = db.prepare('insert or replace into scratch values (?, ?, ?, ?, ?)');
  const remove = db.prepare(`delete from scratch where ${KEY.whole}`);
  return {
    get<V>(key: ScratchKey) {
      const text = get.get(...KEY.of(key))?.value;
      return text === undefined ? undefined : (JSON.parse(text as string) as V);
    },
    write(changes) {
      db.exec('begin');
      for (const [key, value] of changes) {
        if (value === undefined) remove.run(...KEY.of(key));
        else put.run(...KEY.of(key), JSON.stringify(value));
      }
      db.exec('commit');
    },
    entries<V>(prefix: ScratchKey, { reverse = false }: Readonly<{ reverse?: boolean }> = {}) {
      const where = KEY.beginning(prefix).join(' and ');
      const order = KEY.columns.map((column) => `${column} ${reverse ? 'desc' : 'asc'}`).join(', ');
      return db
        .prepare(`select * from scratch where ${where} order by ${order}`)
        .all(...prefix)
        .map((row) => ({
          key: KEY.in(row),
          value: JSON.parse(row.value as string) as V,
        }));
    },
    async close() {
      db.close();
    },
  };
};

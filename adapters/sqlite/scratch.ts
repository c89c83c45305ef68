/** A scratch database: ordered keys and values, in a file once memory does not hold them, gone with the process. */
import { openConnection } from './driver.ts';

/** Tuples of up to four parts, ordered part by part; numbers before texts. */
export type ScratchKey = readonly (string | number)[];
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

const COLUMNS = ['k1', 'k2', 'k3', 'k4'];
/** Stands for a part that a key does not have. */
const ABSENT = '';
const SCHEMA = `
  create table scratch (
    k1 any not null, k2 any not null, k3 any not null, k4 any not null, value text not null,
    primary key (k1, k2, k3, k4)
  ) strict, without rowid`;
const WHOLE = 'k1 = ? and k2 = ? and k3 = ? and k4 = ?';

const partsOf = (key: ScratchKey): (string | number)[] => COLUMNS.map((_, at) => key[at] ?? ABSENT);

export const openScratch = (): Scratch => {
  // A file without a name is SQLite's own business (sqlite.org/inmemorydb.html), and nothing is left behind.
  const db = openConnection('');
  db.exec(SCHEMA);
  const get = db.prepare(`select value from scratch where ${WHOLE}`);
  const put = db.prepare('insert or replace into scratch values (?, ?, ?, ?, ?)');
  const remove = db.prepare(`delete from scratch where ${WHOLE}`);
  return {
    get<V>(key: ScratchKey) {
      const text = get.get(...partsOf(key))?.value;
      return text === undefined ? undefined : (JSON.parse(text as string) as V);
    },
    write(changes) {
      db.exec('begin');
      for (const [key, value] of changes) {
        if (value === undefined) remove.run(...partsOf(key));
        else put.run(...partsOf(key), JSON.stringify(value));
      }
      db.exec('commit');
    },
    entries<V>(prefix: ScratchKey, { reverse = false }: Readonly<{ reverse?: boolean }> = {}) {
      const where = prefix.map((_, at) => `${COLUMNS[at]} = ?`).join(' and ');
      const order = COLUMNS.map((column) => `${column} ${reverse ? 'desc' : 'asc'}`).join(', ');
      return db
        .prepare(`select * from scratch where ${where} order by ${order}`)
        .all(...prefix)
        .map((row) => ({
          key: COLUMNS.map((column) => row[column] as string | number).filter((part) => part !== ABSENT),
          value: JSON.parse(row.value as string) as V,
        }));
    },
    async close() {
      db.close();
    },
  };
};

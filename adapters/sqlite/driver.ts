/** SQLite as this process can have it: Node's own where that is stable, better-sqlite3 before. */
import { createRequire } from 'node:module';

export type SqlValue = string | number | null | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue>>;
export type Statement = Readonly<{
  run(...values: readonly SqlValue[]): Readonly<{ changes: number | bigint }>;
  get(...values: readonly SqlValue[]): SqlRow | undefined;
  all(...values: readonly SqlValue[]): SqlRow[];
  /** Until it ends or is left, the connection takes nothing else. */
  iterate(...values: readonly SqlValue[]): Iterable<SqlRow>;
}>;
/** One connection, for one thread. */
export type Connection = Readonly<{
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}>;

/** SQLite cannot be had, or only one that loses commits; the message says what to do. */
export class SqliteMissing extends Error {
  override readonly name = 'SqliteMissing';
}

/** The first Node whose `node:sqlite` is stable and new enough. */
const OWN_SINCE = 24;
/** Before it, a reset of the write-ahead log while two processes checkpoint can lose commits (sqlite.org/wal.html). */
const NEEDED = [3, 51, 3] as const;

/** Both classes are connections as they are. */
type Opens = new (path: string) => Connection;

const openOwn = (path: string): Connection => {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite' as 'node:module') as unknown as {
    DatabaseSync: Opens;
  };
  return new DatabaseSync(path);
};
const openBetter = (path: string): Connection => {
  try {
    const Database = createRequire(import.meta.url)('better-sqlite3') as Opens;
    return new Database(path);
  } catch (error) {
    if (sqliteCode(error) !== undefined) throw error;
    throw new SqliteMissing(
      `SQLite cannot be loaded on Node ${process.version}: run "npm rebuild better-sqlite3 --ignore-scripts=false", which takes a C++ compiler and Python where there is no binary for this machine, or use Node ${OWN_SINCE} or later, which brings its own.`,
      { cause: error },
    );
  }
};

/**
 * Pages that a connection keeps, in KiB: the builds of SQLite differ by 14 MB in what they would, and what is read
 * again is in the machine's own cache.
 */
const CACHE_KIB = 4_096;

/** Another process may be making the file, or mending it after a crash: the first look at it waits as well. */
const OPENING_MS = 10_000;

/** The file at `path`, made if missing; it waits for others for ten seconds. Throws SqliteMissing, or SQLite's own errors. */
export const openConnection = (path: string): Connection => {
  const major = Number(process.versions.node.split('.')[0]);
  const connection = major >= OWN_SINCE ? openOwn(path) : openBetter(path);
  try {
    connection.exec(`pragma busy_timeout = ${OPENING_MS}; pragma cache_size = -${CACHE_KIB}`);
    const version = String(connection.prepare('select sqlite_version() as version').get()?.version);
    const [a = 0, b = 0, c = 0] = version.split('.').map(Number);
    if ([a - NEEDED[0], b - NEEDED[1], c - NEEDED[2]].find((difference) => difference !== 0)! < 0)
      throw new SqliteMissing(
        `SQLite ${version} can lose commits; ${NEEDED.join('.')} or later is needed: update Node or better-sqlite3.`,
      );
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
};

/** Primary result codes (sqlite.org/rescode.html) by number. */
const CODES: Readonly<Record<number, string>> = {
  5: 'BUSY',
  6: 'LOCKED',
  8: 'READONLY',
  10: 'IOERR',
  11: 'CORRUPT',
  13: 'FULL',
  14: 'CANTOPEN',
  19: 'CONSTRAINT',
  26: 'NOTADB',
};

/** The primary result code of an error of SQLite's, without its `SQLITE_`; undefined for any other error. */
export const sqliteCode = (error: unknown): string | undefined => {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof errcode === 'number') return CODES[errcode & 0xff] ?? `ERROR ${errcode}`;
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return code.split('_')[1];
  return undefined;
};

/**
 * One SQLite file of the data folder, which several processes may share: reads on this thread, writes on a thread of
 * its own, so that neither a flush nor another process's transaction holds up requests.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  openConnection,
  sqliteCode,
  type Connection,
  type SqlRow,
  type SqlValue,
  type Statement,
} from './driver.ts';
import { openWriter, type Outcome, type Step, type Synchronous } from './writer.ts';

export type SqliteFile = Readonly<{
  get(sql: string, ...values: readonly SqlValue[]): SqlRow | undefined;
  all(sql: string, ...values: readonly SqlValue[]): SqlRow[];
  /** Rows, one in memory at a time, until `visit` says that it has enough. It must not read the file itself. */
  each(sql: string, values: readonly SqlValue[], visit: (row: SqlRow) => 'more' | 'enough'): void;
  /** Everything that `reading` reads is of one moment. */
  together<T>(reading: () => T): T;
  /** Makes tables, on this thread: when something is opened. */
  make(schema: string): void;
  /** All steps or none, durably. */
  write(...steps: readonly Step[]): Promise<Outcome>;
  /** Another number once anybody has committed. */
  version(): number;
  close(): Promise<void>;
}>;

/** How long a commit by another process may go unseen. */
export const LOOK_EVERY_MS = 25;

/**
 * `schema`: statements that make what is missing. `unavailable`: the error that every failure is thrown as, the
 * port's own class. `what`: the file, for people.
 */
export type FileOptions = Readonly<{
  path: string;
  what: string;
  schema: string;
  synchronous?: Synchronous;
  /** More of the writing connection. */
  pragmas?: string;
  unavailable: new (message: string, options?: ErrorOptions) => Error;
}>;

const OPENING_TRIES = 100;
/** Readers wait for no writer; for a process that mends the file after a crash they do. */
const READING_MS = 1_000;

/**
 * Of several that switch a new file at once SQLite turns all but one away without waiting, so that they do not wait for one
 * another.
 */
const toWriteAheadLog = (connection: Connection): void => {
  for (let tries = 1; ; tries++)
    try {
      connection.exec('pragma journal_mode = wal');
      return;
    } catch (error) {
      if (sqliteCode(error) !== 'BUSY' || tries === OPENING_TRIES) throw error;
      connection.exec('begin immediate; rollback'); // which does wait for who is at it
    }
};

export const openFile = ({
  path,
  what,
  schema,
  synchronous = 'full',
  pragmas = 'foreign_keys = on',
  unavailable,
}: FileOptions): SqliteFile => {
  let closed = false;
  const failed = (doing: string, message: string, cause?: unknown): Error =>
    new unavailable(`${what} (${path}) cannot ${doing}: ${message}`, { cause });
  /** SQLite's own errors as the port's; any other as it is. */
  const ours = (doing: string, error: unknown): unknown =>
    sqliteCode(error) === undefined ? error : failed(doing, (error as Error).message, error);
  const opened = (() => {
    mkdirSync(dirname(path), { recursive: true });
    let connection: Connection | undefined;
    try {
      connection = openConnection(path);
      toWriteAheadLog(connection);
      connection.exec(`begin immediate; ${schema}; commit; pragma busy_timeout = ${READING_MS}`);
      return connection;
    } catch (error) {
      connection?.close();
      throw ours('be opened', error);
    }
  })();
  const statements = new Map<string, Statement>();
  const prepared = (sql: string): Statement => {
    let statement = statements.get(sql);
    if (!statement) statements.set(sql, (statement = opened.prepare(sql)));
    return statement;
  };
  const reading = <T>(read: () => T): T => {
    if (closed) throw failed('be read', 'it is closed');
    try {
      return read();
    } catch (error) {
      throw ours('be read', error);
    }
  };
  const writer = openWriter({ path, synchronous, pragmas }, (message) => failed('be written', message));
  return {
    get: (sql, ...values) => reading(() => prepared(sql).get(...values)),
    all: (sql, ...values) => reading(() => prepared(sql).all(...values)),
    each: (sql, values, visit) =>
      reading(() => {
        for (const row of prepared(sql).iterate(...values)) if (visit(row) === 'enough') break;
      }),
    together: (read) =>
      reading(() => {
        prepared('begin').run();
        try {
          return read();
        } finally {
          prepared('commit').run();
        }
      }),
    make: (sql) => reading(() => void opened.exec(sql)),
    write: (...steps) => writer.write(steps),
    version: () => reading(() => Number(prepared('pragma data_version').get()?.data_version)),
    async close() {
      if (closed) return;
      closed = true;
      await writer.close();
      opened.close();
    },
  };
};

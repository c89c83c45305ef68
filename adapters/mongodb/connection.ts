/** A database on MongoDB: calls that end within bounds, writes that a majority keeps, and errors of the port. */
import {
  MongoClient,
  MongoError,
  MongoInvalidArgumentError,
  MongoServerError,
  type Collection,
  type Db,
  type Filter,
  type IndexDescription,
  type MongoClientOptions,
  type UpdateFilter,
} from 'mongodb';
import type { Clock } from '../../ports/system.ts';
import { inTime } from '../in-time.ts';

/** `url`: may hold credentials, which no message repeats. `what`: for messages. `indexes`: of each collection. */
export type DatabaseOptions = Readonly<{
  url: string;
  database: string;
  what: string;
  clock: Clock;
  indexes: Readonly<Record<string, readonly IndexDescription[]>>;
  unavailable: new (message: string, options?: ErrorOptions) => Error;
}>;

export type Database = Readonly<{
  /**
   * What `work` comes to. Throws the port's error where the server cannot be reached, refuses, or takes longer than `ms`:
   * whether a write was done is not known then.
   */
  run<T>(work: (db: Db) => Promise<T>, ms?: number): Promise<T>;
  close(): Promise<void>;
}>;

/** Where the URL names none. */
export const DATABASE = 'orderfold';
const ANSWER_MS = 5_000;
/** When nobody waits for an answer any more, its connection is given up. */
const SILENT_MS = 60_000;
const LEAVE_MS = 2_000;
const OPTIONS: MongoClientOptions = {
  appName: 'orderfold',
  // On a server alone, a majority would not wait for the disk.
  writeConcern: { w: 'majority', journal: true },
  readConcern: { level: 'majority' },
  readPreference: 'primary',
  serverSelectionTimeoutMS: ANSWER_MS,
  connectTimeoutMS: ANSWER_MS,
  waitQueueTimeoutMS: ANSWER_MS,
  socketTimeoutMS: SILENT_MS,
  heartbeatFrequencyMS: 2_000,
  ignoreUndefined: true,
};
/** A document that is too large, a command that is wrong: trying again would change nothing. */
const FAULTS = new Set([2, 9, 14, 22, 52, 56, 57, 66, 10334, 17280, 17419, 17420]);
const DUPLICATE_KEY = 11000;

/** The database that a URL names. */
export const databaseIn = (url: string): string | undefined => {
  const [, named] = /^[^/]*\/\/[^/?]*\/([^?]+)/.exec(url) ?? [];
  return named === undefined ? undefined : decodeURIComponent(named);
};

export const isDuplicate = (error: unknown): error is MongoServerError =>
  error instanceof MongoServerError && error.code === DUPLICATE_KEY;

/** What `write` comes to; undefined when a document that its filter passes over has the id already. */
export const unlessThere = async <T>(write: Promise<T>): Promise<T | undefined> => {
  try {
    return await write;
  } catch (error) {
    if (isDuplicate(error)) return undefined;
    throw error;
  }
};

/** Writes `fields` of the document with the id, made where it is missing. */
export const put = async <D extends { _id: string }>(
  collection: Collection<D>,
  id: string,
  fields: Omit<D, '_id'>,
): Promise<void> => {
  const [filter, update] = [{ _id: id } as Filter<D>, { $set: fields } as unknown as UpdateFilter<D>];
  // Of two that make it at once, the second finds it.
  const made = await unlessThere(collection.updateOne(filter, update, { upsert: true }));
  if (!made) await collection.updateOne(filter, update);
};

/** Nothing happens to those that are there. One by one: FerretDB breaks on several that are. */
export const makeIndexes = async (
  collection: Pick<Collection, 'createIndexes'>,
  wanted: readonly IndexDescription[],
): Promise<void> => {
  for (const index of wanted) await collection.createIndexes([index]);
};

/** What a socket throws is passed on as it is where the server went in the very moment of the call. */
const isBroken = (error: unknown): error is Error =>
  error instanceof Error &&
  !(error instanceof MongoError) &&
  'code' in error &&
  /^(E[A-Z]+|ERR_(SOCKET|STREAM)_[A-Z_]+)$/.test(String(error.code));

/** What of a server's answer may be told: its message may repeat what a document holds. */
const reasonOf = (error: MongoError): string =>
  error instanceof MongoServerError ? String(error.codeName ?? error.code ?? error.name) : error.message;

/** Nothing is asked of it yet. Throws Error for a URL that the driver does not take. */
export const openDatabase = ({
  url,
  database,
  what,
  clock,
  indexes,
  unavailable: Unavailable,
}: DatabaseOptions): Database => {
  const client = new MongoClient(url, OPTIONS);
  const db = client.db(database);
  let closed = false;
  let prepared: Promise<void> | undefined;

  const prepare = async (): Promise<void> => {
    for (const [name, wanted] of Object.entries(indexes)) await makeIndexes(db.collection(name), wanted);
  };
  const ready = (): Promise<void> => {
    if (!prepared) {
      prepared = prepare();
      prepared.catch(() => (prepared = undefined)); // the next one tries again
    }
    return prepared;
  };
  const failed = (error: unknown): unknown => {
    if (isBroken(error))
      return new Unavailable(`${what} cannot be reached: ${error.message}`, { cause: error });
    if (!(error instanceof MongoError) || isDuplicate(error)) return error;
    if (error instanceof MongoInvalidArgumentError) return error;
    if (error instanceof MongoServerError && FAULTS.has(Number(error.code))) return error;
    return new Unavailable(`${what} cannot be reached: ${reasonOf(error)}`, { cause: error });
  };

  return {
    async run(work, ms = ANSWER_MS) {
      // The driver would connect again.
      if (closed) throw new Unavailable(`${what} is closed`);
      const late = (): Error => new Unavailable(`${what} cannot be reached: no answer in ${ms} ms`);
      try {
        return await inTime(
          clock,
          ms,
          ready().then(() => work(db)),
          late,
        );
      } catch (error) {
        throw failed(error);
      }
    },
    async close() {
      closed = true;
      // It takes its leave of the server, which may hang.
      const late = (): Error => new Unavailable(`${what} cannot be left`);
      await inTime(clock, LEAVE_MS, client.close(), late).catch(() => undefined);
    },
  };
};

/**
 * One LMDB environment (a folder of its own, so that its commits hold up no other's).
 *
 * What this project relies on in `lmdb` 3.5, found by making system calls fail and delay under it:
 * - With overlapping sync (its default but on Windows) the promise of a `put`, a `transaction` or an
 *   `ifNoExists` resolves
 *   once the commit was flushed. `flushed` is not needed, and never resolves when that flush failed.
 * - A commit is visible to readers before it is flushed, and stays visible when the flush then fails.
 * - `transactionSync` flushes on the calling thread: for start-up only.
 * - A failed commit leaves the environment usable. Its error says little; the reason arrives in
 *   `commitError`, whose
 *   rejection nobody else handles, and on standard error.
 * - A read transaction lasts until the next turn of the event loop (or this process's next commit): within
 *   one turn, a later
 *   commit of another process is not seen. Renewing it for each read would cost more than the read.
 */
import { mkdirSync } from 'node:fs';
import { open, type Database, type Key, type RootDatabase } from 'lmdb';

/** lmdb takes bytes where it would encode a string; its types do not say so. */
export type Texts<K extends Key> = Omit<Database<string, K>, 'put'> & {
  put(key: K, value: string | Uint8Array): Promise<boolean>;
};

export type Environment = Readonly<{
  root: RootDatabase<string, Key>;
  /** A named database of strings. */
  strings<K extends Key>(name: string): Database<string, K>;
  /** The same of strings whose values can also be put as their UTF-8 bytes. */
  texts<K extends Key>(name: string): Texts<K>;
  /** A named database of numbers. */
  numbers<K extends Key>(name: string): Database<number, K>;
  /** A named database of strings, each with the version that it was put under. */
  versioned<K extends Key>(name: string): Database<string, K>;
  /**
   * Reads; sees this process's last commit, and those of others as of this turn of the event loop. `reading`
   * must not leave an iteration open.
   */
  read<T>(reading: () => T): T;
  /**
   * Reads and writes under the write lock, on this thread; transactions that are asked for together share a
   * commit. Resolves once flushed. `action` must check before it writes: a throw inside does not undo what it
   * wrote.
   */
  transaction<T>(action: () => T): Promise<T>;
  /**
   * Writes (no reads) on lmdb's own thread, if `key` of `database` is still absent there; false if not.
   * Resolves once flushed.
   */
  writeIfAbsent<K extends Key>(database: Database<string, K>, key: K, writes: () => void): Promise<boolean>;
  /**
   * The same, if `key` of the versioned `database` still has `version` (undefined: is still absent). `writes`
   * must not throw: what it wrote by then would stay.
   */
  writeIfVersion<K extends Key>(
    database: Database<string, K>,
    key: K,
    version: number | undefined,
    writes: () => void,
  ): Promise<boolean>;
  /** Resolves when everything that readers can see now is flushed, whichever process wrote it. */
  flush(): Promise<void>;
  /** Waits for what is being written. What is asked for later throws. */
  close(): Promise<void>;
}>;

const reasonOf = async (error: unknown): Promise<unknown> => {
  const reason = (error as { commitError?: Promise<unknown> } | null)?.commitError;
  if (!reason) return error;
  const told = reason.then(
    () => error,
    (why: unknown) => why,
  );
  return Promise.race([told, new Promise((resolve) => setImmediate(resolve, error))]);
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * `unavailable` makes the error that every failure is thrown as: message and cause in, the port's own class
 * out.
 */
export const openEnvironment = (
  folder: string,
  what: string,
  unavailable: (message: string, cause: unknown) => Error,
): Environment => {
  let root: RootDatabase<string, Key>;
  let closed: Promise<void> | undefined;
  const failed = (doing: string, error: unknown): Error =>
    unavailable(`${what} in ${folder} cannot ${doing}: ${messageOf(error)}`, error);
  const opened = <T>(doing: string, action: () => T): T => {
    if (closed) throw failed(doing, new Error('it is closed'));
    try {
      return action();
    } catch (error) {
      if (error instanceof RangeError || error instanceof TypeError) throw error; // a caller's mistake, not the store's
      throw failed(doing, error);
    }
  };
  const written = async <T>(action: () => Promise<T>): Promise<T> => {
    const done = opened('be written', action);
    return done.catch(async (error: unknown) => {
      throw failed('be written', await reasonOf(error));
    });
  };
  try {
    mkdirSync(folder, { recursive: true });
    // Turn batching off: our callers batch, and a commit then starts a turn of the event loop earlier.
    root = open<string, Key>({
      path: folder,
      noSubdir: false,
      maxDbs: 8,
      encoding: 'string',
      eventTurnBatching: false,
    });
  } catch (error) {
    throw failed('be opened', error);
  }

  return {
    root,
    strings: <K extends Key>(name: string) =>
      opened('be opened', () => root.openDB<string, K>({ name, encoding: 'string' })),
    texts: <K extends Key>(name: string) =>
      opened('be opened', () => root.openDB<string, K>({ name, encoding: 'string' }) as Texts<K>),
    numbers: <K extends Key>(name: string) =>
      opened('be opened', () => root.openDB<number, K>({ name, encoding: 'ordered-binary' })),
    versioned: <K extends Key>(name: string) =>
      opened('be opened', () => root.openDB<string, K>({ name, encoding: 'string', useVersions: true })),
    read: (reading) => opened('be read', reading),
    async transaction(action) {
      let bug: { readonly error: unknown } | undefined;
      const guarded = (): unknown => {
        try {
          return action();
        } catch (error) {
          bug = { error };
          return undefined;
        }
      };
      const result = await written(() => root.transaction(guarded));
      if (bug) throw bug.error;
      return result as ReturnType<typeof action>;
    },
    writeIfAbsent: (database, key, writes) => written(() => database.ifNoExists(key, writes)),
    writeIfVersion: (database, key, version, writes) =>
      written(() =>
        version === undefined ? database.ifNoExists(key, writes) : database.ifVersion(key, version, writes),
      ),
    flush: () =>
      new Promise((resolve, reject) => {
        // `sync` is missing in lmdb's types.
        const { sync } = root as unknown as { sync(done: (error?: unknown) => void): void };
        opened('be flushed', () =>
          sync.call(root, (error) => (error ? reject(failed('be flushed', error)) : resolve())),
        );
      }),
    close() {
      closed ??= root.close();
      return closed;
    },
  };
};

/**
 * A scratch database: ordered keys and values in a folder of its own, never flushed, gone when it is closed.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';

/** Tuples, ordered part by part; numbers before texts. Together at most some 1,900 bytes. */
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
  ): Iterable<Readonly<{ key: ScratchKey; value: V }>>;
  close(): Promise<void>;
}>;

/** Sorts behind every text that may be a part of a key. */
const LAST = '\u{10ffff}';

/** Opens an empty database in `folder`, which must not exist or be empty. */
export const openScratch = (folder: string): Scratch => {
  mkdirSync(folder, { recursive: true });
  const db = open<unknown, (string | number)[]>({
    path: join(folder, 'scratch.mdb'),
    noSync: true,
    noMetaSync: true,
    noMemInit: true,
    cache: false,
  });
  // Open files outlive their names where the system allows that: then nothing is left behind by a process
  // that is killed.
  if (process.platform !== 'win32') rmSync(folder, { recursive: true, force: true });
  return {
    get: <V>(key: ScratchKey) => db.get([...key]) as V | undefined,
    write(changes) {
      db.transactionSync(() => {
        for (const [key, value] of changes) {
          if (value === undefined) db.removeSync([...key]);
          else db.putSync([...key], value);
        }
      });
    },
    *entries<V>(prefix: ScratchKey, options: Readonly<{ reverse?: boolean }> = {}) {
      const [first, last] = [[...prefix], [...prefix, LAST]];
      const range = options.reverse
        ? { start: last, end: first, reverse: true }
        : { start: first, end: last };
      for (const { key, value } of db.getRange(range)) yield { key, value: value as V };
    },
    async close() {
      await db.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

/** Opens what is kept: events, bookkeeping, views and keys, on the engines that the environment names. */
import { readFileSync } from 'node:fs';
import { openLmdbBookkeeping } from '../adapters/lmdb/bookkeeping.ts';
import { openDataFolder, type DataFolder } from '../adapters/lmdb/data-folder.ts';
import { openLmdbEventStore } from '../adapters/lmdb/event-store.ts';
import { openLmdbReadStore } from '../adapters/lmdb/read-store.ts';
import { openLmdbVault } from '../adapters/lmdb/vault.ts';
import { systemClock } from '../adapters/system.ts';
import type { Bookkeeping } from '../ports/bookkeeping.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Vault } from '../ports/vault.ts';
import { EnvironmentError, type Environment } from './environment.ts';

export type Stores = Readonly<{
  store: EventStore;
  books: Bookkeeping;
  reads: ReadStore;
  vault: Vault;
  folder: DataFolder;
  /** Where the data lies, for people. */
  where: string;
  close(): Promise<void>;
}>;

const masterKey = ({ MASTER_KEY, MASTER_KEY_FILE }: Environment): string | undefined => {
  if (MASTER_KEY_FILE === undefined) return MASTER_KEY;
  try {
    return readFileSync(MASTER_KEY_FILE, 'utf8');
  } catch (error) {
    throw new EnvironmentError(`MASTER_KEY_FILE cannot be read: ${(error as Error).message}`);
  }
};

/**
 * `lock: true` is for a server: it has the data folder to itself until its process ends. Scripts work beside
 * it without. Throws DataFolderError or EnvironmentError before anything is changed.
 */
export const openStores = async (
  environment: Environment,
  { lock }: Readonly<{ lock: boolean }>,
): Promise<Stores> => {
  const given = masterKey(environment);
  const folder = await openDataFolder(environment.DATA_DIR, { lock });
  const open: { close(): Promise<void> }[] = [];
  const opened = <T extends { close(): Promise<void> }>(store: T): T => {
    open.push(store);
    return store;
  };
  const close = async (): Promise<void> => {
    for (const store of open.toReversed()) await store.close();
    await folder.close();
  };
  try {
    return {
      vault: opened(openLmdbVault({ folder: folder.subfolder('vault'), masterKey: folder.masterKey(given) })),
      store: opened(openLmdbEventStore({ folder: folder.subfolder('events'), clock: systemClock })),
      books: opened(openLmdbBookkeeping({ folder: folder.subfolder('books') })),
      reads: opened(openLmdbReadStore({ folder: folder.subfolder('views') })),
      folder,
      where: folder.path,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

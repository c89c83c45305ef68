/** Opens what the environment names: which adapter stands behind which port is said here and nowhere else. */
import { existsSync, readFileSync } from 'node:fs';
import { besideMovedTo, DataFolderError, openDataFolder, type DataFolder } from '../adapters/data-folder.ts';
import { openSqliteBookkeeping } from '../adapters/sqlite/bookkeeping.ts';
import { openSqliteEventStore } from '../adapters/sqlite/event-store.ts';
import { openSqliteKeyStore } from '../adapters/sqlite/key-store.ts';
import { openSqliteReadStore } from '../adapters/sqlite/read-store.ts';
import { openVault } from '../adapters/vault-crypto.ts';
import { memoryBookkeeping } from '../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../adapters/memory/event-store.ts';
import { memoryLedger } from '../adapters/memory/ledger.ts';
import { memoryMailer } from '../adapters/memory/mailer.ts';
import { memoryReadStore } from '../adapters/memory/read-store.ts';
import { memorySink } from '../adapters/memory/analytics-sink.ts';
import { memoryVault } from '../adapters/memory/vault.ts';
import type { BlockedLanes } from '../ports/blocked-lanes.ts';
import type { Checkpoints } from '../ports/checkpoints.ts';
import type { Controls } from '../ports/controls.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Leases } from '../ports/lease.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Schedule } from '../ports/schedule.ts';
import type { Snapshots } from '../ports/snapshots.ts';
import type { Clock } from '../ports/system.ts';
import type { Vault } from '../ports/vault.ts';
import { decimalDistance, type Distance } from '../runtime/feed/store-feed.ts';
import { EnvironmentError, type Environment } from './environment.ts';
import type { EventLog, EventLogDeps } from './event-log.ts';
import { openOutside, simulated, type OpenOutside, type System } from './outside.ts';

export type { System } from './outside.ts';

/** What a shop is assembled of. */
export type Parts = Readonly<{
  system: System;
  store: EventStore;
  /** Undefined where the store is its own log. */
  eventLog?: EventLog | undefined;
  checkpoints: Checkpoints;
  blockedLanes: BlockedLanes;
  schedule: Schedule;
  snapshots: Snapshots;
  leases: Leases;
  controls: Controls;
  reads: ReadStore;
  vault: Vault;
  /** Events between two positions; undefined unless the store numbers them without gaps. */
  distance?: Distance | undefined;
  /** Opened at first use: who only reads meets nobody outside. */
  outside(): OpenOutside;
  /** 32 random bytes that stay the same. */
  secret(name: string): Uint8Array;
  /** Where the data lies, for people. */
  where: string;
  /** Closes all, the outside first. */
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

// What only some environments name is loaded there alone: the clients take their time and memory to load.
/** The event store that is a server of its own; undefined where the environment names none. Throws StoreUnavailable. */
export const openStoreServer = async (
  { EVENT_STORE_URL: url, EVENT_STORE_PREFIX: prefix }: Environment,
  { clock, randomness: { uuid: newId } }: Pick<System, 'clock' | 'randomness'>,
): Promise<EventStore | undefined> => {
  if (url === undefined) return undefined;
  const { openEventStoreDb } = await import('../adapters/eventstoredb/event-store.ts');
  return openEventStoreDb({ url, ...(prefix === undefined ? {} : { prefix }), clock, newId });
};
const openLog = async (environment: Environment, deps: EventLogDeps): Promise<EventLog | undefined> =>
  environment.KAFKA_BROKERS === undefined
    ? undefined
    : (await import('./event-log.ts')).openEventLog(environment, environment.KAFKA_BROKERS, deps);

/** Views, bookkeeping and keys: in the folder, or on the server that the environment names. Throws EnvironmentError. */
const openBeside = async (
  environment: Environment,
  folder: DataFolder,
  { store, clock }: Readonly<{ store: string; clock: Clock }>,
) => {
  const { MONGODB_URL: url } = environment;
  if (url !== undefined) {
    // Without them nobody could read what was sealed under them, and consumers would begin anew.
    if (existsSync(folder.pathOf('keys.db')))
      throw new DataFolderError(
        `the data folder ${folder.path} has keys and bookkeeping of its own, which MONGODB_URL would leave behind: move them there (npm run copy -- --beside), or set DATA_DIR to a new folder`,
      );
    const { openOnMongoDb } = await import('./on-mongodb.ts');
    const { books, reads, keys } = openOnMongoDb(environment, url, { store, clock });
    return { books, reads, openVault: (key: Buffer) => openVault(keys, key, clock) };
  }
  const moved = besideMovedTo(folder.path);
  if (moved !== undefined)
    throw new DataFolderError(
      `keys and bookkeeping of the data folder ${folder.path} have moved to ${moved}: set MONGODB_URL to it`,
    );
  return {
    books: openSqliteBookkeeping({ path: folder.pathOf('bookkeeping.db'), store }),
    reads: openSqliteReadStore({ path: folder.pathOf('views.db'), store, clock }),
    openVault: (key: Buffer) => openVault(openSqliteKeyStore({ path: folder.pathOf('keys.db') }), key),
  };
};

/** Throws DataFolderError, EnvironmentError, StoreUnavailable or VaultUnavailable before anything is changed. */
export const openParts = async (environment: Environment, system: System): Promise<Parts> => {
  const given = masterKey(environment);
  const folder = openDataFolder(environment.DATA_DIR);
  const open: { close(): Promise<void> }[] = [];
  const opened = <T extends { close(): Promise<void> }>(part: T): T => {
    open.push(part);
    return part;
  };
  const close = async (): Promise<void> => {
    for (let part = open.pop(); part; part = open.pop()) await part.close();
  };
  let outside: OpenOutside | undefined;
  try {
    const { clock, randomness } = system;
    const server = await openStoreServer(environment, system);
    const store = opened(
      server ?? openSqliteEventStore({ path: folder.pathOf('events.db'), clock, newId: randomness.uuid }),
    );
    const beside = await openBeside(environment, folder, { store: store.id, clock });
    const { close: closeBooks, ...books } = beside.books;
    open.push({ close: closeBooks });
    const eventLog = await openLog(environment, { ...system, ...books, store });
    if (eventLog) open.push(eventLog);
    return {
      system,
      ...books,
      store,
      eventLog,
      reads: opened(beside.reads),
      vault: opened(await beside.openVault(folder.masterKey(given))),
      distance: server ? undefined : decimalDistance(1),
      outside: () => (outside ??= opened(openOutside(environment, folder, system))),
      secret: folder.secret,
      where: folder.path,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/** A set in memory, gone with the process; `over` puts other parts in place of some. */
export const memoryParts = (environment: Environment, system: System, over: Partial<Parts> = {}): Parts => {
  const store = over.store ?? memoryEventStore();
  const [reads, vault] = [memoryReadStore(), memoryVault()];
  let outside: OpenOutside | undefined;
  const openInMemory = (): OpenOutside => {
    const { gateway, warehouse } = simulated(environment, system, memoryLedger());
    return {
      gateway,
      warehouse,
      mailer: memoryMailer(),
      sink: memorySink(),
      close: () => warehouse.close(),
    };
  };
  return {
    system,
    ...memoryBookkeeping(store.id),
    store,
    reads,
    vault,
    distance: decimalDistance(1),
    outside: () => (outside ??= openInMemory()),
    secret: (name) => new TextEncoder().encode(name.padEnd(32, '.').slice(0, 32)),
    where: 'memory',
    async close() {
      await outside?.close();
      await Promise.all([store.close(), reads.close(), vault.close()]);
    },
    ...over,
  };
};

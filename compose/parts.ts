/** Opens what the environment names: which adapter stands behind which port is said here and nowhere else. */
import { readFileSync } from 'node:fs';
import { openFileSink, openHttpSink } from '../adapters/analytics-sink.ts';
import { openLmdbBookkeeping } from '../adapters/lmdb/bookkeeping.ts';
import { openDataFolder, type DataFolder } from '../adapters/lmdb/data-folder.ts';
import { openLmdbReadStore } from '../adapters/lmdb/read-store.ts';
import { openSqliteEventStore } from '../adapters/sqlite/event-store.ts';
import { openSqliteKeyStore } from '../adapters/sqlite/key-store.ts';
import { openSqliteLedger } from '../adapters/sqlite/ledger.ts';
import { openVault } from '../adapters/vault-crypto.ts';
import { openMailer } from '../adapters/mail.ts';
import { memoryBookkeeping } from '../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../adapters/memory/event-store.ts';
import { memoryLedger } from '../adapters/memory/ledger.ts';
import { memoryMailer } from '../adapters/memory/mailer.ts';
import { memoryReadStore } from '../adapters/memory/read-store.ts';
import { memorySink } from '../adapters/memory/analytics-sink.ts';
import { memoryVault } from '../adapters/memory/vault.ts';
import type { Ledger } from '../adapters/simulated/ledger.ts';
import { simulatedPaymentGateway } from '../adapters/simulated/payment-gateway.ts';
import { simulatedWarehouse } from '../adapters/simulated/warehouse.ts';
import type { Position } from '../domain/kernel.ts';
import type { Bookkeeping } from '../ports/bookkeeping.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { ReadStore } from '../ports/read-store.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import type { Vault } from '../ports/vault.ts';
import { decimalDistance } from '../runtime/feed/store-log.ts';
import type { Outside } from '../shop/handed.ts';
import { EnvironmentError, type Environment } from './environment.ts';

export type System = Readonly<{ clock: Clock; randomness: Randomness; log: Log }>;
type OpenOutside = Outside & Readonly<{ close(): Promise<void> }>;

/** What a shop is assembled of. */
export type Parts = Readonly<{
  system: System;
  store: EventStore;
  books: Bookkeeping;
  reads: ReadStore;
  vault: Vault;
  /** Events between two positions, where the store numbers them without gaps. */
  distance(after: Position | undefined, to: Position): number;
  /** Opened at first use: who only reads meets nobody outside. */
  outside(): OpenOutside;
  /** 32 random bytes that stay the same. */
  secret(name: string): Uint8Array;
  /** Whether a server runs on the same data, this process or another. */
  isServed(): Promise<boolean>;
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

/** The simulated providers with their books in `ledger`, as slow and as unreliable as the environment has it. */
const simulated = (environment: Environment, system: System, books: Ledger) => ({
  gateway: simulatedPaymentGateway({
    ...system,
    books,
    latencyMs: environment.SIM_PAYMENT_LATENCY_MS,
    declineRate: environment.SIM_PAYMENT_DECLINE_RATE,
    failureRate: environment.SIM_PAYMENT_FAILURE_RATE,
    unknownRate: environment.SIM_PAYMENT_UNKNOWN_RATE,
    actionUrl: `http://${environment.HOST}:${environment.PORT}/simulated-bank`,
  }),
  warehouse: simulatedWarehouse({
    ...system,
    books,
    latencyMs: environment.SIM_WAREHOUSE_LATENCY_MS,
    failureRate: environment.SIM_WAREHOUSE_FAILURE_RATE,
  }),
});

/** The outside of a data folder: simulated providers with their books in it, mail, the figures' sink. */
const openOutside = (environment: Environment, folder: DataFolder, system: System) => {
  const ledger = openSqliteLedger({ path: folder.subfolder('simulated.db') });
  const { gateway, warehouse } = simulated(environment, system, ledger);
  const { MAIL_FROM: from, SMTP_URL: smtpUrl, ANALYTICS_URL: url } = environment;
  const mail = { ...system, from, failureRate: environment.SIM_MAIL_FAILURE_RATE };
  const mailer = openMailer(
    smtpUrl === undefined ? { ...mail, outboxFolder: folder.subfolder('outbox') } : { ...mail, smtpUrl },
  );
  const sink =
    url === undefined ? openFileSink({ folder: folder.subfolder('analytics') }) : openHttpSink({ url });
  return {
    gateway,
    warehouse,
    mailer,
    sink,
    async close() {
      await warehouse.close();
      await sink.close();
      await ledger.close();
    },
  };
};

/**
 * `lock: true` is for a server: it has the data folder to itself until its process ends. Scripts work beside
 * it without. Throws DataFolderError or EnvironmentError before anything is changed.
 */
export const openParts = async (
  environment: Environment,
  system: System,
  { lock }: Readonly<{ lock: boolean }>,
): Promise<Parts> => {
  const given = masterKey(environment);
  const folder = await openDataFolder(environment.DATA_DIR, { lock });
  const open: { close(): Promise<void> }[] = [folder];
  const opened = <T extends { close(): Promise<void> }>(part: T): T => {
    open.push(part);
    return part;
  };
  const close = async (): Promise<void> => {
    for (let part = open.pop(); part; part = open.pop()) await part.close();
  };
  let outside: OpenOutside | undefined;
  try {
    return {
      system,
      vault: opened(
        await openVault(openSqliteKeyStore({ path: folder.subfolder('keys.db') }), folder.masterKey(given)),
      ),
      store: opened(openSqliteEventStore({ path: folder.subfolder('events.db'), clock: system.clock })),
      books: opened(openLmdbBookkeeping({ folder: folder.subfolder('books') })),
      reads: opened(openLmdbReadStore({ folder: folder.subfolder('views') })),
      distance: decimalDistance(1),
      outside: () => (outside ??= opened(openOutside(environment, folder, system))),
      secret: folder.secret,
      isServed: () => folder.isServed(),
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
  const [store, books, reads, vault] = [
    memoryEventStore(),
    memoryBookkeeping(),
    memoryReadStore(),
    memoryVault(),
  ];
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
    store,
    books,
    reads,
    vault,
    distance: decimalDistance(1),
    outside: () => (outside ??= openInMemory()),
    secret: (name) => new TextEncoder().encode(name.padEnd(32, '.').slice(0, 32)),
    isServed: async () => false,
    where: 'memory',
    async close() {
      await outside?.close();
      await Promise.all([store.close(), books.close(), reads.close(), vault.close()]);
    },
    ...over,
  };
};

/** A whole shop in this process, on a folder of its own, with outsides that answer at once unless told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { system, systemClock, systemRandomness } from '../../adapters/system.ts';
import { readEnvironment } from '../../compose/environment.ts';
import { startServer, type RunningServer } from '../../compose/server.ts';
import { assemble } from '../../compose/assemble.ts';
import { openParts } from '../../compose/parts.ts';
import type { EventEnvelope } from '../../domain/kernel.ts';
import { productStream, products } from '../../domain/product/product.ts';
import { stockStream, stocks } from '../../domain/stock/stock.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Log } from '../../ports/system.ts';
import { clientOf, type Client } from './client.ts';

export type Variables = Readonly<Record<string, string>>;
export type Shop = Client &
  Readonly<{
    folder: string;
    server: RunningServer;
    url: string;
    errors: readonly string[];
    close(): Promise<void>;
  }>;

const FAST: Variables = {
  PORT: '0',
  SEED: 'none',
  SIM_PAYMENT_LATENCY_MS: '1',
  SIM_WAREHOUSE_LATENCY_MS: '5',
};
/** Longer than any test: what waits for it does not happen by itself. */
export const NEVER_MS = '3600000';

export const newFolder = (): string => mkdtempSync(join(tmpdir(), 'orderfold-flow-'));
export const environmentOf = (folder: string, variables: Variables = {}) =>
  readEnvironment({ ...FAST, DATA_DIR: folder, ...variables });

/** Opens a shop on `folder`. Close it, or the test hangs. */
export const openShop = async (folder: string, variables: Variables = {}): Promise<Shop> => {
  const errors: string[] = [];
  const log: Log = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields, sentence) => void errors.push(`${sentence} ${JSON.stringify(fields)}`),
  };
  const server = await startServer(environmentOf(folder, variables), {
    clock: systemClock,
    randomness: systemRandomness,
    log,
  });
  const url = server.url ?? '';
  return { ...clientOf(url), folder, server, url, errors, close: server.close };
};

/** Runs `test` in a new shop, which is gone afterwards. */
export const inShop =
  (
    variables: Variables,
    test: (shop: Shop) => Promise<void>,
    prepare = async (_folder: string): Promise<void> => undefined,
  ) =>
  async (): Promise<void> => {
    const folder = newFolder();
    try {
      await prepare(folder);
      const shop = await openShop(folder, variables);
      try {
        await test(shop);
      } finally {
        await shop.close();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };

/** Lists products for 10.00 each and receives `units` of them, in a shop that is closed. */
export const stockUp = async (folder: string, skus: readonly string[], units: number): Promise<void> => {
  const environment = environmentOf(folder);
  const parts = await openParts(environment, system);
  try {
    const { executor } = assemble(parts, environment);
    const context = (commandId: string) => ({ commandId, actor: { id: 'tests', role: 'system' } as const });
    await Promise.all(
      skus.flatMap((sku) => [
        executor.execute(
          products,
          productStream(sku),
          { type: 'ListProduct', data: { sku, name: sku, priceMinor: 1_000, currency: 'GBP' } },
          context(`list-${sku}`),
        ),
        executor.execute(
          stocks,
          stockStream(sku),
          { type: 'ReceiveGoods', data: { quantity: units } },
          context(`receive-${sku}`),
        ),
      ]),
    );
  } finally {
    await parts.close();
  }
};

/** What a shop that is closed holds. */
export const readClosed = async (
  folder: string,
  read: (store: EventStore) => Promise<void>,
): Promise<void> => {
  const parts = await openParts(environmentOf(folder), system);
  try {
    await read(parts.store);
  } finally {
    await parts.close();
  }
};
export const streamOf = async (store: EventStore, stream: string): Promise<readonly EventEnvelope[]> => {
  const events: EventEnvelope[] = [];
  for await (const event of store.readStream(stream)) events.push(event);
  return events;
};

/** A shop's file made up in a folder of its own, and a store in memory to take it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { openScratch } from '../../adapters/sqlite/scratch.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { keyOf, type EventEnvelope } from '../../domain/kernel.ts';
import { orderStream } from '../../domain/order/events.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { orders } from '../../domain/order/order.ts';
import { importedOrderIdOf } from '../../scripts/import/order-history.ts';
import { NO_PROGRESS } from '../../scripts/cli/progress.ts';
import { importHistory, type ImportOptions, type Summary } from '../../scripts/import/import-history.ts';
import { fakeClock } from '../fake-clock.ts';
import { memoryShop } from '../memory-shop.ts';

export const HEADER = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';
export type Cells = Readonly<{
  invoice?: string;
  sku?: string;
  name?: string;
  quantity?: number | string;
  date?: string;
  price?: string;
  customer?: string;
  country?: string;
}>;

/** A row of an ordinary sale, but for what is given. */
export const row = ({
  invoice = '500001',
  sku = '10001',
  name = 'MUG',
  quantity = 1,
  date = '2011-01-10 10:00:00',
  price = '2.55',
  customer = '17850',
  country = 'United Kingdom',
}: Cells): string => [invoice, sku, name, quantity, date, price, customer, country].join(',');
export const csv = (...rows: readonly (Cells | string)[]): string =>
  `${[HEADER, ...rows.map((one) => (typeof one === 'string' ? one : row(one)))].join('\n')}\n`;

export type Rejected = Readonly<{ row: string; code: string; sentence: string } & Record<string, string>>;
export type Imported = Readonly<{ summary: Summary; rejected: readonly Rejected[] }>;
export type World = Readonly<{
  folder: string;
  store: EventStore;
  file(name: string, content: string | Buffer): string;
  /** Imports the file at `path`, each time with an executor that remembers nothing. */
  run(path: string, options?: Partial<ImportOptions>): Promise<Imported>;
  rejects: string;
  order(invoice: string, placedAt: string): ReturnType<typeof loadOrder>;
  end(): void;
}>;

const loadOrder = async (store: EventStore, invoice: string, placedAt: string) => {
  const { executor } = memoryShop({ clock: fakeClock('2026-01-01T00:00:00.000Z') }, { store }).shop;
  return (
    await executor.load(orders, orderStream(importedOrderIdOf('import', invoice, Date.parse(placedAt))))
  ).state;
};

export const world = (given?: EventStore): World => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-scripts-'));
  const store = given ?? memoryEventStore();
  const rejects = join(folder, 'rejects', 'rows.csv');
  let runs = 0;
  return {
    folder,
    store,
    rejects,
    file(name, content) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    },
    async run(path, options = {}) {
      const clock = fakeClock(`2026-01-0${1 + (runs++ % 9)}T00:00:00.000Z`);
      const scratch = openScratch();
      const into = options.store ?? store;
      const { executor } = memoryShop({ clock }, { store: into }, {}, { cacheWeight: 50 }).shop;
      try {
        const summary = await importHistory({
          file: path,
          rejectFile: rejects,
          source: 'import',
          timezone: 'Europe/London',
          currency: 'GBP',
          decimals: 2,
          store: into,
          executor,
          scratch,
          clock,
          progress: NO_PROGRESS,
          ...options,
        });
        return { summary, rejected: parse(readFileSync(rejects), { columns: true }) as Rejected[] };
      } finally {
        await scratch.close();
      }
    },
    order: (invoice, placedAt) => loadOrder(store, invoice, placedAt),
    end: () => rmSync(folder, { recursive: true, force: true }),
  };
};

export const allEvents = async (store: EventStore): Promise<readonly EventEnvelope[]> => {
  const events: EventEnvelope[] = [];
  for (let page = await store.readAll(undefined); ; page = await store.readAll(page.scanned)) {
    events.push(...page.events);
    if (page.atTail) return events;
  }
};

/**
 * What a store holds, whenever it was stored: by stream, without recordedAt, what is derived from it (ids, hashes), and
 * positions.
 */
export const contents = async (store: EventStore): Promise<Readonly<Record<string, readonly unknown[]>>> => {
  const streams: Record<string, unknown[]> = {};
  for (const { stream, type, schema, data, revision, meta } of await allEvents(store)) {
    const { recordedAt: _recorded, previousHash: _hash, ...rest } = meta;
    (streams[stream] ??= []).push({ type, schema, data, revision, meta: rest });
  }
  return Object.fromEntries(Object.entries(streams).sort(([a], [b]) => (a < b ? -1 : 1)));
};

export const streamsOf = async (store: EventStore, category: string): Promise<readonly string[]> =>
  [...new Set((await allEvents(store)).map(({ stream }) => stream))]
    .filter((stream) => stream.startsWith(`${category}-`))
    .map(keyOf);

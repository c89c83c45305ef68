/** A view built again: how fast, beside reading its events at all; in what memory; and what checkouts notice of it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openSqliteEventStore } from '../adapters/sqlite/event-store.ts';
import { systemClock, systemRandomness } from '../adapters/system.ts';
import type { EventEnvelope } from '../domain/kernel.ts';
import type { EventStore } from '../ports/event-store.ts';
import { inTurn, spreadOf, type Comparison } from './compare.ts';
import type { Filled } from './filling.ts';
import { basketsOf, checkouts, getJson, placeOne, postJson, tokenOf, type Basket } from './load.ts';
import { delivered, NO_LATENCY } from './orders.ts';
import { startShop } from './processes.ts';

const ROUNDS = 3;
const CUSTOMERS = 50;
const CONNECTIONS = 16;
/** Orders that a shop carried out, of which the store is made. */
const PATTERNS = 100;
/** One after the other, as a shop's are, which for its indexes is not the same as all at once. */
const MS_AN_EVENT = 5;
const TIMES = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;
const APPENDS_AT_ONCE = 64;
const FEW_EVENTS = 100_000;
const MANY_EVENTS = 1_000_000;
/** The heap of a process whose memory is measured. */
const HEAP_MB = 256;
/** On two cores, which the writing thread and the collector share with the fold, a round swings by a fifth. */
const SPEED_ROUNDS = 5;
const VIEW = 'order-status';
const opened = { clock: systemClock, newId: systemRandomness.uuid };

type Tell = (line: string) => void;

/** The histories of some orders, as a shop has written them. */
const histories = async (): Promise<readonly (readonly EventEnvelope[])[]> => {
  const shop = await startShop({ ROLES: 'all', ...NO_LATENCY });
  const store = openSqliteEventStore({ path: join(shop.dataFolder, 'events.db'), ...opened });
  try {
    await checkouts(shop.url, await basketsOf(shop.url, CUSTOMERS), CONNECTIONS, { amount: PATTERNS });
    await delivered(shop.url, await tokenOf(shop.url, 'operator'), PATTERNS);
    const streams = new Map<string, EventEnvelope[]>();
    for (let page = await store.readAll(undefined, { categories: ['order'] }); ;) {
      for (const event of page.events)
        streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
      if (page.atTail) break;
      page = await store.readAll(page.scanned, { categories: ['order'] });
    }
    return [...streams.values()];
  } finally {
    await store.close();
    await shop.stop();
  }
};

/** Appends orders like those of `patterns` until there are `events`; answers how many there are. */
const grow = async (
  store: EventStore,
  patterns: readonly (readonly EventEnvelope[])[],
  from: number,
  events: number,
): Promise<number> => {
  const firstMs = Date.parse(patterns[0]![0]!.meta.at);
  let [made, next] = [from, 0];
  const appendOne = async (): Promise<void> => {
    const pattern = patterns[next++ % patterns.length]!;
    const [{ stream, meta }] = pattern as [EventEnvelope];
    const laterMs = firstMs + made * MS_AN_EVENT - Date.parse(meta.at);
    made += pattern.length;
    const id = stream.slice(stream.indexOf('-') + 1);
    const text = JSON.stringify(pattern)
      .replaceAll(id, systemRandomness.uuid())
      .replace(TIMES, (time) => new Date(Date.parse(time) + laterMs).toISOString());
    const copy = (JSON.parse(text) as EventEnvelope[]).map((event) => ({
      ...event,
      id: systemRandomness.uuid(),
    }));
    await store.append(copy[0]!.stream, 'none', copy);
  };
  while (made < events) await Promise.all(Array.from({ length: APPENDS_AT_ONCE }, appendOne));
  return made;
};

/**
 * `how`: `scan`, or the name of the view to build from what is at `path`. `heapMb`: at most, Node's own choice unless
 * given.
 */
export const inProcess = async (path: string, how: string, heapMb?: number): Promise<Filled> => {
  const program = join(import.meta.dirname, 'filling.js');
  const { PATH } = process.env;
  const options = heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`];
  const { stdout } = await promisify(execFile)(process.execPath, [...options, program, path, how], {
    env: { PATH },
  });
  return JSON.parse(stdout) as Filled;
};

/**
 * `speed`: events a second of a long rebuild, beside a scan; `memory`: MB at most of a long rebuild, beside a short
 * one, each with as much room as its work takes and not as much as the machine has.
 */
export const compareRebuild = async (
  tell: Tell,
): Promise<Readonly<{ speed: Comparison; memory: Comparison }>> => {
  const patterns = await histories();
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-bench-'));
  const path = join(folder, 'events.db');
  const grown = async (from: number, to: number): Promise<number> => {
    const store = openSqliteEventStore({ path, ...opened });
    try {
      return await grow(store, patterns, from, to);
    } finally {
      await store.close();
    }
  };
  const filled = async (how: string, heapMb?: number): Promise<Filled> => {
    const done = await inProcess(path, how, heapMb);
    const [perSecond, peakMb] = [done.perSecond, done.peakMb].map(Math.round);
    tell(`${how}: ${done.events} events, ${perSecond} a second, ${peakMb} MB`);
    return done;
  };
  const peaks = async (): Promise<number[]> => {
    const found: number[] = [];
    for (let round = 0; round < ROUNDS; round++) found.push((await filled(VIEW, HEAP_MB)).peakMb);
    return found;
  };
  try {
    const few = await grown(0, FEW_EVENTS);
    const short = await peaks();
    await grown(few, MANY_EVENTS);
    const long = await peaks();
    const speed = await inTurn(
      SPEED_ROUNDS,
      async () => (await filled(VIEW)).perSecond,
      async () => (await filled('scan')).perSecond,
    );
    const memory = {
      ratio: spreadOf(long.map((peak, round) => peak / short[round]!)),
      ours: spreadOf(long),
      baseline: spreadOf(short),
    };
    return { speed, memory };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

/** Milliseconds, median, of `amount` checkouts one after the other. */
const checkoutMs = async (url: string, baskets: readonly Basket[], amount: number): Promise<number> => {
  const times: number[] = [];
  for (let i = 0; i < amount; i++) {
    const startedMs = performance.now();
    await placeOne(url, baskets[i % baskets.length]!);
    times.push(performance.now() - startedMs);
  }
  return spreadOf(times).median;
};

/** Median milliseconds of a checkout while a view is built again in the same process, beside without. */
export const compareBesideRebuild = async (orders: number, tell: Tell): Promise<Comparison> => {
  const shop = await startShop({ ROLES: 'all', ...NO_LATENCY });
  try {
    const operator = await tokenOf(shop.url, 'operator');
    const baskets = await basketsOf(shop.url, CUSTOMERS);
    await checkouts(shop.url, baskets, CONNECTIONS, { amount: orders });
    let placed = orders;
    type Views = Readonly<{
      items: readonly Readonly<{ name: string; build?: Readonly<{ state: string }> }>[];
    }>;
    const rebuilding = async (): Promise<boolean> => {
      const { items } = await getJson<Views>(`${shop.url}/ops/projections`, operator);
      return items.find(({ name }) => name === 'order-status')?.build?.state === 'building';
    };
    const some = Math.max(100, Math.floor(orders / 10));
    const rest = (): Promise<void> => delivered(shop.url, operator, placed);
    const alone = async (): Promise<number> => {
      await rest();
      const ms = await checkoutMs(shop.url, baskets, some);
      placed += some;
      tell(`checkout alone: ${ms} ms`);
      return ms;
    };
    const beside = async (): Promise<number> => {
      await rest();
      const times: number[] = [];
      for (let done = 0; done < some; done += 10) {
        if (!(await rebuilding())) {
          await postJson(`${shop.url}/ops/projections/order-status/drop`, operator).catch(() => undefined);
          await postJson(`${shop.url}/ops/projections/order-status/rebuild`, operator);
        }
        times.push(await checkoutMs(shop.url, baskets, 10));
        placed += 10;
      }
      await postJson(`${shop.url}/ops/projections/order-status/stop`, operator);
      const { median } = spreadOf(times);
      tell(`checkout beside a rebuild: ${median} ms`);
      return median;
    };
    await beside();
    return await inTurn(ROUNDS, beside, alone);
  } finally {
    await shop.stop();
  }
};

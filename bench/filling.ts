/**
 * A process of its own that goes through the orders' events of a data folder: `scan` reads and decodes them, the
 * name of a view builds that from them. Says how long that took and what memory it took at most.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteEventStore } from '../adapters/sqlite/event-store.ts';
import { openSqliteReadStore } from '../adapters/sqlite/read-store.ts';
import { systemClock, systemRandomness } from '../adapters/system.ts';
import type { EventStore } from '../ports/event-store.ts';
import { projectionsOf } from '../projections/index.ts';
import { viewName } from '../runtime/view/read.ts';
import { fill } from '../runtime/view/rebuild.ts';

/** `perSecond`: events. */
export type Filled = Readonly<{ events: number; perSecond: number; peakMb: number }>;

const PAGE = 500;
const TIME_ZONE = 'Europe/London';

const scan = async (store: EventStore): Promise<number> => {
  let events = 0;
  for (let page = await store.readAll(undefined, { categories: ['order'], limit: PAGE }); ;) {
    events += page.events.length;
    if (page.atTail) return events;
    page = await store.readAll(page.scanned, { categories: ['order'], limit: PAGE });
  }
};

const build = async (store: EventStore, name: string): Promise<number> => {
  const projection = projectionsOf(TIME_ZONE).find((view) => view.name === name);
  if (!projection) throw new Error(`there is no view ${name}`);
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-bench-'));
  const path = join(folder, 'views.db');
  const reads = openSqliteReadStore({ path, store: store.id, clock: systemClock });
  let events = 0;
  try {
    await fill({ store, reads, clock: systemClock }, projection, viewName(projection, 1), {
      onProgress: (progress) => (events = progress.events),
    });
    return events;
  } finally {
    await reads.close();
    rmSync(folder, { recursive: true });
  }
};

const [path = '', how = ''] = process.argv.slice(2);
const store = openSqliteEventStore({ path, clock: systemClock, newId: systemRandomness.uuid });
const startedMs = performance.now();
const events = how === 'scan' ? await scan(store) : await build(store, how);
const perSecond = (events * 1_000) / (performance.now() - startedMs);
const told: Filled = { events, perSecond, peakMb: process.resourceUsage().maxRSS / 1024 };
process.stdout.write(`${JSON.stringify(told)}\n`);
await store.close();

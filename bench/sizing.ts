/** What each role takes of a processor: every one in a process of its own, which is how a shop grows. */
import { join } from 'node:path';
import { openSqliteEventStore } from '../adapters/sqlite/event-store.ts';
import { systemClock, systemRandomness } from '../adapters/system.ts';
import { consumers } from '../consumers/index.ts';
import { categoryOf } from '../domain/kernel.ts';
import { projectionsOf } from '../projections/index.ts';
import { basketsOf, checkouts, tokenOf } from './load.ts';
import { delivered, NO_LATENCY } from './orders.ts';
import { startShop, type Shop } from './processes.ts';
import { inProcess } from './rebuild.ts';

const CUSTOMERS = 100;
const CONNECTIONS = 8;
const WARM_UP_ORDERS = 300;
const IDLE_MS = 5_000;
const TIME_ZONE = 'Europe/London';

/** `events`: that it handles of an order, on average. `msPerOrder`: of one core. `perSecond`: events, on one core. */
export type RoleCost = Readonly<{ role: string; events: number; msPerOrder: number; perSecond: number }>;
/** `perSecond`: events that it is built from. */
export type ViewCost = Readonly<{ view: string; perSecond: number }>;

/** How many events of an order, and of the stock on its behalf, each consumer and the views are handed. */
const handledOf = async (dataFolder: string): Promise<ReadonlyMap<string, number>> => {
  const store = openSqliteEventStore({
    path: join(dataFolder, 'events.db'),
    clock: systemClock,
    newId: systemRandomness.uuid,
  });
  const handled = new Map<string, number>();
  const add = (role: string): void => void handled.set(role, (handled.get(role) ?? 0) + 1);
  try {
    for (let page = await store.readAll(undefined, {}); ; page = await store.readAll(page.scanned, {})) {
      for (const { stream, type } of page.events) {
        add('project');
        for (const { name, handles } of consumers) {
          const { categories, types }: Readonly<Record<'categories' | 'types', readonly string[]>> = handles;
          if (categories.includes(categoryOf(stream)) && types.includes(type)) add(`consume:${name}`);
        }
      }
      if (page.atTail) return handled;
    }
  } finally {
    await store.close();
  }
};

/**
 * Whole orders, `orders` of them, through a shop whose roles are processes of their own on one data folder. What a
 * process takes while nothing happens is taken off. Needs Linux, which tells of other processes' time.
 */
export const measureRoles = async (
  orders: number,
  tell: (line: string) => void,
): Promise<Readonly<{ roles: readonly RoleCost[]; views: readonly ViewCost[] }>> => {
  const roles = ['api', 'project', ...consumers.map(({ name }) => `consume:${name}`)];
  const shops = new Map<string, Shop>();
  try {
    for (const role of roles) {
      const beside = shops.get('api')?.dataFolder;
      shops.set(role, await startShop({ ROLES: role, ...NO_LATENCY }, beside));
    }
    const { url, dataFolder } = shops.get('api')!;
    const [baskets, operator] = [await basketsOf(url, CUSTOMERS), await tokenOf(url, 'operator')];
    let placed = 0;
    const carryOut = async (amount: number): Promise<void> => {
      await checkouts(url, baskets, CONNECTIONS, { amount });
      await delivered(url, operator, (placed += amount));
    };
    const during = async (work: () => Promise<void>): Promise<ReadonlyMap<string, number>> => {
      const before = new Map([...shops].map(([role, shop]) => [role, shop.processorMs()]));
      const startedMs = performance.now();
      await work();
      const tookMs = performance.now() - startedMs;
      return new Map([...shops].map(([role, shop]) => [role, shop.processorMs() - before.get(role)!])).set(
        'all',
        tookMs,
      );
    };
    await carryOut(WARM_UP_ORDERS);
    const idle = await during(() => systemClock.sleep(IDLE_MS));
    const busy = await during(() => carryOut(orders));
    tell(`roles: ${orders} orders in ${Math.round(busy.get('all')! / 1_000)} s`);
    const handled = await handledOf(dataFolder);
    const costs = roles.map((role): RoleCost => {
      const atRest = (idle.get(role)! / idle.get('all')!) * busy.get('all')!;
      const msPerOrder = Math.max(0, busy.get(role)! - atRest) / orders;
      const events = role === 'api' ? 1 : (handled.get(role) ?? 0) / placed;
      return { role, events, msPerOrder, perSecond: (1_000 * events) / msPerOrder };
    });
    const views: ViewCost[] = [];
    for (const { name } of projectionsOf(TIME_ZONE)) {
      const { perSecond } = await inProcess(join(dataFolder, 'events.db'), name);
      views.push({ view: name, perSecond });
    }
    return { roles: costs, views };
  } finally {
    await Promise.all([...shops.values()].map((shop) => shop.stop()));
  }
};

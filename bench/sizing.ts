/** What each role takes of a processor: every one in a process of its own, which is how a shop grows. */
import { join } from 'node:path';
import { passing } from '../adapters/stored-event.ts';
import { system, systemClock } from '../adapters/system.ts';
import { readEnvironment } from '../compose/environment.ts';
import { openParts } from '../compose/parts.ts';
import { consumers } from '../consumers/index.ts';
import { projectionsOf } from '../projections/index.ts';
import { basketsOf, checkouts, getJson, tokenOf } from './load.ts';
import { delivered, NO_LATENCY } from './orders.ts';
import { startShop, type Shop } from './processes.ts';
import { inProcess } from './rebuild.ts';

const CUSTOMERS = 100;
const CONNECTIONS = 8;
const WARM_UP_ORDERS = 300;
/** Seldom: what it takes to answer falls on `api`. */
const LOOK_MS = 500;
const IDLE_MS = 10_000;

/** `events`: that it handles of an order, on average. `msPerOrder`: of one core. `perSecond`: events, on one core. */
export type RoleCost = Readonly<{ role: string; events: number; msPerOrder: number; perSecond: number }>;
/** `perSecond`: events that it is built from. */
export type ViewCost = Readonly<{ view: string; perSecond: number }>;

/** How many events each consumer and the views are handed of what is in the store. */
const handledOf = async (
  variables: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, number>> => {
  const { store, close } = await openParts(readEnvironment(variables), system);
  const handled = new Map<string, number>();
  const followers = consumers.map(({ name, handles }) => ({ name, passes: passing(handles) }));
  const add = (role: string): void => void handled.set(role, (handled.get(role) ?? 0) + 1);
  try {
    for (let page = await store.readAll(undefined, {}); ; page = await store.readAll(page.scanned, {})) {
      for (const event of page.events) {
        add('project');
        add('forward');
        for (const { name, passes } of followers) if (passes(event)) add(`consume:${name}`);
      }
      if (page.atTail) return handled;
    }
  } finally {
    await close();
  }
};

type Lagging = Readonly<{ items: readonly Readonly<{ lag?: Readonly<{ events: number }> }>[] }>;
/** Resolves when nobody has anything left to do: mails go out after an order is delivered. */
const worksOff = async (url: string, operator: string): Promise<void> => {
  for (let busy = true; busy;) {
    await systemClock.sleep(LOOK_MS);
    busy = false;
    for (const what of ['consumers', 'projections'])
      busy ||= (await getJson<Lagging>(`${url}/ops/${what}`, operator)).items.some(
        ({ lag }) => lag === undefined || lag.events > 0,
      );
  }
};

/**
 * Whole orders, `orders` of them, through a shop whose roles are processes of their own on one data folder. What a
 * process takes while nothing happens is taken off. `variables`: of the servers that it is on; none for the embedded
 * store, which views are built again from as well. Needs Linux, which tells of other processes' time.
 */
export const measureRoles = async (
  orders: number,
  variables: Readonly<Record<string, string>>,
  tell: (line: string) => void,
): Promise<Readonly<{ roles: readonly RoleCost[]; views: readonly ViewCost[] }>> => {
  const onServers = Object.keys(variables).length > 0;
  const roles = [
    'api',
    'project',
    ...(onServers ? ['forward'] : []),
    ...consumers.map(({ name }) => `consume:${name}`),
  ];
  const shops = new Map<string, Shop>();
  try {
    for (const role of roles) {
      const beside = shops.get('api')?.dataFolder;
      shops.set(role, await startShop({ ROLES: role, ...NO_LATENCY, ...variables }, beside));
    }
    const { url, dataFolder } = shops.get('api')!;
    const [baskets, operator] = [await basketsOf(url, CUSTOMERS), await tokenOf(url, 'operator')];
    let placed = 0;
    const carryOut = async (amount: number): Promise<void> => {
      await checkouts(url, baskets, CONNECTIONS, { amount });
      await delivered(url, operator, (placed += amount));
      await worksOff(url, operator);
    };
    const processors = (): ReadonlyMap<string, number> =>
      new Map([...shops].map(([role, shop]) => [role, shop.processorMs()]));
    /** `ms`: how long it took; `msOf`: what a role took of a core in that time. */
    const during = async (work: () => Promise<void>) => {
      const [before, startedMs] = [processors(), performance.now()];
      await work();
      const [after, ms] = [processors(), performance.now() - startedMs];
      return { ms, msOf: (role: string): number => after.get(role)! - before.get(role)! };
    };
    await carryOut(WARM_UP_ORDERS);
    const idle = await during(() => systemClock.sleep(IDLE_MS));
    const busy = await during(() => carryOut(orders));
    tell(`roles: ${orders} orders in ${Math.round(busy.ms / 1_000)} s`);
    const handled = await handledOf({ ...variables, DATA_DIR: dataFolder });
    const costs = roles.map((role): RoleCost => {
      const atRest = (idle.msOf(role) / idle.ms) * busy.ms;
      const msPerOrder = Math.max(0, busy.msOf(role) - atRest) / orders;
      const events = role === 'api' ? 1 : (handled.get(role) ?? 0) / placed;
      return { role, events, msPerOrder, perSecond: (1_000 * events) / msPerOrder };
    });
    const views: ViewCost[] = [];
    for (const { name } of onServers ? [] : projectionsOf(readEnvironment({}).SHOP_TIMEZONE)) {
      const { perSecond } = await inProcess(join(dataFolder, 'events.db'), name);
      views.push({ view: name, perSecond });
    }
    return { roles: costs, views };
  } finally {
    await Promise.all([...shops.values()].map((shop) => shop.stop()));
  }
};

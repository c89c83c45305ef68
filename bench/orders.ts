import { systemClock } from '../adapters/system.ts';
import { inTurn, type Comparison } from './compare.ts';
import { basketsOf, checkouts, getJson, tokenOf } from './load.ts';
import { startShop } from './processes.ts';

const CUSTOMERS = 100;
const ROUNDS = 3;
const CONNECTIONS = 64;
const WARM_UP_ORDERS = 300;
const POLL_MS = 50;
const PATIENCE_MS = 300_000;
const UNFINISHED = ['placed', 'confirmed', 'partially_shipped', 'shipped'];
export const NO_LATENCY = { SIM_PAYMENT_LATENCY_MS: '0', SIM_WAREHOUSE_LATENCY_MS: '0' };

type Page = Readonly<{ items: readonly unknown[]; nextCursor: string | null }>;

const count = async (url: string, token: string, status: string): Promise<number> => {
  let found = 0;
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: Page = await getJson(
      `${url}/orders?status=${status}&limit=200${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      token,
    );
    found += page.items.length;
    cursor = page.nextCursor;
  }
  return found;
};

/** Resolves when `orders` are delivered: looked up in the view, counted only when none is on its way. */
export const delivered = async (url: string, token: string, orders: number): Promise<void> => {
  const startedMs = systemClock.now().getTime();
  for (;;) {
    let waiting = false;
    for (const status of UNFINISHED)
      waiting ||= (await getJson<Page>(`${url}/orders?status=${status}&limit=1`, token)).items.length > 0;
    if (!waiting && (await count(url, token, 'delivered')) >= orders) return;
    if (systemClock.now().getTime() - startedMs > PATIENCE_MS)
      throw new Error(`${orders} orders were not delivered within ${PATIENCE_MS} ms`);
    await systemClock.sleep(POLL_MS);
  }
};

/**
 * Whole orders, from checkout to delivered with every role in one process, beside durable checkouts alone;
 * `orders` a round.
 */
export const compareOrders = async (orders: number, tell: (line: string) => void): Promise<Comparison> => {
  const alone = await startShop({ ROLES: 'api' });
  const whole = await startShop({ ROLES: 'all', ...NO_LATENCY });
  try {
    const [aloneBaskets, wholeBaskets] = [
      await basketsOf(alone.url, CUSTOMERS),
      await basketsOf(whole.url, CUSTOMERS),
    ];
    const operator = await tokenOf(whole.url, 'operator');
    let placed = 0;
    const runWhole = (amount: number) => async (): Promise<number> => {
      const startedMs = systemClock.now().getTime();
      const { seconds } = await checkouts(whole.url, wholeBaskets, CONNECTIONS, { amount });
      placed += amount;
      await delivered(whole.url, operator, placed);
      const tookSeconds = (systemClock.now().getTime() - startedMs) / 1000;
      tell(`whole orders: ${amount} placed in ${seconds} s, all delivered after ${tookSeconds} s`);
      return amount / tookSeconds;
    };
    const runAlone = (amount: number) => async (): Promise<number> => {
      const startedMs = systemClock.now().getTime();
      await checkouts(alone.url, aloneBaskets, CONNECTIONS, { amount });
      const tookSeconds = (systemClock.now().getTime() - startedMs) / 1000;
      tell(`checkouts alone: ${amount} in ${tookSeconds} s`);
      return amount / tookSeconds;
    };
    await runWhole(WARM_UP_ORDERS)();
    await runAlone(orders)();
    return await inTurn(ROUNDS, runWhole(orders), runAlone(orders));
  } finally {
    await alone.stop();
    await whole.stop();
  }
};

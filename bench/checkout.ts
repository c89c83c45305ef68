import { inTurn, type Comparison } from './compare.ts';
import { basketsOf, checkouts } from './load.ts';
import { startBaseline, startShop } from './processes.ts';

const CUSTOMERS = 300;
const ROUNDS = 3;
export const CONNECTIONS = [64, 256] as const;

/**
 * Durable checkouts over HTTP beside an Express route that stores nothing, at 64 and 256 connections;
 * `seconds` a round.
 */
export const compareCheckout = async (
  seconds: number,
  tell: (line: string) => void,
): Promise<Readonly<Record<number, Comparison>>> => {
  const shop = await startShop({ ROLES: 'api' });
  const baseline = await startBaseline(shop.dataFolder);
  try {
    const baskets = await basketsOf(shop.url, CUSTOMERS);
    const results: Record<number, Comparison> = {};
    for (const connections of CONNECTIONS) {
      const run = (of: string, url: string, runSeconds: number) => async (): Promise<number> => {
        const { perSecond, p50Ms, p99Ms } = await checkouts(url, baskets, connections, {
          seconds: runSeconds,
        });
        tell(
          `${of}, ${connections} connections: ${Math.round(perSecond)} a second, p50 ${p50Ms} ms, p99 ${p99Ms} ms`,
        );
        return perSecond;
      };
      // Compiled code, every customer's key and verified token: as in a server that has run for a while.
      await run('warm-up of the baseline', baseline.url, Math.max(2, seconds))();
      await run('warm-up of the checkout', shop.url, Math.max(2, seconds))();
      results[connections] = await inTurn(
        ROUNDS,
        run('checkout', shop.url, seconds),
        run('baseline', baseline.url, seconds),
      );
    }
    return results;
  } finally {
    await baseline.stop();
    await shop.stop();
  }
};

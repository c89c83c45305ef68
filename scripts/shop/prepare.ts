/** Makes sure that the shop lists what will be ordered and has enough of it, as an operator would. */
import type { Randomness } from '../../ports/system.ts';
import type { Progress } from '../cli/progress.ts';
import { complaint, type Client } from './client.ts';
import { limited } from './limited.ts';
import type { Need } from './plan.ts';

export type PrepareOptions = Readonly<{
  client: Client;
  token: string;
  currency: string;
  needs: readonly Need[];
  randomness: Randomness;
  progress: Progress;
}>;

const PARALLEL = 48;
/** What one delivery may have. */
const MOST_UNITS = 1_000_000;

/** Resolves to the number of SKUs that got a delivery. Throws when the server does not do what it must. */
export const prepareShop = async ({
  client,
  token,
  currency,
  needs,
  randomness,
  progress,
}: PrepareOptions): Promise<number> => {
  const atOnce = limited(PARALLEL);
  let [done, delivered] = [0, 0];
  const prepare = async ({ sku, name, priceMinor, quantity }: Need): Promise<void> => {
    const path = `/stock/${encodeURIComponent(sku)}`;
    const listed = await client.call({
      method: 'PUT',
      path: `/catalogue/${encodeURIComponent(sku)}`,
      token,
      key: randomness.uuid(),
      body: { name, price: { amountMinor: priceMinor, currency } },
    });
    if (!listed.answered || listed.reply.status !== 200)
      throw new Error(complaint(`PUT /catalogue/${sku}`, listed));
    const stock = await client.call({ method: 'GET', path, token });
    if (!stock.answered || (stock.reply.status !== 200 && stock.reply.status !== 404))
      throw new Error(complaint(`GET ${path}`, stock));
    const available = (stock.reply.body as { available?: number } | undefined)?.available ?? 0;
    if (available < quantity) delivered += 1;
    for (let missing = quantity - available; missing > 0; missing -= MOST_UNITS) {
      const body = { quantity: Math.min(missing, MOST_UNITS), reason: 'for the orders to be played' };
      const received = await client.call({
        method: 'POST',
        path: `${path}/receive`,
        token,
        key: randomness.uuid(),
        body,
      });
      if (!received.answered || received.reply.status !== 200)
        throw new Error(complaint(`POST ${path}/receive`, received));
    }
    progress.report('listing and stocking', ++done, needs.length);
  };
  await Promise.all(needs.map((need) => atOnce(() => prepare(need))));
  return delivered;
};

/**
 * The catalogue's prices as checkout needs them: kept in memory, read from product streams, never from a
 * view.
 */
import { LRUCache } from 'lru-cache';
import { keyOf } from '../domain/kernel.ts';
import { productStream, products, type ProductState } from '../domain/product/product.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Clock, Log } from '../ports/system.ts';
import type { Executor } from '../runtime/command/execute.ts';
import { follow, type Way } from '../runtime/feed/follow.ts';

const PRODUCTS = 100_000;
const PAGE = 500;
const FILTER = { categories: ['product'] };

export interface Prices {
  /** The product, or undefined when it is not listed. Known ones answer without a promise. */
  of(sku: string): ProductState | undefined | Promise<ProductState | undefined>;
  /** After this process has changed the product. */
  forget(sku: string): void;
  close(): Promise<void>;
}

/**
 * Follows the product streams from now on; a change by another process is known as soon as it is read. While
 * the store cannot be followed nothing is answered from memory: each checkout reads prices from the store.
 */
export const followPrices = (
  { store, clock, log }: Readonly<{ store: EventStore; clock: Clock; log: Log }>,
  executor: Executor,
): Prices => {
  const known = new LRUCache<string, ProductState>({ max: PRODUCTS });
  const stop = new AbortController();
  let followed = false;
  /** Counts what was forgotten: a product that was read before that may be an old one. */
  let forgotten = 0;
  const forget = (sku: string): void => {
    forgotten += 1;
    known.delete(sku);
  };
  const begin = async (): Promise<Way> => {
    const after = await store.tail();
    followed = true;
    return {
      after,
      async take({ events }) {
        for (const event of events) forget(keyOf(event.stream));
        return 'on';
      },
      lost() {
        followed = false;
        forgotten += 1;
        known.clear();
      },
    };
  };
  const following = follow(
    { store, clock, log, who: { follower: 'prices' }, filter: FILTER, pageSize: PAGE, signal: stop.signal },
    begin,
  ).catch((error: unknown) =>
    log.error(
      { error: String(error) },
      'prices are no longer followed; each checkout reads them from the store',
    ),
  );
  const load = async (sku: string): Promise<ProductState | undefined> => {
    const before = forgotten;
    const { state } = await executor.load(products, productStream(sku));
    if (!state.listed) return undefined;
    if (followed && forgotten === before) known.set(sku, state);
    return state;
  };
  return {
    of: (sku) => known.get(sku) ?? load(sku),
    forget,
    async close() {
      stop.abort();
      await following;
    },
  };
};

/**
 * The catalogue's prices as checkout needs them: kept in memory, read from product streams, never from a
 * view.
 */
import { LRUCache } from 'lru-cache';
import { keyOf } from '../domain/kernel.ts';
import { productStream, products, type ProductState } from '../domain/product/product.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Log } from '../ports/system.ts';
import type { Executor } from '../runtime/command/execute.ts';

export interface Prices {
  /** The product, or undefined when it is not listed. Known ones answer without a promise. */
  of(sku: string): ProductState | undefined | Promise<ProductState | undefined>;
  /** After this process has changed the product. */
  forget(sku: string): void;
  close(): Promise<void>;
}

/** Follows the product streams from now on; a change by another process is known as soon as it is read. */
export const followPrices = async (store: EventStore, executor: Executor, log: Log): Promise<Prices> => {
  const known = new LRUCache<string, ProductState>({ max: 100_000 });
  const stop = new AbortController();
  const after = await store.tail();
  const follow = async (): Promise<void> => {
    for await (const page of store.subscribe(after, { categories: ['product'], signal: stop.signal }))
      for (const event of page.events) known.delete(keyOf(event.stream));
  };
  const following = follow().catch((error: unknown) => {
    // Without news of changes nothing may be served from memory.
    known.clear();
    known.set = () => known;
    log.error(
      { error: String(error) },
      'prices are no longer followed; each checkout reads them from the store',
    );
  });
  const load = async (sku: string): Promise<ProductState | undefined> => {
    const { state } = await executor.load(products, productStream(sku));
    if (!state.listed) return undefined;
    known.set(sku, state);
    return state;
  };
  return {
    of: (sku) => known.get(sku) ?? load(sku),
    forget: (sku) => void known.delete(sku),
    async close() {
      stop.abort();
      await following;
    },
  };
};

import type { EventEnvelope } from '../domain/kernel.ts';

export interface Publishing {
  /**
   * Resolves when all of them are durable in the log, those of one stream in the order given. Published again they stand
   * there again: who follows knows an event by its id. Throws `StoreUnavailable`, and then some may be there.
   */
  publish(events: readonly EventEnvelope[]): Promise<void>;
}

/** Fills a log that groups follow, where the event store is not its own. */
export interface EventPublisher extends Publishing {
  /**
   * What is published in it need not be waited for before the next is: it stands behind, and once something has failed
   * all that was published after it fails, too. So no event of a stream gets ahead of an earlier one.
   */
  sequence(): Publishing;
}

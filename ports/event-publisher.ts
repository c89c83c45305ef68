import type { EventEnvelope } from '../domain/kernel.ts';

/** Fills a log that groups follow, where the event store is not its own. */
export interface EventPublisher {
  /**
   * Resolves when all of them are durable in the log, those of one stream in the order given. Published again they stand
   * there again: who follows knows an event by its id. Throws `StoreUnavailable`, and then some may be there.
   */
  publish(events: readonly EventEnvelope[]): Promise<void>;
}

import { memoryEventLog } from '../../adapters/memory/event-log.ts';
import { eventFeedContract } from '../contracts/event-feed.ts';
import { LEASE_MS, world } from '../runtime/world.ts';

/** Publishes what a store holds, as a forwarder would. */
const madeOf = (partitions: number) => async () => {
  const w = world();
  const log = memoryEventLog(partitions);
  return {
    partitions,
    feed: () => log.feed({ clock: w.clock, sessionMs: LEASE_MS }),
    async happen(...streams: readonly string[]) {
      const before = await w.store.tail();
      await w.happen(...streams);
      const { events } = await w.store.readAll(before);
      await log.publisher.publish(events);
      return events.map(({ position }) => position);
    },
    advanceUntil: (what: string, condition: () => boolean | Promise<boolean>) =>
      w.advanceUntil(what, condition),
    close: async () => undefined,
  };
};
for (const partitions of [1, 4]) eventFeedContract(`memory log of ${partitions}`, madeOf(partitions));

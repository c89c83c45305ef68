import { memoryEventLog } from '../../adapters/memory/event-log.ts';
import { eventFeedContract } from '../contracts/event-feed.ts';
import { eventPublisherContract } from '../contracts/event-publisher.ts';
import { LEASE_MS, publishing, world } from '../runtime/world.ts';

const madeOf = (partitions: number) => async () => {
  const w = world();
  const log = memoryEventLog(partitions);
  return {
    partitions,
    feed: () => log.feed({ clock: w.clock, sessionMs: LEASE_MS }),
    happen: publishing(w.store, w.clock, log.publisher),
    advanceUntil: (what: string, condition: () => boolean | Promise<boolean>) =>
      w.advanceUntil(what, condition),
    close: async () => undefined,
  };
};
for (const partitions of [1, 4]) eventFeedContract(`memory log of ${partitions}`, madeOf(partitions));

eventPublisherContract('memory log', async () => {
  const { clock, advanceUntil } = world();
  const log = memoryEventLog(3);
  const feed = log.feed({ clock, sessionMs: LEASE_MS });
  return {
    port: {
      publisher: log.publisher,
      feed,
      advanceUntil: (what, condition) => advanceUntil(what, condition),
    },
    close: async () => undefined,
  };
});

/** A cluster, the publisher that fills it, and feeds of it, for each case of its own. */
import { openCluster } from '../../adapters/kafka/cluster.ts';
import { kafkaFeed } from '../../adapters/kafka/feed.ts';
import { kafkaPublisher } from '../../adapters/kafka/publisher.ts';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { until } from '../fake-clock.ts';
import { quietLog } from '../quiet-log.ts';
import { publishing } from '../runtime/world.ts';
import type { KafkaServer } from './kafka-server.ts';

const WAIT_MS = 30_000;
const CATEGORIES = ['order', 'stock', 'other'];

/** Each on topics and groups of its own. `feed`: as another process has it, of the store that is called so. */
export const kafkaWorlds = ({ brokers }: Pick<KafkaServer, 'brokers'>) => {
  let worlds = 0;
  return async (partitions: number) => {
    const cluster = openCluster({
      brokers,
      clientId: 'test',
      categories: CATEGORIES,
      partitions,
      prefix: `case-${++worlds}.`,
      clock: systemClock,
      log: quietLog,
    });
    await cluster.makeTopics();
    const store = memoryEventStore();
    const { leases } = memoryBookkeeping(store.id);
    const publisher = kafkaPublisher(cluster, { source: `/orderfold/${store.id}` });
    const feed = (id = store.id) =>
      kafkaFeed({
        cluster,
        store: { ...store, id },
        leases,
        holder: systemRandomness.uuid(),
        clock: systemClock,
        log: quietLog,
        sessionMs: 2_000,
      });
    return {
      partitions,
      cluster,
      publisher,
      feed,
      happen: publishing(store, systemClock, publisher),
      advanceUntil: (what: string, condition: () => boolean | Promise<boolean>) =>
        until(what, condition, WAIT_MS),
      async close() {
        await publisher.close();
        await cluster.close();
      },
    };
  };
};

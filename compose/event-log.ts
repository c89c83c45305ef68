/** The log between the store and those who follow it, where the environment names one. */
import { openCluster, WrongTopic } from '../adapters/kafka/cluster.ts';
import { kafkaFeed } from '../adapters/kafka/feed.ts';
import { kafkaPublisher } from '../adapters/kafka/publisher.ts';
import { consumers } from '../consumers/index.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { EventPublisher } from '../ports/event-publisher.ts';
import type { Leases } from '../ports/lease.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import type { Environment } from './environment.ts';

/** `categories`: those whose events it takes. `prepare`: makes what is missing; a sentence for what is there and does not fit. */
export type EventLog = Readonly<{
  feed: EventFeed;
  publisher: EventPublisher;
  categories: readonly string[];
  prepare(): Promise<readonly string[]>;
  /** Whose topic that is, if it is one that consumers follow. */
  categoryOf(topic: string): string | undefined;
  /** What fills one topic, made if missing, with whatever it is given. */
  publisherTo(topic: string): Promise<EventPublisher>;
  close(): Promise<void>;
}>;

/** `store`: whose events it takes. */
export type EventLogDeps = Readonly<{
  leases: Leases;
  store: EventStore;
  clock: Clock;
  randomness: Randomness;
  log: Log;
}>;

/** Every category that a consumer handles. */
const handled = [...new Set(consumers.flatMap(({ handles }) => handles.categories))].sort();

/** Nothing is asked of it yet. `brokers`: host:port. */
export const openEventLog = (
  environment: Environment,
  brokers: readonly string[],
  deps: EventLogDeps,
): EventLog => {
  const {
    KAFKA_SSL: ssl,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_PARTITIONS: partitions,
    KAFKA_RETENTION_MS: retentionMs,
    KAFKA_PREFIX: prefix,
  } = environment;
  const { leases, clock, log, randomness, store } = deps;
  const cluster = openCluster({
    brokers,
    clientId: 'orderfold',
    ssl,
    ...(username !== undefined && password !== undefined ? { sasl: { mechanism, username, password } } : {}),
    categories: handled,
    partitions,
    ...(retentionMs === undefined ? {} : { retentionMs }),
    ...(prefix === undefined ? {} : { prefix }),
    clock,
    log,
  });
  const source = `/orderfold/${store.id}`;
  const publisher = kafkaPublisher(cluster, { source });
  const open = [publisher];
  return {
    feed: kafkaFeed({ cluster, store, leases, holder: randomness.uuid(), clock, log }),
    publisher,
    categories: handled,
    async prepare() {
      try {
        await cluster.makeTopics();
        return [];
      } catch (error) {
        if (error instanceof WrongTopic) return [error.message];
        throw error;
      }
    },
    async publisherTo(topic) {
      const made = kafkaPublisher(await cluster.target(topic), { source });
      open.push(made);
      return made;
    },
    categoryOf: (topic) => handled.find((category) => cluster.topics([category])[0] === topic),
    async close() {
      for (const one of open) await one.close();
      await cluster.close();
    },
  };
};

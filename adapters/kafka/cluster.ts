/** A Kafka cluster, and what of it all of our parts share: which topics there are, and where a stream goes. */
import type { Admin } from 'kafkajs';
import { categoryOf } from '../../domain/kernel.ts';
import { connectKafka, type Connection, type ConnectionOptions } from './connection.ts';
import { placesOf, placingIn, type TopicPartition } from './message.ts';

/**
 * `categories`: one topic for each. `partitions`: of each topic; how many a topic has never changes, since a stream stays
 * in its partition. `retentionMs`: how long topics keep events; undefined is for ever.
 */
export type ClusterOptions = ConnectionOptions &
  Readonly<{
    categories: readonly string[];
    partitions: number;
    retentionMs?: number;
    /** Before the names of topics and groups, where several shops share a cluster. */
    prefix?: string;
  }>;

export type Cluster = Connection &
  Readonly<{
    partitions: number;
    groupId(group: string): string;
    /** Of all categories, or of those that are named and have one. */
    topics(categories?: readonly string[]): readonly string[];
    /** Where events of `stream` go. Throws RangeError when its category has no topic. */
    placeOf(stream: string): TopicPartition;
    /** Of the topics of these categories (`topic/number`). */
    places(categories: readonly string[]): readonly string[];
    /** Whether a partition of one of the topics is called so (`topic/number`). */
    has(place: string): boolean;
    /** Makes topics that are missing. Throws WrongTopic, or StoreUnavailable. */
    makeTopics(): Promise<void>;
    /** One topic, made where it is missing, that takes every stream, whatever its category. Throws StoreUnavailable. */
    target(topic: string): Promise<Target>;
  }>;

/** What a publisher needs to know of where it writes. */
export type Target = Pick<Cluster, 'kafka' | 'placeOf' | 'makeTopics' | 'shared'>;

/** A topic is there, and not as it has to be. */
export class WrongTopic extends Error {
  override readonly name = 'WrongTopic';
}

/** A message holds one event at least, and an append 1 MiB at most. */
const MESSAGE_BYTES = 2 * 1024 * 1024;
const REPLICAS = 3;

export const openCluster = ({
  categories,
  partitions,
  retentionMs,
  prefix = '',
  ...where
}: ClusterOptions): Cluster => {
  const connection = connectKafka(where);
  const { asAdmin } = connection;
  const topicName = (category: string): string => `${prefix}orderfold.${category}`;
  const placesIn = new Map(
    categories.map((category) => [category, placesOf(topicName(category), partitions)]),
  );
  const placing = new Map([...placesIn].map(([category, places]) => [category, placingIn(places)]));
  const known = new Set([...placesIn.values()].flat().map(({ name }) => name));

  const make = async (asked: Admin, names: readonly string[]): Promise<void> => {
    const there = await asked.listTopics();
    const missing = names.filter((name) => !there.includes(name));
    if (missing.length === 0) return;
    const replicas = Math.min(REPLICAS, (await asked.describeCluster()).brokers.length);
    await asked.createTopics({
      waitForLeaders: true,
      topics: missing.map((topic) => ({
        topic,
        numPartitions: partitions,
        replicationFactor: replicas,
        configEntries: [
          { name: 'min.insync.replicas', value: String(Math.max(1, replicas - 1)) },
          { name: 'retention.ms', value: String(retentionMs ?? -1) },
          { name: 'max.message.bytes', value: String(MESSAGE_BYTES) },
        ],
      })),
    });
  };
  const partitionsOf = async (asked: Admin, names: readonly string[]) =>
    (await asked.fetchTopicMetadata({ topics: [...names] })).topics.map(({ name, partitions: found }) => ({
      name,
      count: found.length,
    }));

  return {
    ...connection,
    partitions,
    groupId: (group) => `${prefix}${group}`,
    has: (place) => known.has(place),
    places: (wanted) => wanted.flatMap((category) => placesIn.get(category) ?? []).map(({ name }) => name),
    topics: (wanted) => categories.filter((category) => wanted?.includes(category) ?? true).map(topicName),
    placeOf(stream) {
      const place = placing.get(categoryOf(stream));
      if (!place) throw new RangeError(`no topic takes events of ${stream}`);
      return place(stream);
    },

    makeTopics: () =>
      asAdmin(async (asked) => {
        const names = categories.map(topicName);
        await make(asked, names);
        for (const { name, count } of await partitionsOf(asked, names))
          if (count !== partitions)
            throw new WrongTopic(
              `the topic ${name} has ${count} partitions, and this server is set to ${partitions} (KAFKA_PARTITIONS): set what the topic has, since a stream never leaves its partition`,
            );
      }),
    async target(topic) {
      const found = await asAdmin(async (asked) => {
        await make(asked, [topic]);
        return partitionsOf(asked, [topic]);
      });
      return {
        ...connection,
        makeTopics: async () => undefined,
        placeOf: placingIn(placesOf(topic, found[0]?.count ?? partitions)),
      };
    },
  };
};

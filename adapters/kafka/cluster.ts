/** A Kafka cluster, and what of it all of our parts share: how errors are told, and which topics there are. */
import kafkajs, { Kafka, logLevel, type Admin, type SASLOptions } from 'kafkajs';
import { categoryOf } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { Log } from '../../ports/system.ts';
import { partitioning, placeName } from './message.ts';

/**
 * `brokers`: `host:port` each. `clientId`: who asks, in the brokers' logs. `categories`: one topic for each. `partitions`:
 * of each topic; how many a topic has never changes, since a stream stays in its partition. `retentionMs`: how long
 * topics keep events; undefined is for ever.
 */
export type ClusterOptions = Readonly<{
  brokers: readonly string[];
  clientId: string;
  ssl?: boolean;
  sasl?: Readonly<{
    mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    username: string;
    password: string;
  }>;
  categories: readonly string[];
  partitions: number;
  retentionMs?: number;
  /** Before the names of topics and groups, where several shops share a cluster. */
  prefix?: string;
  log: Log;
}>;

// A CommonJS module whose errors are spread into its exports: not seen as names.
const { KafkaJSError } = kafkajs;

export type Cluster = Readonly<{
  kafka: Kafka;
  partitions: number;
  groupId(group: string): string;
  /** Of all categories, or of those that are named and have one. */
  topics(categories?: readonly string[]): readonly string[];
  /** Where events of `stream` go. Throws RangeError when its category has no topic. */
  placeOf(stream: string): Readonly<{ topic: string; partition: number }>;
  /** Whether a partition of one of the topics is called so (`topic/number`). */
  has(place: string): boolean;
  /** `what` on an admin connection that is made at first use. Throws StoreUnavailable when it cannot be carried out. */
  asAdmin<T>(what: (admin: Admin) => Promise<T>): Promise<T>;
  /** Makes topics that are missing. Throws WrongTopic, or StoreUnavailable. */
  makeTopics(): Promise<void>;
  /** One topic, made where it is missing, that takes every stream, whatever its category. Throws StoreUnavailable. */
  target(topic: string): Promise<Target>;
  /** The port's error for one of the driver's; any other is returned as it is. */
  failed(doing: string, error: unknown): unknown;
  close(): Promise<void>;
}>;

/** What a publisher needs to know of where it writes. */
export type Target = Pick<Cluster, 'kafka' | 'placeOf' | 'makeTopics' | 'failed'>;

/** A topic is there, and not as it has to be. */
export class WrongTopic extends Error {
  override readonly name = 'WrongTopic';
}

/** A message holds one event at least, and an append 1 MiB at most. */
const MESSAGE_BYTES = 2 * 1024 * 1024;
const REPLICAS = 3;
const CONNECTION_MS = 3_000;
const REQUEST_MS = 10_000;

export const openCluster = ({
  brokers,
  clientId,
  ssl = false,
  sasl,
  categories,
  partitions,
  retentionMs,
  prefix = '',
  log,
}: ClusterOptions): Cluster => {
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId,
    ssl,
    ...(sasl ? { sasl: { ...sasl } as SASLOptions } : {}),
    connectionTimeout: CONNECTION_MS,
    requestTimeout: REQUEST_MS,
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 2_000 },
    logLevel: logLevel.WARN,
    // What the driver calls an error it has often mended by itself a moment later; what it could not mend it throws.
    logCreator:
      () =>
      ({ level, namespace, log: { message, error } }) =>
        log[level === logLevel.ERROR ? 'warn' : 'info'](
          { kafka: namespace, error: error as unknown },
          message,
        ),
  });
  const partitionOf = partitioning(partitions);
  const topicName = (category: string): string => `${prefix}orderfold.${category}`;
  const failed = (doing: string, error: unknown): unknown =>
    error instanceof KafkaJSError
      ? new StoreUnavailable(`Kafka (${brokers.join(', ')}) cannot ${doing}: ${error.message}`, {
          cause: error,
        })
      : error;

  const places = new Set(
    categories.flatMap((category) =>
      Array.from({ length: partitions }, (_, partition) =>
        placeName({ topic: topicName(category), partition }),
      ),
    ),
  );

  let admin: Promise<Admin> | undefined;
  const connected = async (): Promise<Admin> => {
    const made = kafka.admin();
    await made.connect();
    return made;
  };
  const asAdmin: Cluster['asAdmin'] = async (what) => {
    const connecting = (admin ??= connected());
    try {
      return await what(await connecting);
    } catch (error) {
      if (admin === connecting) admin = undefined;
      connecting.then((made) => made.disconnect()).catch(() => undefined);
      throw failed('be asked', error);
    }
  };

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
    kafka,
    partitions,
    groupId: (group) => `${prefix}${group}`,
    has: (place) => places.has(place),
    asAdmin,
    failed,
    topics: (wanted) => categories.filter((category) => wanted?.includes(category) ?? true).map(topicName),
    placeOf(stream) {
      const category = categoryOf(stream);
      if (!categories.includes(category)) throw new RangeError(`no topic takes events of ${stream}`);
      return { topic: topicName(category), partition: partitionOf(stream) };
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
      const partition = partitioning(found[0]?.count ?? partitions);
      return {
        kafka,
        failed,
        makeTopics: async () => undefined,
        placeOf: (stream) => ({ topic, partition: partition(stream) }),
      };
    },

    async close() {
      const open = admin;
      admin = undefined;
      await open?.then((made) => made.disconnect()).catch(() => undefined);
    },
  };
};

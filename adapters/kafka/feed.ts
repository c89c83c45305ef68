import type { EventFeed, Lag } from '../../ports/event-feed.ts';
import type { Fence, Leases } from '../../ports/lease.ts';
import type { Clock, Log } from '../../ports/system.ts';
import type { Cluster } from './cluster.ts';
import { FIRST_MARK, latest, markIn, placeOfMark, type Committed } from './mark.ts';
import type { History } from './gap.ts';
import { joinGroup } from './member.ts';
import { placeName } from './message.ts';

/**
 * `leases` count the holders of each partition, for the fences: Kafka keeps how far each group has come. `store`: that
 * the topics are filled from; what they no longer hold is read there. `holder`: another for each process. `sessionMs`:
 * how long a member without a sign of life keeps its partitions.
 */
export type KafkaFeedOptions = Readonly<{
  cluster: Cluster;
  store: History;
  leases: Leases;
  holder: string;
  clock: Clock;
  log: Log;
  sessionMs?: number;
}>;

const SESSION_MS = 10_000;
/** Of a partition that the broker does not name. */
const EMPTY = { low: '0', high: '0' };

type Known = Committed & Readonly<{ topic: string; name: string }>;
type Ends = Readonly<{ low: string; high: string }>;

/**
 * The topics of `cluster` as the feed that groups follow. A partition is `topic/number`, a cursor its offset. Lag counts
 * every message of the topic; its seconds are those of the oldest unfinished one where the partition is held in this
 * process, else of the last finished one, which is older.
 */
export const kafkaFeed = (options: KafkaFeedOptions): EventFeed => {
  const { cluster, leases, holder, clock, sessionMs = SESSION_MS } = options;
  /** Of the groups that are followed here: when the oldest unfinished event of a partition was recorded. */
  const oldest = new Map<string, (partition: string) => string | undefined>();

  const fenceOf = async (lease: string): Promise<Fence> => {
    for (;;) {
      const taken = await leases.take(lease, holder, await leases.read(lease));
      if (taken) return { lease, token: taken.token };
    }
  };
  /** What a group has committed, for each partition of the topics. */
  const committed = (group: string, topics: readonly string[]): Promise<readonly Known[]> =>
    cluster.asAdmin(async (admin) => {
      const found = await admin.fetchOffsets({ groupId: cluster.groupId(group), topics: [...topics] });
      return found.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset, metadata }): Known => ({
          topic,
          name: placeName({ topic, partition }),
          ...(offset === '-1'
            ? { offset: undefined, mark: FIRST_MARK }
            : { offset, mark: markIn(metadata, options.store.id, group) }),
        })),
      );
    });
  /** First and next offset of each partition of the topics. */
  const ends = (topics: readonly string[]): Promise<ReadonlyMap<string, Ends>> =>
    cluster.asAdmin(async (admin) => {
      const found = await Promise.all(
        topics.map(async (topic) =>
          (await admin.fetchTopicOffsets(topic)).map(
            ({ partition, low, high }) => [placeName({ topic, partition }), { low, high }] as const,
          ),
        ),
      );
      return new Map(found.flat());
    });
  /** Partitions of the topics that the group has ever committed to, with where they end. */
  const places = async (group: string) => {
    const topics = cluster.topics();
    const [found, limits] = await Promise.all([committed(group, topics), ends(topics)]);
    const used = new Set(found.filter(({ offset }) => offset !== undefined).map(({ topic }) => topic));
    return found
      .filter(({ topic }) => used.has(topic))
      .map(({ name, offset, mark }) => {
        const { low, high } = limits.get(name) ?? EMPTY;
        return { name, mark, behind: Math.max(0, Number(BigInt(high) - BigInt(offset ?? low))) };
      });
  };

  return {
    partitionOf: (stream) => cluster.placeOf(stream).name,
    partitionsOf: (categories) => cluster.places(categories),
    homeOf: (partition, stream) => (cluster.has(partition) ? partition : cluster.placeOf(stream).name),

    async subscribe(group, { from, batchSize, ...filter }, member) {
      if (oldest.has(group)) throw new Error(`group ${group} is followed already in this process`);
      const topics = cluster.topics(filter.categories);
      /** Where a partition goes on, and whether that is to be committed before. */
      const startOf = async (topic: string, partition: number): Promise<Committed & { fresh: boolean }> => {
        const name = placeName({ topic, partition });
        const [found, limits] = await Promise.all([committed(group, [topic]), ends([topic])]);
        const { offset, mark = FIRST_MARK } = found.find((known) => known.name === name) ?? {};
        const { low, high } = limits.get(name) ?? EMPTY;
        // What the group would begin with may be gone from the topic.
        const gap = BigInt(low) > 0n ? ({ gap: true } as const) : {};
        if (offset !== undefined)
          return BigInt(offset) < BigInt(low)
            ? { offset: low, mark: { ...mark, ...gap }, fresh: true }
            : { offset, mark, fresh: false };
        if (from === 'now') return { offset: high, mark: FIRST_MARK, fresh: true };
        const behind = from === 'beginning' ? {} : { behind: from.behind };
        return { offset: low, mark: { ...FIRST_MARK, ...behind, ...gap }, fresh: true };
      };
      const subscription = joinGroup({
        ...options,
        sessionMs,
        group,
        topics,
        batchSize,
        filter,
        member,
        startOf,
        firstOf: async (topic, partition) =>
          ((await ends([topic])).get(placeName({ topic, partition })) ?? EMPTY).low,
        fenceOf: (name) => fenceOf(`consume:${group}/${name}`),
      });
      oldest.set(group, subscription.oldest);
      subscription.ended.then(
        () => oldest.delete(group),
        () => oldest.delete(group),
      );
      return subscription;
    },

    async lag(group): Promise<readonly Lag[]> {
      const nowMs = clock.now().getTime();
      return (await places(group)).map(({ name, mark, behind }) => {
        const at = oldest.get(group)?.(name) ?? mark.at;
        const seconds = behind === 0 || at === undefined ? 0 : (nowMs - Date.parse(at)) / 1000;
        return { partition: name, events: behind, seconds: Math.max(0, seconds) };
      });
    },

    async reached(group) {
      const at = (await places(group)).map(({ mark, behind }) => ({
        done: behind === 0,
        position: placeOfMark(mark),
      }));
      const unfinished = at.filter(({ done }) => !done);
      if (unfinished.length === 0) return latest(at.map(({ position }) => position));
      if (unfinished.some(({ position }) => position === undefined)) return undefined;
      return unfinished.map(({ position }) => position).sort()[0];
    },
  };
};

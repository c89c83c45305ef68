import type { Checkpoints } from '../../ports/checkpoints.ts';
import type { EventFeed, Lag } from '../../ports/event-feed.ts';
import type { Fence, Leases } from '../../ports/lease.ts';
import type { Clock, Log } from '../../ports/system.ts';
import type { Position } from '../../domain/kernel.ts';
import type { Cluster } from './cluster.ts';
import { FIRST_MARK, markIn, type Committed } from './mark.ts';
import { joinGroup } from './member.ts';
import { partitionIn } from './message.ts';

/**
 * `checkpoints` keep where a group is sent, and `leases` count the holders of each partition, for the fences: both belong
 * to the bookkeeping, and Kafka keeps how far each group has come. `holder`: another for each process. `sessionMs`: how
 * long a member without a sign of life keeps its partitions.
 */
export type KafkaFeedOptions = Readonly<{
  cluster: Cluster;
  checkpoints: Checkpoints;
  leases: Leases;
  holder: string;
  clock: Clock;
  log: Log;
  sessionMs?: number;
}>;

/** Where a group is asked to go, beside its checkpoints: `n>position`. */
const SOUGHT = 'sought';
const SESSION_MS = 10_000;

type Sought = Readonly<{ n: number; to: Position | undefined }>;

const latest = (positions: readonly (Position | undefined)[]): Position | undefined =>
  positions
    .filter((position) => position !== undefined)
    .sort()
    .at(-1);

/**
 * The topics of `cluster` as the feed that groups follow. A partition is `topic/number`, a cursor its offset. Lag counts
 * every message of the topic; its seconds are those of the oldest unfinished one where the partition is held in this
 * process, else of the last finished one, which is older.
 */
export const kafkaFeed = (options: KafkaFeedOptions): EventFeed => {
  const { cluster, checkpoints, leases, holder, clock, sessionMs = SESSION_MS } = options;
  /** Of the groups that are followed here: when the oldest unfinished event of a partition was recorded. */
  const oldest = new Map<string, (partition: string) => string | undefined>();

  const sought = async (group: string): Promise<Sought> => {
    const [, n, to] = /^(\d+)>(.*)$/.exec((await checkpoints.get(group, SOUGHT)) ?? '') ?? [];
    return { n: Number(n ?? 0), to: to ? (to as Position) : undefined };
  };
  const fenceOf = async (lease: string): Promise<Fence> => {
    for (;;) {
      const taken = await leases.take(lease, holder, await leases.read(lease));
      if (taken) return { lease, token: taken.token };
    }
  };
  /** What a group has committed, by topic and partition. */
  const committed = (group: string, topics: readonly string[]): Promise<ReadonlyMap<string, Committed>> =>
    cluster.asAdmin(async (admin) => {
      const found = await admin.fetchOffsets({ groupId: cluster.groupId(group), topics: [...topics] });
      return new Map(
        found.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset, metadata }): [string, Committed] => [
            `${topic}/${partition}`,
            offset === '-1' ? { offset: undefined, mark: FIRST_MARK } : { offset, mark: markIn(metadata) },
          ]),
        ),
      );
    });
  /** First and next offset of each partition of the topics. */
  const ends = (
    topics: readonly string[],
  ): Promise<ReadonlyMap<string, Readonly<{ low: string; high: string }>>> =>
    cluster.asAdmin(async (admin) => {
      const found = await Promise.all(
        topics.map(async (topic) =>
          (await admin.fetchTopicOffsets(topic)).map(
            ({ partition, low, high }) => [`${topic}/${partition}`, { low, high }] as const,
          ),
        ),
      );
      return new Map(found.flat());
    });
  /** Partitions of the topics that the group has ever committed to, with where they end. */
  const places = async (group: string) => {
    const topics = cluster.topics();
    const [found, limits] = await Promise.all([committed(group, topics), ends(topics)]);
    const used = new Set(
      [...found].filter(([, { offset }]) => offset !== undefined).map(([name]) => name.replace(/\/\d+$/, '')),
    );
    return [...found]
      .filter(([name]) => used.has(name.replace(/\/\d+$/, '')))
      .map(([name, { offset, mark }]) => {
        const { low, high } = limits.get(name) ?? { low: '0', high: '0' };
        return { name, mark, behind: Math.max(0, Number(BigInt(high) - BigInt(offset ?? low))) };
      });
  };

  return {
    partitionOf(stream) {
      const topic = cluster.topicOf(stream);
      if (topic === undefined) throw new RangeError(`no topic takes events of ${stream}`);
      return `${topic}/${partitionIn(stream, cluster.partitions)}`;
    },

    async subscribe(group, { from, batchSize, ...filter }, member) {
      if (oldest.has(group)) throw new Error(`group ${group} is followed already in this process`);
      const topics = cluster.topics(filter.categories);
      /** Where a partition goes on, and whether that is to be committed before. */
      const startOf = async (topic: string, partition: number): Promise<Committed & { fresh: boolean }> => {
        const name = `${topic}/${partition}`;
        const [asked, found, limits] = await Promise.all([
          sought(group),
          committed(group, [topic]),
          ends([topic]),
        ]);
        const { offset, mark } = found.get(name) ?? { offset: undefined, mark: FIRST_MARK };
        const { low, high } = limits.get(name) ?? { low: '0', high: '0' };
        if (mark.sought < asked.n)
          return {
            offset: low,
            mark: { sought: asked.n, ...(asked.to === undefined ? {} : { behind: asked.to }) },
            fresh: true,
          };
        if (offset !== undefined)
          return { offset: BigInt(offset) < BigInt(low) ? low : offset, mark, fresh: false };
        if (from === 'now') return { offset: high, mark: FIRST_MARK, fresh: true };
        return {
          offset: low,
          mark: from === 'beginning' ? FIRST_MARK : { sought: 0, behind: from.behind },
          fresh: true,
        };
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
        soughtNow: async () => (await sought(group)).n,
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
      const [asked, found] = await Promise.all([sought(group), places(group)]);
      const at = found.map(({ mark, behind }) => ({
        waits: behind > 0,
        position: mark.sought < asked.n ? asked.to : latest([mark.through, mark.behind]),
        moves: mark.sought < asked.n,
      }));
      if (at.length === 0) return asked.to;
      const held = at.filter(({ waits, moves }) => waits || moves);
      if (held.length === 0) return latest(at.map(({ position }) => position));
      if (held.some(({ position }) => position === undefined)) return undefined;
      return held.map(({ position }) => position).sort()[0];
    },

    async seek(group, to) {
      for (;;) {
        const before = await checkpoints.get(group, SOUGHT);
        const n = Number(/^\d+/.exec(before ?? '0')?.[0] ?? 0) + 1;
        if (await checkpoints.save(group, SOUGHT, before, `${n}>${to ?? ''}`)) return;
      }
    },
  };
};

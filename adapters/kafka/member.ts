/** A member of a group: kafkajs decides which partitions it has, and each of them is followed on its own. */
import type { Consumer, EachBatchPayload } from 'kafkajs';
import { OtherStore, StoreUnavailable, type EventFilter } from '../../ports/event-store.ts';
import type { Assignment, FeedSubscription, Member } from '../../ports/event-feed.ts';
import type { Fence } from '../../ports/lease.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { WrongTopic, type Cluster } from './cluster.ts';
import { LEAVE_MS } from './connection.ts';
import { fillGap, type History } from './gap.ts';
import { textOfMark, type Committed } from './mark.ts';
import { placeName } from './message.ts';
import { createPlace, type Finished, type Place } from './place.ts';
import { fallsSilent } from './signs.ts';

/**
 * `startOf`: where a partition goes on; `fresh`: to be committed before anything else. `firstOf`: the first offset that
 * a partition still holds. `fenceOf`: makes this member the newest holder of a partition. `store`: as the feed has it.
 */
export type JoinOptions = Readonly<{
  cluster: Cluster;
  store: History;
  clock: Clock;
  log: Log;
  sessionMs: number;
  group: string;
  topics: readonly string[];
  batchSize: number;
  filter: EventFilter;
  member: Member;
  startOf(topic: string, partition: number): Promise<Committed & Readonly<{ fresh: boolean }>>;
  firstOf(topic: string, partition: number): Promise<string>;
  fenceOf(partition: string): Promise<Fence>;
}>;
export type Joined = FeedSubscription & Readonly<{ oldest(partition: string): string | undefined }>;

const BEATS = 3;
/** How long a fetch waits for messages: a partition that was paused is looked at no later. */
const FETCH_MS = 250;
/** Of a partition: above it no more is fetched, below half of it again. */
const FETCHED_MESSAGES = 2_000;
const COMMIT_MS = 200;
const AGAIN_MS = 500;
/** A life of the consumer of which nothing is heard for so long hangs: the driver waits for what is never answered. */
const SILENT_SESSIONS = 3;
const SILENT_MS = 20_000;

export const joinGroup = (options: JoinOptions): Joined => {
  const { cluster, store, clock, log, sessionMs, group, topics, batchSize, filter, member } = options;
  const stopping = new AbortController();
  const places = new Map<string, Place>();
  const paused = new Set<Place>();
  let consumer: Consumer | undefined;
  const running = new Set<Promise<void>>();
  /** Ends this life of the consumer. */
  let gone = new AbortController();
  /** What cannot be mended by another one. */
  let broken: Readonly<{ error: unknown }> | undefined;
  const told = (error: unknown): string =>
    error instanceof Error ? `${error.name}: ${error.message}` : String(error);

  const fetching = (place: Place, how: 'pause' | 'resume'): void => {
    if (how === 'pause') paused.add(place);
    else paused.delete(place);
    try {
      consumer?.[how]([{ topic: place.topic, partitions: [place.partition] }]);
    } catch {
      // kafkajs refuses while it is between two lives; the next assignment begins with every partition paused.
    }
  };

  const offsetOf = ({ topic, partition }: Place, { offset, mark }: Finished) => ({
    topic,
    partition,
    offset,
    metadata: textOfMark(mark, store.id),
  });
  const commitAll = async (withinMs?: number): Promise<void> => {
    const taken = [...places.values()].flatMap((place) => {
      const finished = place.take();
      return finished ? [{ place, finished }] : [];
    });
    if (taken.length === 0 || !consumer) return;
    try {
      const offsets = taken.map(({ place, finished }) => offsetOf(place, finished));
      await cluster.ask('keep offsets', consumer.commitOffsets(offsets), withinMs);
    } catch (error) {
      for (const { place, finished } of taken) place.untake(finished);
      log.warn({ group, error: told(error) }, 'offsets could not be committed; trying again');
    }
  };
  const leave = (place: Place): void => {
    place.end.abort();
    paused.delete(place);
    if (places.get(place.name) === place) places.delete(place.name);
  };
  const leaveAll = (): void => {
    for (const place of places.values()) leave(place);
  };

  /** Finds where to begin, tells the member, and begins; again while the bookkeeping or a broker is away. */
  const begin = async (place: Place): Promise<Assignment | undefined> => {
    const { topic, partition, name, end } = place;
    while (!end.signal.aborted) {
      try {
        const fence = await options.fenceOf(name);
        const assignment = { partition: name, signal: end.signal, fence };
        const { offset = '0', mark, fresh } = await options.startOf(topic, partition);
        if (end.signal.aborted) return undefined;
        // At once: what comes between now and a restart must not be taken for the past.
        if (fresh && consumer)
          await cluster.ask('keep offsets', consumer.commitOffsets([offsetOf(place, { offset, mark })]));
        await member.onAssigned(assignment);
        if (end.signal.aborted) return undefined;
        consumer?.seek({ topic, partition, offset });
        place.begin(offset, mark);
        fetching(place, 'resume');
        return assignment;
      } catch (error) {
        if (error instanceof OtherStore) throw error;
        log.warn({ group, partition: name, error: told(error) }, 'a partition cannot be begun; trying again');
        await clock.sleep(AGAIN_MS, end.signal);
      }
    }
    return undefined;
  };
  const follow = async (place: Place): Promise<void> => {
    const assignment = await begin(place);
    if (assignment && place.mark()?.gap) await fillGap(options, place, assignment);
    while (assignment && !place.end.signal.aborted) {
      const handed = place.hand(batchSize);
      if (paused.has(place) && place.waiting() < FETCHED_MESSAGES / 2) fetching(place, 'resume');
      if (handed) await member.onBatch({ ...assignment, ...handed });
      else await place.news();
    }
  };
  const give = (topic: string, partition: number): void => {
    const place = createPlace(topic, partition, filter);
    places.set(place.name, place);
    fetching(place, 'pause');
    const following = follow(place)
      .catch((error: unknown) => {
        broken ??= { error };
        gone.abort();
      })
      .finally(() => running.delete(following));
    running.add(following);
  };

  const again = (place: Place): void => {
    leave(place);
    give(place.topic, place.partition);
  };
  /** Who is slower than the topic forgets is sent on by the driver to what is left. */
  const isForgotten = async (place: Place): Promise<boolean> =>
    BigInt(await options.firstOf(place.topic, place.partition)) > place.next();

  const eachBatch = async ({ batch, resolveOffset }: EachBatchPayload): Promise<void> => {
    const place = places.get(placeName(batch));
    if (place?.lacks(batch.messages) && (await isForgotten(place))) return again(place);
    if (!place?.fetched(batch.messages, batch.highWatermark)) return;
    resolveOffset(batch.lastOffset());
    if (place.waiting() >= FETCHED_MESSAGES) fetching(place, 'pause');
  };
  /** Until it is stopped, or kafkajs has given up for good. */
  const live = async (): Promise<void> => {
    gone = new AbortController();
    const over = AbortSignal.any([gone.signal, stopping.signal]);
    let why: Error = new StoreUnavailable('the consumer has stopped');
    const { consumer: made, end } = cluster.consumer({
      groupId: cluster.groupId(group),
      sessionTimeout: sessionMs,
      heartbeatInterval: Math.floor(sessionMs / BEATS),
      rebalanceTimeout: sessionMs,
      maxWaitTimeInMs: FETCH_MS,
      allowAutoTopicCreation: false,
    });
    consumer = made;
    /** One that was left because it hung may wake up. */
    const isLeft = (): boolean => consumer !== made;
    // What was given before is gone with every new assignment; what stays is begun again from what was committed.
    made.on(made.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      if (isLeft()) return;
      leaveAll();
      for (const [topic, partitions] of Object.entries(memberAssignment))
        for (const partition of partitions) give(topic, partition);
    });
    made.on(made.events.REBALANCING, () => {
      if (!isLeft()) leaveAll();
    });
    made.on(made.events.CRASH, ({ payload }) => {
      if (isLeft()) return;
      leaveAll();
      why = payload.error;
      gone.abort();
    });
    void fallsSilent(made, clock, Math.max(SILENT_MS, SILENT_SESSIONS * sessionMs), over).then(() => {
      if (over.aborted) return;
      why = new StoreUnavailable('nothing was heard of the consumer');
      gone.abort();
    });
    try {
      const beginning = async (): Promise<void> => {
        await made.connect();
        await made.subscribe({ topics: [...topics], fromBeginning: true });
        await made.run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          partitionsConsumedConcurrently: topics.length * cluster.partitions,
          eachBatch: async (payload) => {
            if (!isLeft()) await eachBatch(payload);
          },
        });
      };
      await cluster.ask('be followed', beginning());
      while (!over.aborted) {
        await clock.sleep(COMMIT_MS, over);
        if (!over.aborted) await commitAll();
      }
      if (!stopping.signal.aborted) throw why;
      await commitAll(LEAVE_MS);
    } finally {
      leaveAll();
      await Promise.all(running);
      consumer = undefined;
      await end();
    }
  };
  const stay = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await cluster.makeTopics();
        await live();
      } catch (error) {
        if (broken) throw broken.error;
        if (error instanceof WrongTopic) throw error;
        log.warn({ group, error: told(error) }, 'Kafka cannot be followed; trying again');
        await clock.sleep(AGAIN_MS, stopping.signal);
      }
    }
  };
  const ended = stay();
  ended.catch(() => undefined); // who subscribed hears of it

  return {
    async commit(partition, cursor) {
      places.get(partition)?.finish(cursor);
    },
    async close() {
      stopping.abort();
      await ended.catch(() => undefined);
    },
    ended,
    oldest: (partition) => places.get(partition)?.oldest(),
  };
};

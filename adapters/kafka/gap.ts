/** A topic that keeps events for a time only does not hold what a new group, or one that was away for long, has yet to see. */
import type { Assignment, Member } from '../../ports/event-feed.ts';
import { StoreUnavailable, type EventFilter, type EventStore } from '../../ports/event-store.ts';
import type { Clock, Log } from '../../ports/system.ts';
import type { Cluster } from './cluster.ts';
import { FIRST_MARK, placeOfMark } from './mark.ts';
import type { Place } from './place.ts';

/** What of an event store is needed to read what topics no longer hold. */
export type History = Pick<EventStore, 'id' | 'readAll' | 'tail'>;

export type GapOptions = Readonly<{
  cluster: Cluster;
  store: History;
  clock: Clock;
  log: Log;
  group: string;
  batchSize: number;
  filter: EventFilter;
  member: Member;
}>;

const AGAIN_MS = 500;

/**
 * Hands out what the topic no longer holds, from the store, up to where that ends now: what comes after it the topic does
 * hold. Each partition reads all events of its category, and leaves out those of others.
 */
export const fillGap = async (
  { cluster, store, clock, log, group, batchSize, filter, member }: GapOptions,
  place: Place,
  assignment: Assignment,
): Promise<void> => {
  const { signal } = place.end;
  const about = { group, partition: place.name };
  /** Again while the store is away; undefined when the partition is gone. */
  const read = async <T>(what: () => Promise<T>): Promise<T | undefined> => {
    while (!signal.aborted) {
      try {
        return await what();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        log.warn({ ...about, error: error.message }, 'the store cannot be read; trying again');
        await clock.sleep(AGAIN_MS, signal);
      }
    }
    return undefined;
  };
  log.info(about, 'the topic no longer holds what comes next: the store is read');
  const categories = filter.categories?.filter((category) => cluster.topics([category])[0] === place.topic);
  const options = { ...filter, ...(categories ? { categories } : {}), limit: batchSize };
  const until = await read(() => store.tail());
  let after = placeOfMark(place.mark() ?? FIRST_MARK);
  while (until !== undefined && (after === undefined || after < until)) {
    const page = await read(() => store.readAll(after, options));
    if (page?.scanned === undefined) return;
    after = page.scanned;
    const mine = page.events.filter(({ stream }) => cluster.placeOf(stream).name === place.name);
    if (mine.length > 0) await member.onBatch({ ...assignment, ...place.handStored(mine) });
  }
  if (!signal.aborted) place.filled(after);
};

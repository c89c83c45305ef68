/** Whether what is kept beside the events belongs to them. */
import type { Position } from '../domain/kernel.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import { OtherStore, type EventStore } from '../ports/event-store.ts';
import type { ReadStore } from '../ports/read-store.ts';

export type FitDeps = Readonly<{
  store: EventStore;
  feed: EventFeed;
  reads: ReadStore;
  /** Names of consumers and of views. */
  consumers: readonly string[];
  views: readonly string[];
}>;

const WHAT_TO_DO =
  'the events are older than what goes with them, or some of them are gone: bring back all files of one backup (npm run restore)';

/**
 * A sentence for a store whose events have moved, and for each consumer and each build of a view that belongs to another
 * event store, or that is past the end of this one: it would pass over what is appended next.
 */
export const misfits = async ({
  store,
  feed,
  reads,
  consumers,
  views,
}: FitDeps): Promise<readonly string[]> => {
  // What follows is read first: it never overtakes the events.
  const found: (readonly [what: string, position: Position | undefined])[] = [];
  const sentences: string[] = [];
  const movedTo = await store.movedTo?.();
  if (movedTo !== undefined) sentences.push(`the orders have moved to ${movedTo}: set EVENT_STORE_URL to it`);
  const look = async (of: () => Promise<void>): Promise<void> => {
    try {
      await of();
    } catch (error) {
      if (!(error instanceof OtherStore)) throw error;
      sentences.push(error.message);
    }
  };
  for (const name of consumers)
    await look(async () => void found.push([`consumer ${name}`, await feed.reached(name)]));
  for (const name of views)
    await look(async () => {
      const active = await reads.active(name);
      if (active) await reads.checkpoint(active.view);
      for (const { view, checkpoint } of await reads.builds(name)) found.push([`view ${view}`, checkpoint]);
    });
  const tail = await store.tail();
  for (const [what, position] of found)
    if (position !== undefined && (tail === undefined || position > tail))
      sentences.push(
        `${what} has come to position ${position}, and the event store ends at ${tail ?? 'nothing'}: ${WHAT_TO_DO}`,
      );
  return sentences;
};

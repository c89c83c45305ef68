/** Events handed to a consumer again. */
import { categoryOf, type EventEnvelope, type Position } from '../../domain/kernel.ts';
import type { BlockedLanes } from '../../ports/blocked-lanes.ts';
import type { Consumer } from '../../ports/consumer.ts';
import type { EventFeed } from '../../ports/event-feed.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Clock } from '../../ports/system.ts';
import { blockedBy, laneId } from './blocked.ts';

export type ReplayDeps = Readonly<{
  store: EventStore;
  blockedLanes: BlockedLanes;
  feed: EventFeed;
  clock: Clock;
}>;
/**
 * `after`: exclusive; undefined is the beginning. Without `stream` and `types` the whole consumer is set
 * back.
 */
export type ReplayRequest = Readonly<{
  consumer: Pick<Consumer, 'name' | 'handles' | 'sideEffects' | 'laneOf'>;
  after: Position | undefined;
  stream?: string;
  types?: readonly string[];
  dryRun?: boolean;
  withSideEffects?: boolean;
  onProgress?(events: number): void;
}>;
/**
 * `events`: that the consumer is handed; `imported`: history besides, which it passes over; times are
 * `meta.at`.
 */
export type ReplayPlan = Readonly<{
  consumer: string;
  way: 'set back' | 'queued';
  events: number;
  imported: number;
  byType: Readonly<Record<string, number>>;
  firstAt: string | null;
  lastAt: string | null;
}>;
export type Replayed =
  | Readonly<{ ok: true; done: boolean; plan: ReplayPlan }>
  | Readonly<{ ok: false; code: 'side_effects' | 'unknown_type' | 'too_many'; sentence: string }>;

/** Events that may be queued for one consumer: beyond, setting it back as a whole costs less. */
const MOST_QUEUED = 100_000;

/**
 * What matches a filter is queued in its lane, durably and in order, as a failed event is: the running
 * consumer takes it up within a second, and this can be killed and run again. Repeating is safe, since a
 * handler does only what its order still needs. Refusals are values; throws StoreUnavailable.
 */
export const replayToConsumer = async (
  { store, blockedLanes, feed, clock }: ReplayDeps,
  request: ReplayRequest,
): Promise<Replayed> => {
  const {
    consumer: { name, handles, sideEffects },
    after,
    stream,
    types,
    dryRun = false,
    onProgress,
  } = request;
  const unknown = types?.find((type) => !handles.types.includes(type));
  if (unknown !== undefined)
    return {
      ok: false,
      code: 'unknown_type',
      sentence: `${name} does not handle ${unknown}; it handles ${handles.types.join(', ')}.`,
    };
  if (sideEffects && !dryRun && !request.withSideEffects)
    return {
      ok: false,
      code: 'side_effects',
      sentence: `${name} acts on the outside. It finds most of it done already and the keys of its calls are the same, yet say --with-side-effects to mean it (--dry-run shows what it would be handed).`,
    };

  const way = stream === undefined && types === undefined ? 'set back' : 'queued';
  const wanted = async function* (): AsyncGenerator<EventEnvelope> {
    if (stream !== undefined) {
      for await (const event of store.readStream(stream))
        if (
          (after === undefined || event.position > after) &&
          handles.categories.includes(categoryOf(stream)) &&
          (types ?? handles.types).includes(event.type)
        )
          yield event;
      return;
    }
    for (let from = after, atTail = false; !atTail;) {
      const page = await store.readAll(from, {
        categories: handles.categories,
        types: types ?? handles.types,
      });
      yield* page.events;
      from = page.scanned;
      atTail = page.atTail;
    }
  };

  const byType: Record<string, number> = {};
  let [events, imported] = [0, 0];
  let [firstAt, lastAt]: [string | null, string | null] = [null, null];
  for await (const { type, meta } of wanted()) {
    if (meta.origin === 'import') {
      imported += 1;
      continue;
    }
    events += 1;
    byType[type] = (byType[type] ?? 0) + 1;
    firstAt ??= meta.at;
    lastAt = meta.at;
    onProgress?.(events);
  }
  const plan: ReplayPlan = { consumer: name, way, events, imported, byType, firstAt, lastAt };
  if (way === 'queued' && events > MOST_QUEUED)
    return {
      ok: false,
      code: 'too_many',
      sentence: `${events} events match, and at most ${MOST_QUEUED} are queued: narrow the filter, begin later, or leave the filter out to set the whole consumer back.`,
    };
  if (dryRun) return { ok: true, done: false, plan };

  if (way === 'set back') {
    await feed.seek(name, after);
    return { ok: true, done: true, plan };
  }
  const now = clock.now();
  for await (const event of wanted()) {
    if (event.meta.origin === 'import') continue;
    const key = request.consumer.laneOf?.(event) ?? event.stream;
    const lane = { consumer: name, partition: feed.partitionOf(event.stream), key };
    if (await blockedLanes.get(laneId(lane))) await blockedLanes.enqueue(laneId(lane), event);
    else
      await blockedLanes.block(
        blockedBy(
          lane,
          event,
          new Error('replayed'),
          { attempts: 0, firstAtMs: now.getTime(), pausedMs: 0 },
          now,
          { state: 'retrying', dueAt: now.toISOString() },
        ),
      );
  }
  // Where the consumer stands it begins anew, which is when it reads what is queued.
  await feed.seek(name, await feed.reached(name));
  return { ok: true, done: true, plan };
};

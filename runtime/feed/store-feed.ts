import type { Position } from '../../domain/kernel.ts';
import type { Checkpoints } from '../../ports/checkpoints.ts';
import type { Assignment, EventFeed, FeedSubscription, From, Lag } from '../../ports/event-feed.ts';
import type { EventFilter, EventPage, EventStore } from '../../ports/event-store.ts';
import type { Clock, Log } from '../../ports/system.ts';
import type { Held, Leased } from '../lease.ts';
import { follow, type Way } from './follow.ts';
import { savedCheckpoint, type SavedCheckpoint } from './checkpoint.ts';

const PARTITION = 'all';
const COUNT_LIMIT = 1_000;
const COUNT_PAGES = 8;
/** The checkpoint of a group that starts "from now" in an empty store: before everything. */
const BEGINNING = '';

/** Events between two positions; behind undefined is everything. */
export type Distance = (after: Position | undefined, to: Position) => number;

export type StoreFeedOptions = Readonly<{
  store: EventStore;
  checkpoints: Checkpoints;
  leased: Leased;
  clock: Clock;
  log: Log;
  /**
   * Events between two positions, for a store that numbers its events without gaps (`decimalDistance`): makes
   * every lag exact.
   */
  distance?: Distance | undefined;
}>;

/** Where a group begins on the store: its checkpoint, which is written first where it has none and "now" or a position is meant. */
const firstPlace = async (
  { store, checkpoints }: Pick<StoreFeedOptions, 'store' | 'checkpoints'>,
  group: string,
  from: From,
): Promise<string | undefined> => {
  const saved = await checkpoints.get(group, PARTITION);
  if (saved !== undefined || from === 'beginning') return saved;
  // Written at once: what is appended between now and a restart must not be taken for the past.
  const first = from === 'now' ? ((await store.tail()) ?? BEGINNING) : from.behind;
  return (await checkpoints.save(group, PARTITION, undefined, first))
    ? first
    : checkpoints.get(group, PARTITION);
};

/** For positions that are gapless decimal numbers, the first being `first`. */
export const decimalDistance =
  (first: 0 | 1): Distance =>
  (after, to) =>
    Number(BigInt(to) - (after === undefined ? BigInt(first - 1) : BigInt(after)));

type Followed = {
  readonly filter: EventFilter;
  readonly saved: SavedCheckpoint;
  readUpTo: Position | undefined;
  readonly handedOut: { cursor: string; recordedAt: string }[];
};

type Session = Readonly<{ state: Followed; assignment: Assignment; end: AbortController }>;

const positionOf = (checkpoint: string | undefined): Position | undefined =>
  checkpoint === undefined || checkpoint === BEGINNING ? undefined : (checkpoint as Position);

/**
 * The event store itself as the feed that consumers follow: one partition, its cursor the position; a group is run by
 * who holds its lease, others stand by. Commits are saved at most every 200 ms or 1,000 events and at `close`.
 *
 * Lag counts what the group listens to, where its subscription runs here or its filter is given, else every event behind
 * its checkpoint. Past 1,000 unread events it is a lower bound unless `distance` is given (which then counts what
 * a filter leaves out as well).
 */
export const storeFeed = (options: StoreFeedOptions): EventFeed => {
  const { store, checkpoints, leased, clock, log, distance } = options;
  const subscribed = new Set<string>();
  const followed = new Map<string, Followed>();

  const startOf = (group: string, from: From): Promise<string | undefined> =>
    firstPlace(options, group, from);

  return {
    partitionOf: () => PARTITION,
    partitionsOf: () => [PARTITION],
    homeOf: () => PARTITION,

    async subscribe(group, { from, batchSize, ...filter }, member): Promise<FeedSubscription> {
      if (subscribed.has(group)) throw new Error(`group ${group} is followed already in this process`);
      // Also of a group that stands by: what "now" is must not depend on who gets the lease when.
      if (from !== 'beginning') await startOf(group, from);
      subscribed.add(group);
      const stopping = new AbortController();
      let current: Session | undefined;

      /** Until the lease, or the checkpoint, is lost to another process. */
      const begin = async ({ fence, signal }: Held): Promise<Session> => {
        const start = await startOf(group, from);
        const end = new AbortController();
        const assignment = { partition: PARTITION, fence, signal: AbortSignal.any([end.signal, signal]) };
        const saved = savedCheckpoint({
          checkpoints,
          fence,
          group,
          partition: PARTITION,
          start,
          clock,
          log,
          onLost: () => end.abort(),
        });
        const state: Followed = { filter, saved, readUpTo: positionOf(start), handedOut: [] };
        await member.onAssigned(assignment);
        followed.set(group, state);
        return { state, assignment, end };
      };
      const hand = async (
        { state, assignment }: Session,
        page: EventPage,
        scanned: Position,
      ): Promise<void> => {
        for (const { position, meta } of page.events)
          state.handedOut.push({ cursor: position, recordedAt: meta.recordedAt });
        state.readUpTo = scanned;
        await member.onBatch({
          ...assignment,
          deliveries: page.events.map((event) => ({ event, cursor: event.position })),
          through: scanned,
          atTail: page.atTail,
        });
      };
      const run = async (held: Held): Promise<void> => {
        const leave = async (): Promise<void> => {
          const session = current;
          current = undefined;
          followed.delete(group);
          session?.end.abort();
          // What was finished is saved before the group goes elsewhere, never after.
          await session?.state.saved.close();
        };
        const way = async (): Promise<Way> => {
          if (current?.end.signal.aborted) await leave();
          const session = (current ??= await begin(held));
          return {
            after: session.state.readUpTo,
            signal: session.assignment.signal,
            async take(page) {
              if (page.scanned !== undefined) await hand(session, page, page.scanned);
              return 'on';
            },
          };
        };
        const { signal } = held;
        await follow({ store, clock, log, who: { group }, filter, pageSize: batchSize, signal }, way).finally(
          leave,
        );
      };
      const ended = leased(`consume:${group}`, stopping.signal, run).finally(() => subscribed.delete(group));
      ended.catch(() => undefined); // who subscribed hears of it; a process must not die of a promise that nobody watches

      return {
        async commit(_partition, cursor) {
          if (!current || current.assignment.signal.aborted) return;
          const { handedOut, saved, readUpTo } = current.state;
          if (readUpTo === undefined || cursor > readUpTo) return;
          let finished = 0;
          for (let first = handedOut[finished]; first && first.cursor <= cursor; first = handedOut[finished])
            finished += 1;
          handedOut.splice(0, finished);
          saved.move(cursor, finished);
        },
        async close() {
          stopping.abort();
          await ended.catch(() => undefined);
        },
        ended,
      };
    },

    reached: async (group) => positionOf(await checkpoints.get(group, PARTITION)),

    async lag(group, filter): Promise<readonly Lag[]> {
      const here = followed.get(group);
      const waiting = here?.handedOut ?? [];
      let after = here ? here.readUpTo : positionOf(await checkpoints.get(group, PARTITION));
      let events = waiting.length;
      let oldest = waiting[0]?.recordedAt;
      let atTail = false;
      for (let page = 0; page < COUNT_PAGES && !atTail && events < waiting.length + COUNT_LIMIT; page++) {
        const found = await store.readAll(after, { ...(here?.filter ?? filter), limit: COUNT_LIMIT });
        events += found.events.length;
        oldest ??= found.events[0]?.meta.recordedAt;
        after = found.scanned ?? after;
        atTail = found.atTail;
      }
      const tail = atTail || !distance ? undefined : await store.tail();
      if (tail !== undefined && distance) events += distance(after, tail);
      const ageMs = oldest === undefined ? 0 : clock.now().getTime() - Date.parse(oldest);
      return [{ partition: PARTITION, events, seconds: Math.max(0, ageMs / 1000) }];
    },
  };
};

/**
 * `feed`, filled from the store, whose groups begin there behind what they have finished on the store itself: a shop that
 * moves to a log does nothing twice, and what "now" is, is said by the store, since the log may still be filling.
 */
export const goingOn = (
  feed: EventFeed,
  from: Pick<StoreFeedOptions, 'store' | 'checkpoints'>,
): EventFeed => ({
  ...feed,
  async subscribe(group, options, member) {
    const behind = positionOf(await firstPlace(from, group, options.from));
    return feed.subscribe(
      group,
      { ...options, from: behind === undefined ? 'beginning' : { behind } },
      member,
    );
  },
});

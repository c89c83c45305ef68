import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { Bookkeeping } from '../../ports/bookkeeping.ts';
import type { Batch, EventLog, Lag, LogSubscription } from '../../ports/event-log.ts';
import type { EventFilter, EventStore } from '../../ports/event-store.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { follow, type Way } from './follow.ts';
import { savedCheckpoint, type SavedCheckpoint } from './checkpoint.ts';
import { nameOf } from '../retry.ts';

const PARTITION = 'all';
/** Where a group is asked to go, beside its checkpoint: `n>position`, and `n=` once it has gone there. */
const SOUGHT = 'sought';
const LOOK_EVERY_MS = 1_000;
const COUNT_LIMIT = 1_000;
const COUNT_PAGES = 8;
/** The checkpoint of a group that starts "from now" in an empty store: before everything. */
const BEGINNING = '';

export type StoreLogOptions = Readonly<{
  store: EventStore;
  books: Bookkeeping;
  clock: Clock;
  log: Log;
  /**
   * Events between two positions, for a store that numbers its events without gaps (`decimalDistance`): makes
   * every lag exact.
   */
  distance?: (after: Position | undefined, to: Position) => number;
}>;

/** For positions that are gapless decimal numbers, the first being `first`. */
export const decimalDistance =
  (first: 0 | 1) =>
  (after: Position | undefined, to: Position): number =>
    Number(BigInt(to) - (after === undefined ? BigInt(first - 1) : BigInt(after)));

type Followed = {
  readonly filter: EventFilter;
  readonly saved: SavedCheckpoint;
  readUpTo: Position | undefined;
  readonly handedOut: { cursor: string; recordedAt: string }[];
};

type Session = Readonly<{ state: Followed; end: AbortController; signal: AbortSignal }>;

const positionOf = (checkpoint: string | undefined): Position | undefined =>
  checkpoint === undefined || checkpoint === BEGINNING ? undefined : (checkpoint as Position);

/**
 * The event store itself as the log that consumers follow: one partition, its cursor the position, a group's
 * checkpoint in the bookkeeping. Commits are saved at most every 200 ms or 1,000 events and at `close`. One
 * process at a time may run a group: the one that finds its checkpoint moved by another ends with an error.
 *
 * Lag counts what the group listens to when its subscription runs here, else every event behind its
 * checkpoint. Past 1,000 unread events it is a lower bound unless `distance` is given (which then counts what
 * a filter leaves out as well).
 */
export const storeLog = ({ store, books, clock, log, distance }: StoreLogOptions): EventLog => {
  const followed = new Map<string, Followed>();

  const startOf = async (group: string, from: 'beginning' | 'now'): Promise<string | undefined> => {
    const saved = await books.checkpoint(group, PARTITION);
    if (saved !== undefined || from === 'beginning') return saved;
    // Written at once: what is appended between now and a restart must not be taken for the past.
    const tail = (await store.tail()) ?? BEGINNING;
    return (await books.saveCheckpoint(group, PARTITION, undefined, tail))
      ? tail
      : books.checkpoint(group, PARTITION);
  };

  const sought = async (group: string): Promise<Readonly<{ text: string; to: string }> | undefined> => {
    const text = await books.checkpoint(group, SOUGHT);
    const to = /^\d+>(.*)$/.exec(text ?? '')?.[1];
    return text === undefined || to === undefined ? undefined : { text, to };
  };
  /** Only who runs the group moves its checkpoint; a crash between the two steps repeats the first. */
  const goWhereSought = async (group: string): Promise<void> => {
    for (let asked = await sought(group); asked; asked = await sought(group)) {
      const { text, to } = asked;
      while (!(await books.saveCheckpoint(group, PARTITION, await books.checkpoint(group, PARTITION), to)));
      await books.saveCheckpoint(group, SOUGHT, text, text.replace(/>.*$/, '='));
    }
  };

  return {
    async publish() {
      throw new Error('the store is the log: append to it');
    },

    async subscribe(group, { from, batchSize, ...filter }, onBatch): Promise<LogSubscription> {
      if (followed.has(group)) throw new Error(`group ${group} is followed already in this process`);
      const stopping = new AbortController();
      let failure: unknown;
      const fail = (error: unknown): void => {
        failure ??= error;
        stopping.abort();
      };

      /** From a start, or from where the group was sought, until it is sought again or ends. */
      const begin = async (): Promise<Session> => {
        await goWhereSought(group);
        const start = await startOf(group, from);
        const end = new AbortController();
        const saved = savedCheckpoint({ books, group, partition: PARTITION, start, clock, log, fail });
        const state: Followed = { filter, saved, readUpTo: positionOf(start), handedOut: [] };
        followed.set(group, state);
        return { state, end, signal: AbortSignal.any([end.signal, stopping.signal]) };
      };
      const hand = async (
        { state, signal }: Session,
        events: readonly EventEnvelope[],
        scanned: Position,
        atTail: boolean,
      ): Promise<void> => {
        for (const { position, meta } of events)
          state.handedOut.push({ cursor: position, recordedAt: meta.recordedAt });
        const batch: Batch = {
          partition: PARTITION,
          deliveries: events.map((event) => ({ event, cursor: event.position })),
          through: scanned,
          atTail,
          signal,
        };
        state.readUpTo = scanned;
        await onBatch(batch).catch(fail);
      };
      /** Ends the session when somebody, in whichever process, seeks. */
      const watch = async ({ end, signal }: Session): Promise<void> => {
        for (; !signal.aborted; await clock.sleep(LOOK_EVERY_MS, signal)) {
          try {
            if (await sought(group)) end.abort();
          } catch (error) {
            log.warn(
              { group, error: nameOf(error) },
              'whether the group was set back cannot be read; looking again',
            );
          }
        }
      };
      let current = await begin();
      let watching = watch(current);
      const leave = async (): Promise<void> => {
        current.end.abort();
        await watching;
        // What was finished is saved before the group goes elsewhere, never after.
        await current.state.saved.close();
      };
      const way = async (): Promise<Way> => {
        if (current.end.signal.aborted) {
          await leave();
          current = await begin();
          watching = watch(current);
        }
        const session = current;
        return {
          after: session.state.readUpTo,
          signal: session.signal,
          async take({ events, scanned, atTail }) {
            if (scanned !== undefined) await hand(session, events, scanned, atTail);
            return 'on';
          },
        };
      };
      const { signal } = stopping;
      const run = (): Promise<void> =>
        follow({ store, clock, log, who: { group }, filter, pageSize: batchSize, signal }, way).finally(
          leave,
        );
      const ended = run()
        .catch(fail)
        .then(() => {
          followed.delete(group);
          if (failure !== undefined) throw failure;
        });
      ended.catch(() => undefined); // who subscribed hears of it; a process must not die of a promise that nobody watches

      return {
        async commit(_partition, cursor) {
          const {
            state: { handedOut, saved, readUpTo },
            signal: over,
          } = current;
          if (over.aborted || readUpTo === undefined || cursor > readUpTo) return;
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

    reached: async (group) =>
      positionOf((await sought(group))?.to ?? (await books.checkpoint(group, PARTITION))),

    async seek(group, to) {
      for (;;) {
        const before = await books.checkpoint(group, SOUGHT);
        const number = Number(/^\d+/.exec(before ?? '0')?.[0] ?? 0) + 1;
        if (await books.saveCheckpoint(group, SOUGHT, before, `${number}>${to ?? BEGINNING}`)) return;
      }
    },

    async lag(group): Promise<Lag> {
      const asked = await sought(group);
      const here = followed.get(group);
      const waiting = asked ? [] : (here?.handedOut ?? []);
      let after = asked
        ? positionOf(asked.to)
        : here
          ? here.readUpTo
          : positionOf(await books.checkpoint(group, PARTITION));
      let events = waiting.length;
      let oldest = waiting[0]?.recordedAt;
      let atTail = false;
      for (let page = 0; page < COUNT_PAGES && !atTail && events < waiting.length + COUNT_LIMIT; page++) {
        const found = await store.readAll(after, { ...here?.filter, limit: COUNT_LIMIT });
        events += found.events.length;
        oldest ??= found.events[0]?.meta.recordedAt;
        after = found.scanned ?? after;
        atTail = found.atTail;
      }
      const tail = atTail || !distance ? undefined : await store.tail();
      if (tail !== undefined && distance) events += distance(after, tail);
      return {
        events,
        seconds: oldest === undefined ? 0 : Math.max(0, (clock.now().getTime() - Date.parse(oldest)) / 1000),
      };
    },
  };
};

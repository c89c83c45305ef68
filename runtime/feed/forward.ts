/** Fills a log from the event store: what it has committed of a category is published in its order, by one process at a time. */
import type { Position } from '../../domain/kernel.ts';
import type { Checkpoints } from '../../ports/checkpoints.ts';
import type { EventPublisher } from '../../ports/event-publisher.ts';
import type { EventPage, EventStore } from '../../ports/event-store.ts';
import type { Clock, Log } from '../../ports/system.ts';
import type { Held, Leased } from '../lease.ts';
import { nameOf } from '../retry.ts';
import { within } from '../wake.ts';
import { follow, type Way } from './follow.ts';

/** `position`: everything up to there is in the log. `lastAt`: when something was published last (ISO 8601). */
export type ForwardStatus = Readonly<{
  state: 'standby' | 'running' | 'failed' | 'stopped';
  position: Position | undefined;
  lastAt: string | undefined;
  why: string | undefined;
}>;
export type RunningForward = Readonly<{ status(): ForwardStatus; close(): Promise<void> }>;

/** `category`: whose events are published; each has a checkpoint of its own, so that a new one begins with its first event. */
export type ForwardOptions = Readonly<{
  store: EventStore;
  publisher: EventPublisher;
  checkpoints: Checkpoints;
  leased: Leased;
  clock: Clock;
  log: Log;
  category: string;
}>;

/** The group, and the lease, that forwards a category. */
export const forwardGroup = (category: string): string => `forward/${category}`;
const PARTITION = 'all';
const PAGE = 500;
/** While some are on their way the next one is made ready. */
const PAGES_AHEAD = 3;
/** How long events that go nowhere may stay unrecorded. */
const EMPTY_SAVE_MS = 1_000;
/** Another process forwards by now, which this one is to hear of before it publishes a page once more. */
const REPLACED_MS = 1_000;
/** How long a page that is being published holds up the end. */
const LAST_PAGE_MS = 5_000;

/**
 * Publishes, then saves the checkpoint: a crash between the two publishes again, and who follows knows an event by its
 * id. While a page is on its way the next ones are read and published behind it. A holder that was paused past its lease
 * may repeat what was on its way.
 */
export const runForward = (options: ForwardOptions): RunningForward => {
  const { store, publisher, checkpoints, leased, clock, log, category } = options;
  const group = forwardGroup(category);
  const stop = new AbortController();
  let status: ForwardStatus = { state: 'standby', position: undefined, lastAt: undefined, why: undefined };
  /** Pages that are on their way, the earliest first; false when another process has moved the checkpoint. */
  let ahead: readonly Promise<boolean>[] = [];
  const aheadEnded = (): Promise<unknown> => Promise.allSettled(ahead);

  const way = async ({ fence, signal }: Held): Promise<Way> => {
    // A way that was cut off may have left one behind.
    await aheadEnded();
    ahead = [];
    let saved = await checkpoints.get(group, PARTITION);
    let savedMs = clock.now().getTime();
    status = { ...status, state: 'running', position: saved as Position | undefined };
    const sequence = publisher.sequence();
    const publish = async (
      { events, scanned }: EventPage,
      before: Promise<boolean> | undefined,
    ): Promise<boolean> => {
      // At once, behind what is on its way; how far it has come is recorded in order.
      const published = events.length > 0 ? sequence.publish(events) : undefined;
      published?.catch(() => undefined);
      if (before && !(await before)) return false;
      await published;
      if (scanned === undefined || scanned === saved) return true;
      if (events.length === 0 && clock.now().getTime() - savedMs < EMPTY_SAVE_MS) return true;
      if (signal.aborted || !(await checkpoints.save(group, PARTITION, saved, scanned, fence))) {
        await clock.sleep(REPLACED_MS, signal);
        return false;
      }
      [saved, savedMs] = [scanned, clock.now().getTime()];
      const lastAt = events.length > 0 ? clock.now().toISOString() : status.lastAt;
      status = { ...status, position: scanned, lastAt };
      return true;
    };
    return {
      after: saved as Position | undefined,
      async take(page) {
        if (ahead.length === PAGES_AHEAD && !(await ahead[0])) return 'again';
        const publishing = publish(page, ahead.at(-1));
        // Who takes the next page hears of what goes wrong; at the tail there may be none for long.
        publishing.catch(() => undefined);
        ahead = [...ahead, publishing].slice(-PAGES_AHEAD);
        if (page.atTail && !(await publishing)) return 'again';
        return 'on';
      },
    };
  };
  const run = async (): Promise<void> => {
    try {
      await leased(group, stop.signal, async (held) => {
        const { signal } = held;
        const who = { forward: category };
        await follow(
          { store, clock, log, who, filter: { categories: [category] }, pageSize: PAGE, signal },
          () => way(held),
        );
        status = { ...status, state: 'standby' };
        await within(clock, LAST_PAGE_MS, aheadEnded());
      });
      status = { ...status, state: 'stopped' };
    } catch (error) {
      status = { ...status, state: 'failed', why: error instanceof Error ? error.message : String(error) };
      log.error(
        { forward: category, error: nameOf(error), why: status.why },
        'events are forwarded no longer: trying again would not help',
      );
    }
  };
  const running = run();
  return {
    status: () => status,
    async close() {
      stop.abort();
      await running;
    },
  };
};

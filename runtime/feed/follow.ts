/** The one loop that follows a store: for consumers, for views, for prices. */
import type { Position } from '../../domain/kernel.ts';
import type { EventFilter, EventPage, EventStore } from '../../ports/event-store.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { isRetriable, nameOf } from '../retry.ts';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

/**
 * One way along the store. `after`: where it begins, exclusive. `signal`: ends this way alone. `take`: what is
 * done with a page before the next one is read; 'again' ends this way, and the next one begins at once.
 * `lost`: told once the way was cut off by an error, before the wait.
 */
export type Way = Readonly<{
  after: Position | undefined;
  signal?: AbortSignal;
  take(page: EventPage): Promise<'on' | 'again'>;
  lost?(): void;
}>;

export type FollowOptions = Readonly<{
  store: EventStore;
  clock: Clock;
  log: Log;
  /** Who follows, for the log. */
  who: Readonly<Record<string, string>>;
  filter: EventFilter;
  /** Events a page at most. */
  pageSize: number;
  signal: AbortSignal;
}>;

/**
 * Follows the store until `signal` aborts. Each way starts from what `begin` finds to be done; `undefined`
 * means that it did something else first and is asked again. An error that says that trying again is right,
 * of the store, of `begin` or of `take`, ends the way and the next one begins after a wait; any other rejects.
 */
export const follow = async (
  { store, clock, log, who, filter, pageSize: limit, signal }: FollowOptions,
  begin: () => Promise<Way | undefined>,
): Promise<void> => {
  for (let failures = 0; !signal.aborted;) {
    let way: Way | undefined;
    try {
      way = await begin();
      if (!way || signal.aborted) continue;
      const over = way.signal ? AbortSignal.any([way.signal, signal]) : signal;
      let ended = false;
      for await (const page of store.subscribe(way.after, { ...filter, limit, signal: over })) {
        failures = 0;
        ended = over.aborted || (await way.take(page)) === 'again';
        if (ended) break;
      }
      // A subscription that ends by itself was cut off: the next one waits as after an error.
      if (ended || over.aborted) continue;
    } catch (error) {
      if (signal.aborted) return;
      if (!isRetriable(error)) {
        way?.lost?.();
        throw error;
      }
      log.warn({ ...who, error: nameOf(error) }, 'the store cannot be followed; trying again');
    }
    way?.lost?.();
    failures += 1;
    await clock.sleep(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1)), signal);
  }
};

/** Which errors say that trying again is right, how long to wait before, and when to give up. */
import { NewerEvent } from '../domain/kernel.ts';
import type { Failure, Verdict } from '../ports/consumer.ts';
import { StoreUnavailable } from '../ports/event-store.ts';

const FIRST_BACKOFF_MS = 100;
const BACKOFF_CAP_MS = 30_000;
const GIVE_UP_AFTER_MS = 3_600_000;

/**
 * Whether an error says of itself that trying again is right (OutsideError, StoreUnavailable,
 * VaultUnavailable, ConflictError, NewerEvent).
 */
export const isRetriable = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'retriable' in error && error.retriable === true;

/**
 * An error in logs and records: its kind, since a message may hold personal data; of a store that is away, and of an event
 * that is too new, also what it says, which names no customer.
 */
export const nameOf = (error: unknown): string => {
  if (error instanceof StoreUnavailable || error instanceof NewerEvent)
    return `${error.name}: ${error.message}`;
  return error instanceof Error ? error.name : typeof error;
};

/**
 * Full jitter: anywhere between nothing and the exponential bound, so that those who failed together do not
 * come back together.
 */
export const backoffMs = (attempt: number, fraction: number): number =>
  Math.ceil(fraction * Math.min(BACKOFF_CAP_MS, FIRST_BACKOFF_MS * 2 ** (attempt - 1)));

/**
 * Retries what says that it is retriable, for an hour since the first failure, then parks; parks everything
 * else at once, since a programming error or a call that is wrong does not mend itself. A conflict (another
 * process was faster) never parks, nor does an event that only newer code reads. `why` names no more than
 * the kind of error: its message may hold personal data.
 */
export const outsidePolicy = ({ error, attempt, sinceFirstMs, fraction }: Failure): Verdict => {
  if (!isRetriable(error)) return { do: 'park', why: `${nameOf(error)}: trying again would not help` };
  const passes = error instanceof NewerEvent || nameOf(error) === 'ConflictError';
  if (sinceFirstMs >= GIVE_UP_AFTER_MS && !passes)
    return { do: 'park', why: `gave up after an hour: ${nameOf(error)} in each of ${attempt} attempts` };
  return { do: 'retry', afterMs: backoffMs(attempt, fraction) };
};

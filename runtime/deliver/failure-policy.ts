import type { Failure, Verdict } from '../../ports/consumer.ts';
import { backoffMs, isRetriable, nameOf } from '../retry.ts';

const GIVE_UP_AFTER_MS = 3_600_000;

/**
 * Retries what says that it is retriable, for an hour since the first failure, then parks; parks everything
 * else at once, since a programming error or a call that is wrong does not mend itself. A conflict (another
 * process was faster) never parks. `why` names no more than the kind of error: its message may hold personal
 * data.
 */
export const outsidePolicy = ({ error, attempt, sinceFirstMs, fraction }: Failure): Verdict => {
  if (!isRetriable(error)) return { do: 'park', why: `${nameOf(error)}: trying again would not help` };
  if (sinceFirstMs >= GIVE_UP_AFTER_MS && nameOf(error) !== 'ConflictError')
    return { do: 'park', why: `gave up after an hour: ${nameOf(error)} in each of ${attempt} attempts` };
  return { do: 'retry', afterMs: backoffMs(attempt, fraction) };
};

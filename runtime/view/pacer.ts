/** How much of a process's time work in the background may take. */
import type { Clock } from '../../ports/system.ts';

export type Pacer = Readonly<{
  /** 0 < share ≤ 1. */
  share: number;
  /**
   * Runs short pieces of work one at a time, each followed by a rest so long that together they take no more
   * than the share.
   */
  slice<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}>;

/**
 * With a share of 1 there is no rest, but the event loop turns between two slices. Throws RangeError for what
 * is no share.
 */
export const createPacer = (clock: Clock, share: number): Pacer => {
  if (!(share > 0 && share <= 1))
    throw new RangeError(`a share of ${share} is none: it must be more than 0 and at most 1`);
  let turn: Promise<void> = Promise.resolve();
  return {
    share,
    slice(work, signal) {
      let startedMs = 0;
      const rest = (): Promise<void> => {
        if (share === 1) return new Promise(setImmediate);
        const workedMs = Math.max(0, clock.now().getTime() - startedMs);
        return clock.sleep(Math.ceil((workedMs * (1 - share)) / share), signal);
      };
      const result = turn.then(() => {
        startedMs = clock.now().getTime();
        return work();
      });
      turn = result.then(rest, rest);
      return result;
    },
  };
};

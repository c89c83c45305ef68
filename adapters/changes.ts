/** Hearing of changes: at once of this process's own, by a look at the store's version of those of others. */
import type { Clock } from '../ports/system.ts';
import { createListeners } from './listeners.ts';

export type Changes = Readonly<{
  /** `listener` may be called without need. Returns the way to stop. */
  listen(listener: () => void): () => void;
  /** After a change by this process. */
  tell(): void;
}>;

/**
 * `version`: another one after each change; looked at while somebody listens, by one look every `everyMs` for all of
 * them. When it cannot be had, who listens finds that out by itself when it reads.
 */
export const createChanges = ({
  clock,
  everyMs,
  version,
}: Readonly<{
  clock: Clock;
  everyMs: number;
  version(): string | number | Promise<string | number>;
}>): Changes => {
  const { add, tell, size } = createListeners();
  let looking: AbortController | undefined;
  const look = async (signal: AbortSignal): Promise<void> => {
    for (let seen: string | number | undefined; !signal.aborted; await clock.sleep(everyMs, signal)) {
      try {
        const found = await version();
        if (found !== seen && !signal.aborted) tell();
        seen = found;
      } catch {
        // The next look may see it.
      }
    }
  };
  return {
    tell,
    listen(listener) {
      const stop = add(listener);
      if (!looking) void look((looking = new AbortController()).signal);
      return () => {
        stop();
        if (size() > 0) return;
        looking?.abort();
        looking = undefined;
      };
    },
  };
};

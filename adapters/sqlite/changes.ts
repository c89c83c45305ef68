/** Hearing of commits: at once of this process's own, by a look at the file's version of those of others. */
import type { Clock } from '../../ports/system.ts';
import { createListeners } from '../listeners.ts';
import type { SqliteFile } from './file.ts';

/** How long a commit by another process may go unseen. */
const POLL_MS = 25;

export type FileChanges = Readonly<{
  /** `listener` may be called without need. Returns the way to stop. */
  listen(listener: () => void): () => void;
  /** After a commit by this process. */
  tell(): void;
}>;

/** The file is looked at only while somebody listens. */
export const fileChanges = (file: SqliteFile, clock: Clock): FileChanges => {
  const { add, tell, size } = createListeners();
  let looking: AbortController | undefined;
  const look = async (signal: AbortSignal): Promise<void> => {
    for (let seen = -1; !signal.aborted; await clock.sleep(POLL_MS, signal)) {
      let version = seen;
      try {
        version = file.version();
      } catch {
        // Who listens finds out by itself when it reads.
      }
      if (version !== seen) tell();
      seen = version;
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

import type { Clock } from '../ports/system.ts';

/** What `work` comes to, or what `late` makes, thrown after `ms`: how it ends then is not known, and nobody hears. */
export const inTime = async <T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  late: () => Error,
): Promise<T> => {
  const over = new AbortController();
  const tooLate = clock.sleep(ms, over.signal).then(() => {
    if (over.signal.aborted) return work;
    throw late();
  });
  tooLate.catch(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    // With a reason none is made, which takes its time.
    over.abort('ended');
  }
};

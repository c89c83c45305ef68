/**
 * Runs work side by side, bounded, and work of one key one after the other in the order in which it was
 * handed in.
 */
export type InFlight = Readonly<{
  /**
   * Resolves once there is room for the work (not when it is done). Throws what earlier work threw: nothing
   * starts after a failure.
   */
  start(key: string, work: () => Promise<void>): Promise<void>;
  /** Resolves when all is done; throws what some of it threw. */
  finish(): Promise<void>;
}>;

export const inFlight = (limit: number): InFlight => {
  const lasts = new Map<string, Promise<void>>();
  const waiting: (() => void)[] = [];
  let running = 0;
  let failure: Readonly<{ error: unknown }> | undefined;

  const freed = (): void => {
    running -= 1;
    waiting.shift()?.();
  };
  const check = (): void => {
    if (failure) throw failure.error;
  };

  return {
    async start(key, work) {
      while (running >= limit && !failure) await new Promise<void>((resolve) => waiting.push(resolve));
      check();
      running += 1;
      const run = async (): Promise<void> => {
        try {
          if (!failure) await work();
        } catch (error) {
          failure ??= { error };
        } finally {
          if (lasts.get(key) === done) lasts.delete(key);
          freed();
        }
      };
      const before = lasts.get(key);
      // Never in the same turn, so that `done` is set when `run` looks at it.
      const done: Promise<void> = (before ?? Promise.resolve()).then(run);
      lasts.set(key, done);
    },
    async finish() {
      while (lasts.size > 0) await Promise.all(lasts.values());
      check();
    },
  };
};

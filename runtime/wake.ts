import type { Clock } from '../ports/system.ts';

/** Tells whoever waits that something has changed; they look again for themselves. */
export type Waker = Readonly<{ wake(): void; next(): Promise<void> }>;

export const waker = (): Waker => {
  let waiting: (() => void)[] = [];
  return {
    wake() {
      if (waiting.length === 0) return;
      const woken = waiting;
      waiting = [];
      for (const resolve of woken) resolve();
    },
    next: () => new Promise((resolve) => waiting.push(resolve)),
  };
};

/** What `work` resolves to, or undefined after `ms`: it goes on then, and nobody hears how it ends. */
export const within = async <T>(
  clock: Clock,
  ms: number,
  work: T | Promise<T>,
): Promise<Awaited<T> | undefined> => {
  const over = new AbortController();
  try {
    return await Promise.race([work, clock.sleep(ms, over.signal).then(() => undefined)]);
  } finally {
    // With a reason none is made, which takes its time.
    over.abort('ended');
  }
};

/** A loop's rest between rounds, cut short by `poke`; a poke during the round cuts the next rest. */
export type Rest = Readonly<{
  /** `ms` undefined: until poked. */
  sleep(ms: number | undefined): Promise<'poked' | 'rested'>;
  poke(): void;
}>;

export const rest = (clock: Clock): Rest => {
  let poked = false;
  let resting: AbortController | undefined;
  return {
    async sleep(ms) {
      if (!poked) {
        const { signal } = (resting = new AbortController());
        if (ms === undefined)
          await new Promise<void>((resolve) =>
            signal.addEventListener('abort', () => resolve(), { once: true }),
          );
        else await clock.sleep(ms, signal);
        resting = undefined;
      }
      const cut = poked;
      poked = false;
      return cut ? 'poked' : 'rested';
    },
    poke() {
      poked = true;
      resting?.abort();
    },
  };
};

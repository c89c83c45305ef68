import type { Clock } from '../../ports/system.ts';
import type { Breaker } from './breaker.ts';

/** The right to make one call; `release` exactly once, with how it ended. */
export type Permit = Readonly<{
  trial: boolean;
  release(outcome: 'answered' | 'outside-failed' | 'aborted'): void;
}>;

export type Gate = Readonly<{
  /** Waits its turn, first come first served; undefined once the gate has shut. */
  enter(): Promise<Permit | undefined>;
  running(): number;
  /** Nobody enters any more; who waits gets undefined. */
  shut(): void;
}>;

/** Lets `limit` calls run at once, and none (but the breaker's trial) while the outside is down. */
export const gate = ({
  limit,
  breaker,
  clock,
}: Readonly<{ limit: number; breaker: Breaker; clock: Clock }>): Gate => {
  const waiting: ((permit: Permit | undefined) => void)[] = [];
  const shutting = new AbortController();
  let running = 0;
  let alarmSet = false;
  const nowMs = (): number => clock.now().getTime();

  const admitAfter = async (waitMs: number): Promise<void> => {
    if (alarmSet) return;
    alarmSet = true;
    await clock.sleep(waitMs, shutting.signal);
    alarmSet = false;
    admit();
  };
  const admit = (): void => {
    while (waiting.length > 0 && running < limit && !shutting.signal.aborted) {
      const admission = breaker.admit(nowMs());
      if (!admission.go) {
        if (admission.waitMs !== undefined) void admitAfter(admission.waitMs);
        return;
      }
      running += 1;
      waiting.shift()?.({
        trial: admission.trial,
        release(outcome) {
          running -= 1;
          breaker.report(admission, outcome, nowMs());
          admit();
        },
      });
    }
  };

  return {
    enter: () =>
      new Promise((resolve) => {
        if (shutting.signal.aborted) return resolve(undefined);
        waiting.push(resolve);
        admit();
      }),
    running: () => running,
    shut() {
      shutting.abort();
      for (const leave of waiting.splice(0)) leave(undefined);
    },
  };
};

/** A clock that stands still until a test moves it, and a bounded wait for a condition. */
import { systemClock } from '../adapters/system.ts';
import type { Clock } from '../ports/system.ts';

export type FakeClock = Clock & {
  /**
   * Moves time on by `ms`, waking sleepers in the order they fall due; those they start in between wake too
   * if due.
   */
  advance(ms: number): Promise<void>;
  /** How many sleep now. */
  sleeping(): number;
};

type Sleeper = { readonly dueMs: number; readonly wake: () => void };

/**
 * Turns of the event loop that a woken sleeper gets to go on before the next one wakes (disk and network take
 * longer: use `until`).
 */
const TURNS_PER_WAKE = 4;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const settle = async (): Promise<void> => {
  for (let i = 0; i < TURNS_PER_WAKE; i++) await turn();
};

/** `start`: ISO 8601. `sleep(0)` also waits for `advance`, if only for `advance(0)`. */
export const fakeClock = (start: string): FakeClock => {
  let nowMs = new Date(start).getTime();
  const sleepers: Sleeper[] = [];

  /** The earliest due; of those due together the one that went to sleep first. */
  const next = (untilMs: number): Sleeper | undefined => {
    let first: Sleeper | undefined;
    for (const sleeper of sleepers)
      if (sleeper.dueMs <= untilMs && (!first || sleeper.dueMs < first.dueMs)) first = sleeper;
    return first;
  };

  return {
    now: () => new Date(nowMs),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = (): void => {
          sleepers.splice(sleepers.indexOf(sleeper), 1);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper: Sleeper = { dueMs: nowMs + Math.max(0, ms), wake };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', wake, { once: true });
      }),
    sleeping: () => sleepers.length,
    async advance(ms) {
      const targetMs = nowMs + ms;
      await settle();
      for (let sleeper = next(targetMs); sleeper; sleeper = next(targetMs)) {
        nowMs = Math.max(nowMs, sleeper.dueMs);
        sleeper.wake();
        await settle();
      }
      nowMs = targetMs;
    },
  };
};

/** Resolves once `condition` holds; throws with `what` after `withinMs` of real time. */
export const until = async (
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> => {
  const givenUpMs = systemClock.now().getTime() + withinMs;
  while (!(await condition())) {
    if (systemClock.now().getTime() > givenUpMs) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await systemClock.sleep(2);
  }
};

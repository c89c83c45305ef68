import type { Schedule, Scheduled } from '../../ports/schedule.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { nameOf } from '../retry.ts';
import { rest, waker } from '../wake.ts';

const POLL_MS = 1_000;
const PARALLEL = 16;
const RETRY_FIRST_MS = 1_000;
const RETRY_CAP_MS = 60_000;
const REMEMBERED_FAILURES = 10_000;

export type ScheduleOptions = Readonly<{
  schedule: Schedule;
  /** Which of the schedules. */
  name: string;
  clock: Clock;
  log: Log;
  /** Entries read at once at most. */
  batch: number;
  /**
   * Does what is due and then unschedules `key` or moves it; one that throws, or leaves it in place, comes
   * again with backoff.
   */
  onDue(key: string): Promise<void>;
}>;
export type RunningSchedule = Readonly<{
  /** Looks now: something may have become due sooner than the next look, a second away at most. */
  poke(): void;
  /** Starts nothing more; resolves when what runs is done. */
  close(): Promise<void>;
}>;

const backoffMs = (failures: number): number => Math.min(RETRY_CAP_MS, RETRY_FIRST_MS * 2 ** (failures - 1));

/** Does what falls due in a durable schedule, 16 at a time, each key by one call at a time. */
export const runSchedule = ({
  schedule,
  name,
  clock,
  log,
  batch,
  onDue,
}: ScheduleOptions): RunningSchedule => {
  const resting = rest(clock);
  const finished = waker();
  const running = new Set<string>();
  /** Due times that `onDue` has dealt with: seeing one again means that it was left in place. */
  const handled = new Map<string, string>();
  const failures = new Map<string, number>();
  let closing = false;

  const runOne = async ({ key, dueAt }: Scheduled): Promise<void> => {
    running.add(key);
    try {
      if (handled.get(key) === dueAt) throw new Error('what was due was neither unscheduled nor moved');
      await onDue(key);
      handled.set(key, dueAt);
    } catch (error) {
      const failed = (failures.get(key) ?? 0) + 1;
      handled.delete(key);
      if (failures.size >= REMEMBERED_FAILURES) failures.clear(); // counts only: at worst a pause starts small again
      failures.set(key, failed);
      const again = new Date(clock.now().getTime() + backoffMs(failed)).toISOString();
      log.error(
        { schedule: name, key, failed, again, error: nameOf(error), stack: stackOf(error) },
        'what was due failed and will be tried again',
      );
      // Should it be away too, it stays due and the next look finds it.
      await schedule.set(name, key, again).catch(() => undefined);
    } finally {
      running.delete(key);
      finished.wake();
    }
  };

  const round = async (): Promise<void> => {
    // What runs while the page is read may be in it although it is dealt with: leave it to the next look.
    const busy = new Set(running);
    const due = await schedule.due(name, clock.now().toISOString(), batch + busy.size);
    const keys = new Set(due.map(({ key }) => key));
    for (const key of handled.keys()) {
      if (keys.has(key)) continue;
      handled.delete(key);
      failures.delete(key);
    }
    for (const entry of due) {
      if (busy.has(entry.key)) continue;
      while (running.size >= PARALLEL && !closing) await finished.next();
      if (closing) return;
      void runOne(entry);
    }
    // A full page: more may be due already. Wait for room, not for the next look.
    if (due.length >= batch && !closing) {
      if (running.size > 0) await finished.next();
      resting.poke();
    }
  };

  const loop = async (): Promise<void> => {
    while (!closing) {
      try {
        await round();
      } catch (error) {
        log.warn({ schedule: name, error: nameOf(error) }, 'the schedule could not be read; looking again');
      }
      if (!closing) await resting.sleep(POLL_MS);
    }
    while (running.size > 0) await finished.next();
  };
  const ended = loop();

  return {
    poke: resting.poke,
    async close() {
      closing = true;
      resting.poke();
      finished.wake();
      await ended;
    },
  };
};

/** Where it broke, without the message, which may hold personal data. */
const stackOf = (error: unknown): string | undefined =>
  error instanceof Error
    ? error.stack
        ?.split('\n')
        .filter((line) => line.startsWith('    at '))
        .slice(0, 8)
        .join('\n')
    : undefined;

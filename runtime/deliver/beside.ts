/** What runs beside a consumer's handling, each in one process: its schedules, and listening to the outside. */
import type { Consumer } from '../../ports/consumer.ts';
import type { Schedule } from '../../ports/schedule.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { aborted, type Leased } from '../lease.ts';
import { nameOf } from '../retry.ts';
import type { Pausing } from './pause.ts';
import { runSchedule } from './schedule.ts';

const DUE_AT_ONCE = 256;

export type BesideOptions = Readonly<{
  consumer: Consumer;
  schedule: Schedule;
  leased: Leased;
  pausing: Pausing;
  /** Until when. */
  signal: AbortSignal;
  clock: Clock;
  log: Log;
}>;
/** `heard`: resolves when nothing that was heard is still being taken in; `done`: when what was due and had begun is done. */
export type Beside = Readonly<{ heard: Promise<unknown>; done: Promise<unknown> }>;

export const runBeside = (options: BesideOptions): Beside => {
  const { consumer, schedule, leased, pausing, signal: until, clock, log } = options;
  const { name, schedules = [], listen } = consumer;
  const run = (lease: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> =>
    leased(lease, until, ({ signal }) => work(signal)).catch((error: unknown) =>
      log.error({ consumer: name, lease, error: nameOf(error) }, 'what runs beside a consumer has ended'),
    );
  const due = schedules.map(({ name: own, onDue }) =>
    run(`schedule:${own}`, (signal) =>
      pausing.whileNot(
        signal,
        () => runSchedule({ schedule, clock, log, name: own, batch: DUE_AT_ONCE, onDue }).close,
      ),
    ),
  );
  // What the outside reports is a fact, and taken in also while the consumer is paused.
  const listening =
    listen &&
    run(`listen:${name}`, async (signal) => {
      const { stop } = listen();
      await aborted(signal);
      await stop();
    });
  return { heard: Promise.resolve(listening), done: Promise.all(due) };
};

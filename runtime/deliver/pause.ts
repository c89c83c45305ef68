/** A consumer that an operator has told to wait: a control says so for as long as it is open, also over restarts. */
import type { Actor } from '../../domain/kernel.ts';
import type { Control, Controls } from '../../ports/controls.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { nameOf } from '../retry.ts';
import { rest, waker } from '../wake.ts';
import type { By } from './parked.ts';

/** `since`: ISO 8601. */
export type Pause = Readonly<{ since: string; by: Actor; reason: string }>;

const LOOK_EVERY_MS = 1_000;
const MOST = 100;

const targetOf = (consumer: string): string => `pause:${consumer}`;
const openPauses = (controls: Controls, consumer: string): Promise<readonly Control[]> =>
  controls.open([targetOf(consumer)], MOST);

/** Undefined while it may work. */
export const pauseOf = async (controls: Controls, consumer: string): Promise<Pause | undefined> => {
  const [first] = await openPauses(controls, consumer);
  return first && { since: first.askedAt, by: first.actor, reason: first.reason };
};

/** Durable when it resolves; whoever runs the consumer starts nothing more within a second. */
export const pause = async (
  { controls, clock, newId }: Readonly<{ controls: Controls; clock: Clock; newId(): string }>,
  consumer: string,
  { actor, reason }: By,
): Promise<Pause> => {
  const since = clock.now().toISOString();
  await controls.ask({ id: newId(), target: targetOf(consumer), what: {}, actor, reason, askedAt: since });
  return { since, by: actor, reason };
};

export const resume = async (
  { controls, clock }: Readonly<{ controls: Controls; clock: Clock }>,
  consumer: string,
): Promise<void> => {
  for (const { id } of await openPauses(controls, consumer))
    await controls.report(id, { progress: {}, endedAt: clock.now().toISOString() });
};

export type Pausing = Readonly<{
  /** 'unknown' until it has been looked for: nothing may start by then. */
  now(): Pause | undefined | 'unknown';
  /** Has what `start` starts run while the consumer may work, until `signal`; `start` answers how to end it. */
  whileNot(signal: AbortSignal, start: () => () => Promise<void>): Promise<void>;
  ended: Promise<void>;
}>;

/** Looks, until `signal`, whether the consumer is to wait; `onChange` when that has changed. */
export const watchPause = ({
  controls,
  consumer,
  clock,
  log,
  signal,
  onChange,
}: Readonly<{
  controls: Controls;
  consumer: string;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  onChange(waits: boolean): void;
}>): Pausing => {
  let found: ReturnType<Pausing['now']> = 'unknown';
  const changed = waker();
  const looking = rest(clock);

  const look = async (): Promise<void> => {
    const before = found;
    found = await pauseOf(controls, consumer);
    if (before !== 'unknown' && (before === undefined) === (found === undefined)) return;
    if (found !== undefined)
      log.warn({ consumer, by: found.by.id, reason: found.reason }, 'the consumer is paused by an operator');
    else if (before !== 'unknown') log.info({ consumer }, 'the consumer goes on');
    onChange(found !== undefined);
    changed.wake();
  };
  const watch = async (): Promise<void> => {
    const stop = controls.onChange(looking.poke);
    signal.addEventListener('abort', looking.poke);
    while (!signal.aborted) {
      // As it was known last: a server that is away ends no pause, and begins none.
      await look().catch((error: unknown) =>
        log.warn({ consumer, error: nameOf(error) }, 'whether the consumer is to wait is not known'),
      );
      await looking.sleep(LOOK_EVERY_MS);
    }
    stop();
  };

  return {
    now: () => found,
    async whileNot(over, start) {
      over.addEventListener('abort', changed.wake);
      while (!over.aborted) {
        if (found !== undefined) {
          await changed.next();
          continue;
        }
        const end = start();
        while (!over.aborted && found === undefined) await changed.next();
        await end();
      }
      over.removeEventListener('abort', changed.wake);
    },
    ended: watch(),
  };
};

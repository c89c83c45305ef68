/** What is asked of running work, in whichever process: asked and waited for, looked for and carried out. */
import type { Control, Controls } from '../ports/controls.ts';
import type { Clock, Log } from '../ports/system.ts';
import { nameOf } from './retry.ts';
import { rest, type Rest } from './wake.ts';

const LOOK_EVERY_MS = 1_000;
const ANSWER_EVERY_MS = 100;
/** What one look takes at most. */
const AT_ONCE = 20;
const KEEP_MS = 30 * 24 * 3_600_000;

/**
 * Asks for all of `asked`, and waits until each has ended, `withinMs` at most. Answers them as they stand then: who is
 * to carry them out may not be running.
 */
export const askFor = async (
  { controls, clock }: Readonly<{ controls: Controls; clock: Clock }>,
  asked: readonly Control[],
  withinMs: number,
): Promise<readonly Control[]> => {
  const nowMs = (): number => clock.now().getTime();
  const lateMs = nowMs() + withinMs;
  const looking = rest(clock);
  const stop = controls.onChange(looking.poke);
  try {
    await controls.forget(new Date(nowMs() - KEEP_MS).toISOString());
    for (const control of asked) await controls.ask(control);
    const answers: Control[] = [];
    for (const control of asked)
      for (;;) {
        const found = (await controls.get(control.id)) ?? control;
        const leftMs = lateMs - nowMs();
        if (found.endedAt !== undefined || leftMs <= 0) {
          answers.push(found);
          break;
        }
        await looking.sleep(Math.min(ANSWER_EVERY_MS, leftMs));
      }
    return answers;
  } finally {
    stop();
  }
};

/**
 * Carries out what is asked of `targets()`, in the order of asking, until `halt`; what fails is tried again. `looking`:
 * poked when the targets are others.
 */
export const carryOut = async ({
  controls,
  log,
  halt,
  looking,
  targets,
  act,
}: Readonly<{
  controls: Controls;
  log: Log;
  halt: AbortSignal;
  looking: Rest;
  targets(): readonly string[];
  act(control: Control): Promise<void>;
}>): Promise<void> => {
  const stop = controls.onChange(looking.poke);
  halt.addEventListener('abort', looking.poke);
  try {
    while (!halt.aborted) {
      const ours = targets();
      try {
        for (const control of ours.length > 0 ? await controls.open(ours, AT_ONCE) : [])
          if (!halt.aborted) await act(control);
      } catch (error) {
        if (!halt.aborted)
          log.warn(
            { targets: ours, error: nameOf(error) },
            'what is asked for is not done yet; trying again',
          );
      }
      await looking.sleep(LOOK_EVERY_MS);
    }
  } finally {
    stop();
  }
};

/** A process of a simulation: everything that it waits for stands still while it is paused, and for ever once it is killed. */
import type { Clock } from '../../ports/system.ts';

export type Process = Readonly<{
  name: string;
  pause(): void;
  resume(): void;
  kill(): void;
  state(): 'running' | 'paused' | 'killed';
  /** Whether it was ever paused: what it does afterwards may be late. */
  wasPaused(): boolean;
  /** A clock whose sleepers sleep on while it is paused. */
  clock: Clock;
  /** `port` as it has it: what its methods do may happen before or after a pause. */
  of<P extends object>(port: P, ...methods: readonly (keyof P)[]): P;
  /** Resolves when it runs. */
  runs(): Promise<void>;
}>;

export const process = (name: string, clock: Clock): Process => {
  let state: 'running' | 'paused' | 'killed' = 'running';
  let paused = false;
  let waiting: (() => void)[] = [];
  const runs = async (): Promise<void> => {
    while (state !== 'running') await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return {
    name,
    pause() {
      if (state === 'running') [state, paused] = ['paused', true];
    },
    resume() {
      if (state !== 'paused') return;
      state = 'running';
      const woken = waiting;
      waiting = [];
      for (const resolve of woken) resolve();
    },
    kill: () => void (state = 'killed'),
    state: () => state,
    wasPaused: () => paused,
    clock: {
      now: clock.now,
      async sleep(ms, signal) {
        await runs();
        await clock.sleep(ms, signal);
        await runs();
      },
    },
    of: (port, ...methods) => ({
      ...port,
      ...Object.fromEntries(
        methods.map((method) => [
          method,
          async (...given: unknown[]) => {
            await runs();
            const answer = await (port[method] as (...all: unknown[]) => Promise<unknown>)(...given);
            await runs();
            return answer;
          },
        ]),
      ),
    }),
    runs,
  };
};

/** Whether servers run on a data folder. */
import { systemClock } from '../../adapters/system.ts';
import type { Controls } from '../../ports/controls.ts';
import { tellers } from '../../runtime/presence.ts';

export type Signs = Readonly<{
  /** Names of leases that are held, with what changes while their holder lives. */
  held(): ReadonlyMap<string, string>;
  controls: Pick<Controls, 'open'>;
}>;

/** Leases whose holders, and processes that, show signs of life. */
export const runningOn = async ({ held, controls }: Signs, leaseMs: number): Promise<readonly string[]> => {
  const signs = async () => new Map([...held(), ...(await tellers(controls))]);
  const before = await signs();
  if (before.size === 0) return [];
  await systemClock.sleep(leaseMs);
  return [...(await signs())].filter(([name, sign]) => before.get(name) !== sign).map(([name]) => name);
};

/** Three of them are enough to know which servers. */
export const shortOf = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;

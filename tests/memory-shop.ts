/** A whole shop on memory parts, assembled as the server's: what a test says of its parts, it says here. */
import { system as realSystem } from '../adapters/system.ts';
import { assemble, type Shop } from '../compose/assemble.ts';
import { readEnvironment } from '../compose/environment.ts';
import { memoryParts, type Parts, type System } from '../compose/parts.ts';
import { quietLog } from './quiet-log.ts';

export type MemoryShop = Readonly<{ parts: Parts; shop: Shop }>;

/** `over`: parts in place of those in memory; `variables`: the environment, where not its defaults. */
export const memoryShop = (
  system: Partial<System> = {},
  over: Partial<Parts> = {},
  variables: Readonly<Record<string, string>> = {},
  tuning: Parameters<typeof assemble>[2] = {},
): MemoryShop => {
  const environment = readEnvironment({ SEED: 'none', ...variables });
  const parts = memoryParts(environment, { ...realSystem, log: quietLog, ...system }, over);
  return { parts, shop: assemble(parts, environment, tuning) };
};

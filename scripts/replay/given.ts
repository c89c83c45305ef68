import type { Environment } from '../../compose/environment.ts';
import type { Shop } from '../../compose/assemble.ts';
import type { Parts } from '../../compose/parts.ts';
import type { Progress } from '../cli/progress.ts';

/** What each kind of replay works with. `why`: for the audit trail. */
export type Given = Readonly<{
  parts: Parts;
  shop: Shop;
  environment: Environment;
  progress: Progress;
  print(line: string): void;
  json: boolean;
  why: string;
}>;

export const ACTOR = { id: 'cli', role: 'operator' } as const;

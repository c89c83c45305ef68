/** What is done to many at once is counted first, and done only while the count still holds. */
import { z } from 'zod';
import { problem } from './problems.ts';
import type { Reply } from './reply.ts';

/** In a body: `dryRun` asks how many match; `matches` says how many one was told of. */
export const counted = {
  dryRun: z.literal(true).optional(),
  matches: z.int().min(0).optional(),
};
type Counted = Readonly<{ dryRun?: true | undefined; matches?: number | undefined }>;

export const Count = z.strictObject({ matches: z.int().min(0) });
export const COUNTED =
  '`"dryRun": true` counts what matches and does nothing; with `matches` it is done only while that many do.';
export const COUNT_FIRST = 'How many match';
/** For what cannot be taken back. */
export const countedBefore = [
  ({ dryRun, matches }: Counted): boolean => (dryRun === true) !== (matches !== undefined),
  'give "dryRun": true first, and then "matches" with the number that it told',
] as const;

/** The count, or what `act` answers while `matches`, where it is given, is the count. */
export const onceCounted = async (
  { dryRun, matches }: Counted,
  count: () => Promise<number>,
  act: () => Promise<Reply>,
): Promise<Reply> => {
  const found = dryRun || matches !== undefined ? await count() : undefined;
  if (dryRun) return { status: 200, body: { matches: found } };
  if (matches !== undefined && found !== matches)
    return problem('matches_changed', `${found} match by now, not ${matches}: look again.`);
  return act();
};

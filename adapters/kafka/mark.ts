/** What a group keeps beside each committed offset, as its metadata: Kafka knows offsets, and we positions. */
import { z } from 'zod';
import type { Position } from '../../domain/kernel.ts';

/**
 * `through`: position of the last event that is finished, recorded at `at` (ISO 8601). `behind`: events up to there are
 * dropped until the first one behind it. `sought`: the number of the last seek that this partition has followed.
 */
export type Mark = Readonly<{ through?: Position; at?: string; behind?: Position; sought: number }>;

/** `offset`: where the group goes on; undefined where nothing was ever committed. */
export type Committed = Readonly<{ offset: string | undefined; mark: Mark }>;

const text = z.string().transform((value) => value as Position);
const Stored = z.object({
  through: text.optional(),
  at: z.string().optional(),
  behind: text.optional(),
  sought: z.number(),
});

export const FIRST_MARK: Mark = { sought: 0 };

/** A group that another program has committed for has no mark: its offset counts, and nothing else is known. */
export const markIn = (metadata: string | null | undefined): Mark => {
  try {
    // What JSON leaves out stays left out.
    return Stored.parse(JSON.parse(metadata ?? '')) as Mark;
  } catch {
    return FIRST_MARK;
  }
};
export const textOfMark = (mark: Mark): string => JSON.stringify(mark);

/** What a group keeps beside each committed offset, as its metadata: Kafka knows offsets, and we positions. */
import { z } from 'zod';
import type { Position } from '../../domain/kernel.ts';
import { OtherStore } from '../../ports/event-store.ts';

/**
 * `through`: position of the last event that is finished, recorded at `at` (ISO 8601). `behind`: events up to there are
 * dropped until the first one behind it. `gap`: the topic no longer holds what comes next, so that it is read from the
 * store.
 */
export type Mark = Readonly<{
  through?: Position;
  at?: string;
  behind?: Position;
  gap?: true;
}>;

/** `offset`: where the group goes on; undefined where nothing was ever committed. */
export type Committed = Readonly<{ offset: string | undefined; mark: Mark }>;

const text = z.string().transform((value) => value as Position);
const Stored = z.object({
  through: text.optional(),
  at: z.string().optional(),
  behind: text.optional(),
  gap: z.literal(true).optional(),
  store: z.string().optional(),
});

export const FIRST_MARK: Mark = {};

const read = (metadata: string | null | undefined): z.infer<typeof Stored> => {
  try {
    return Stored.parse(JSON.parse(metadata ?? ''));
  } catch {
    return FIRST_MARK;
  }
};
/**
 * A group that another program has committed for has no mark: its offset counts, and nothing else is known. Throws
 * OtherStore unless its positions are those of `store`.
 */
export const markIn = (metadata: string | null | undefined, store: string, group: string): Mark => {
  const { store: theirs = store, ...mark } = read(metadata);
  if (theirs !== store)
    throw new OtherStore(
      `what consumer ${group} has finished on these topics`,
      theirs,
      store,
      'give the topics of this store another KAFKA_PREFIX, or bring back the store that filled them',
    );
  // What JSON leaves out stays left out.
  return mark as Mark;
};
export const textOfMark = (mark: Mark, store: string): string => JSON.stringify({ ...mark, store });

/** The last of the positions that are there. */
export const latest = (positions: readonly (Position | undefined)[]): Position | undefined =>
  positions
    .filter((position) => position !== undefined)
    .sort()
    .at(-1);

/** Up to where a partition is finished, or not to be handled. */
export const placeOfMark = ({ through, behind }: Mark): Position | undefined => latest([through, behind]);

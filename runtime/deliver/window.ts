/** A delivery that was taken on; `done` once it is finished. */
export type Taken = { readonly cursor: string; done: boolean };

/**
 * What of one partition has been taken on and how far it may be committed: up to the lowest event that is not
 * finished.
 */
export type Window = Readonly<{
  take(cursor: string): Taken;
  /** Nothing is left to do before `cursor` that was not taken: what a filter left out. */
  pass(cursor: string): void;
  finish(taken: Taken): void;
  /** Cursor up to which everything is finished; undefined before the first. */
  boundary(): string | undefined;
  /** Events not finished. */
  unfinished(): number;
  /** Events between the boundary and the last one taken: what a crash would repeat. */
  span(): number;
}>;

export const window = (): Window => {
  let entries: Taken[] = [];
  let first = 0;
  let unfinished = 0;
  let boundary: string | undefined;

  const advance = (): void => {
    for (let entry = entries[first]; entry?.done; entry = entries[++first]) boundary = entry.cursor;
    // Dropping the finished part once it is the greater one keeps this linear over all.
    if (first * 2 > entries.length) [entries, first] = [entries.slice(first), 0];
  };

  return {
    take(cursor) {
      const taken = { cursor, done: false };
      entries.push(taken);
      unfinished += 1;
      return taken;
    },
    pass(cursor) {
      entries.push({ cursor, done: true });
      advance();
    },
    finish(taken) {
      if (taken.done) return;
      taken.done = true;
      unfinished -= 1;
      advance();
    },
    boundary: () => boundary,
    unfinished: () => unfinished,
    span: () => entries.length - first,
  };
};

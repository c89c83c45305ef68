/** The commands that a stream has carried out, so that a repeat is recognised. */

/**
 * Ids with the revision that each led to, in parts of which each is at least twice the next: a fold that adds one at a
 * time copies each id a few times and not all of them every time. Newer parts come last and count first. JSON as it is.
 */
export type Remembered = readonly Readonly<{ size: number; ids: Readonly<Record<string, number>> }>[];

export const NOTHING_REMEMBERED: Remembered = [];

/** The last `atLeast` ids stay (up to some three times as many do); all of them unless given. */
export const remember = (
  known: Remembered,
  commandId: string,
  revision: number,
  atLeast = Infinity,
): Remembered => {
  let ids: Readonly<Record<string, number>> = { [commandId]: revision };
  let size = 1;
  let kept = known.length;
  for (
    let last = known[kept - 1];
    last && last.size < 2 * size && last.size + size <= atLeast;
    last = known[kept - 1]
  ) {
    ids = { ...last.ids, ...ids };
    size += last.size;
    kept -= 1;
  }
  const parts = [...known.slice(0, kept), { size, ids }];
  let total = parts.reduce((sum, part) => sum + part.size, 0);
  while (parts[0] && total - parts[0].size >= atLeast) total -= parts.shift()!.size;
  return parts;
};

/** The revision that the command led to; undefined for one that is not remembered. */
export const ledTo = (known: Remembered, commandId: string): number | undefined => {
  for (let at = known.length - 1; at >= 0; at--) {
    const { ids } = known[at]!;
    if (Object.hasOwn(ids, commandId)) return ids[commandId];
  }
  return undefined;
};

export const remembers = (known: Remembered, commandId: string): boolean =>
  ledTo(known, commandId) !== undefined;
/** About how many ids are kept. */
export const sizeOf = (known: Remembered): number => known.reduce((sum, { size }) => sum + size, 0);

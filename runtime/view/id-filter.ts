/**
 * Ids that were added, in 4 MiB however many they are: a Bloom filter (B. H. Bloom, "Space/time trade-offs in hash coding
 * with allowable errors", 1970).
 */
export type IdFilter = Readonly<{
  add(id: string): void;
  /** False for an id that was never added; of those, one in some thousands passes among a million, more among more. */
  mayHave(id: string): boolean;
}>;

const WORDS = 2 ** 20;
const BITS = 32 * WORDS;
const PLACES = 4;

/** FNV-1a over UTF-16 units, from either of two beginnings. */
const hash = (id: string, from: number): number => {
  let mixed = from;
  for (let at = 0; at < id.length; at++) mixed = Math.imul(mixed ^ id.charCodeAt(at), 0x01000193);
  // The lower bits, which are kept, have seen little of the first characters.
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
};

export const createIdFilter = (): IdFilter => {
  const words = new Uint32Array(WORDS);
  /** Places from two hashes are as good as places from as many as there are (Kirsch and Mitzenmacher, 2006). */
  const everyPlace = (id: string, holds: (word: number, bit: number) => boolean): boolean => {
    let place = hash(id, 0x811c9dc5);
    const step = (hash(id, 0x2545f491) | 1) >>> 0;
    for (let n = 0; n < PLACES; n++, place += step)
      if (!holds((place % BITS) >>> 5, 1 << (place & 31))) return false;
    return true;
  };
  return {
    add: (id) =>
      void everyPlace(id, (word, bit) => {
        words[word]! |= bit;
        return true;
      }),
    mayHave: (id) => everyPlace(id, (word, bit) => (words[word]! & bit) !== 0),
  };
};

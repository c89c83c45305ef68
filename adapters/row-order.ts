/** How rows are ordered and pointed at: shared by the read stores that keep their indexes themselves. */
import type { KeyPart } from '../ports/read-store.ts';

/** Where a row stands in an index: its key there, then its id. */
export type Place = Readonly<{ key: readonly KeyPart[]; id: string }>;

/** Numbers before text; text by its UTF-8 bytes. */
export const comparePart = (a: KeyPart, b: KeyPart): number => {
  if (typeof a === 'number') return typeof b === 'number' ? a - b : -1;
  return typeof b === 'number' ? 1 : Buffer.compare(Buffer.from(a), Buffer.from(b));
};
/** Part by part; a key comes before the keys that it begins; equal keys in the order of the ids. */
export const comparePlace = (a: Place, b: Place): number => {
  for (const [i, part] of a.key.entries()) {
    const other = b.key[i];
    const order = other === undefined ? 1 : comparePart(part, other);
    if (order !== 0) return order;
  }
  return a.key.length < b.key.length ? -1 : comparePart(a.id, b.id);
};

export const startsWith = (key: readonly KeyPart[], prefix: readonly KeyPart[]): boolean =>
  prefix.every((part, i) => key[i] === part);

export const cursorOf = ({ key, id }: Place): string =>
  Buffer.from(JSON.stringify([...key, id])).toString('base64url');

/** Throws RangeError for text that is no cursor under `prefix` (a client may send anything). */
export const placeOf = (cursor: string, prefix: readonly KeyPart[]): Place => {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    parts = undefined;
  }
  const isPart = (part: unknown): part is KeyPart =>
    typeof part === 'number' || (typeof part === 'string' && !part.includes('\0'));
  if (Array.isArray(parts) && parts.length > prefix.length && parts.every(isPart)) {
    const [key, id] = [parts.slice(0, -1), parts.at(-1)!];
    if (typeof id === 'string' && startsWith(key, prefix)) return { key, id };
  }
  throw new RangeError('this cursor does not belong to the query');
};

/** How a view's rows stand in LMDB: as text, and as index entries that point at them. */
import type { Key } from 'lmdb';
import type { Position } from '../../domain/kernel.ts';
import type { KeyPart, Row, View } from '../../ports/read-store.ts';
import type { Place } from '../row-order.ts';

/** Below what LMDB takes (1,978 bytes), with room for what separates the parts. */
const KEY_BYTES = 1_900;
/**
 * Stands between a key and the row's id: before any key part, so that a key comes before those that it
 * begins.
 */
const END = false;

/**
 * What a row's text begins with: a line of its own, so that a commit learns the keys of the row that it
 * replaces without parsing the document.
 */
export type Head = Readonly<{ at: Position; keys: Row['keys'] }>;

export const textOf = ({ at, keys, doc }: Row): string =>
  `${JSON.stringify({ at, keys } satisfies Head)}\n${JSON.stringify(doc)}`;
export const headOf = (text: string): Head => JSON.parse(text.slice(0, text.indexOf('\n'))) as Head;
export const docOf = <D>(text: string): D => JSON.parse(text.slice(text.indexOf('\n') + 1)) as D;

export const entryOf = (view: View, index: string, { key, id }: Place): Key[] => [
  view,
  index,
  ...key,
  END,
  id,
];
export const placeIn = (entry: Key[]): Place => ({
  key: entry.slice(2, -2) as KeyPart[],
  id: entry.at(-1) as string,
});

const bytesOf = (key: readonly KeyPart[]): number =>
  key.reduce<number>((sum, part) => sum + (typeof part === 'number' ? 9 : Buffer.byteLength(part) + 2), 0);
/** Throws RangeError for a row whose id or keys LMDB could not hold: asked before anything is written. */
export const checkRow = (view: View, { id, keys }: Row): void => {
  const room = KEY_BYTES - bytesOf([view, id]);
  if (room < 0) throw new RangeError(`${view} cannot hold a row with an id of ${id.length} characters`);
  for (const [index, list] of Object.entries(keys))
    for (const key of list)
      if (bytesOf(key) + index.length > room)
        throw new RangeError(
          `row ${id} of ${view} has a key in ${index} that is longer than ${KEY_BYTES} bytes`,
        );
};

type Keys = Row['keys'][string];
const same = (a: Keys, b: Keys): boolean =>
  a.length === b.length &&
  a.every((key, i) => key.length === b[i]!.length && key.every((part, j) => part === b[i]![j]));
/** The keys of `list` that `other` lacks. */
export const keysLacking = (list: Keys = [], other: Keys = []): Keys => {
  if (list.length === 0 || other.length === 0) return list;
  if (same(list, other)) return [];
  const there = new Set(other.map((key) => JSON.stringify(key)));
  return list.filter((key) => !there.has(JSON.stringify(key)));
};

/** The value of an index entry. */
export const NOTHING: Uint8Array = Buffer.alloc(0);
const SLAB_BYTES = 1024 * 1024;
/**
 * Text to bytes that share large pieces of memory: one of its own for each of many thousand rows would keep
 * the collector busy.
 */
export const utf8Encoder = (): ((text: string) => Uint8Array) => {
  let slab = Buffer.alloc(0);
  let end = 0;
  return (text) => {
    const most = text.length * 3;
    if (most > SLAB_BYTES) return Buffer.from(text);
    if (end + most > slab.length) [slab, end] = [Buffer.allocUnsafeSlow(SLAB_BYTES), 0];
    const start = end;
    end += slab.write(text, start);
    return slab.subarray(start, end);
  };
};

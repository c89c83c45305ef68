/** How rows are ordered and pointed at: shared by the read stores. */
import type { ColumnValue, Shape } from '../ports/projection.ts';
import type { ChangeCursor, Find, KeyPart, Row } from '../ports/read-store.ts';

/** Where a row stands in an index: its key there, then its id. */
export type Place = Readonly<{ key: readonly KeyPart[]; id: string }>;

/** Numbers before text; text by its UTF-8 bytes. */
export const comparePart = (a: KeyPart, b: KeyPart): number => {
  if (typeof a === 'number') return typeof b === 'number' ? a - b : -1;
  return typeof b === 'number' ? 1 : Buffer.compare(Buffer.from(a), Buffer.from(b));
};
/** Part by part; equal keys in the order of the ids. */
export const comparePlace = (a: Place, b: Place): number => {
  for (const [i, part] of a.key.entries()) {
    const order = comparePart(part, b.key[i]!);
    if (order !== 0) return order;
  }
  return comparePart(a.id, b.id);
};

export const startsWith = (key: readonly KeyPart[], prefix: readonly KeyPart[]): boolean =>
  prefix.every((part, i) => key[i] === part);

/** The columns of an index. Throws RangeError for one that there is not, and for a prefix that it is not asked with. */
export const indexOf = ({ columns, indexes }: Shape, { index, prefix }: Find): readonly string[] => {
  const names = Object.hasOwn(indexes, index) ? indexes[index]! : undefined;
  if (!names || prefix.length > names.length) throw new RangeError(`${index} is no index of this view`);
  if (names.length > 1 && names.slice(prefix.length).some((name) => columns[name] === 'texts'))
    throw new RangeError(`${index} is asked with one of its texts`);
  return names;
};

/** The keys under which a row stands in an index; none when it lacks one of the columns. */
export const keysOf = (
  columns: readonly string[],
  values: Readonly<Record<string, ColumnValue>>,
): readonly (readonly KeyPart[])[] => {
  let keys: readonly (readonly KeyPart[])[] = [[]];
  for (const column of columns) {
    const value = values[column] ?? [];
    const parts = typeof value === 'object' ? [...new Set(value)] : [value];
    keys = keys.flatMap((key) => parts.map((part) => [...key, part]));
  }
  return keys;
};

/** Throws TypeError for a value that its column cannot hold: a bug of the view. */
export const checkColumns = ({ columns }: Shape, values: Readonly<Record<string, ColumnValue>>): void => {
  for (const [name, value] of Object.entries(values)) {
    const type = Object.hasOwn(columns, name) ? columns[name] : undefined;
    const fits =
      value === null
        ? type !== undefined
        : type === 'texts'
          ? Array.isArray(value)
          : type === 'integer'
            ? Number.isSafeInteger(value)
            : type === 'text' && typeof value === 'string';
    if (!fits)
      throw new TypeError(`the column ${name} (${type ?? 'unknown'}) cannot hold ${JSON.stringify(value)}`);
  }
};

/** The cursor behind the last of `rows`; where there is none, the one they were read from. */
export const behind = (cursor: ChangeCursor, rows: readonly Row[]): ChangeCursor => {
  const last = rows.at(-1);
  return last ? { view: cursor.view, position: last.at, rowId: last.id } : cursor;
};

export const cursorOf = ({ key, id }: Place): string =>
  Buffer.from(JSON.stringify([...key, id])).toString('base64url');

/** Throws RangeError for text that is no cursor of this query (a client may send anything). */
export const placeOf = (cursor: string, columns: readonly string[], prefix: readonly KeyPart[]): Place => {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    parts = undefined;
  }
  const isPart = (part: unknown): part is KeyPart =>
    typeof part === 'number' || (typeof part === 'string' && !part.includes('\0'));
  if (Array.isArray(parts) && parts.length === columns.length + 1 && parts.every(isPart)) {
    const [key, id] = [parts.slice(0, -1), parts.at(-1)!];
    if (typeof id === 'string' && startsWith(key, prefix)) return { key, id };
  }
  throw new RangeError('this cursor does not belong to the query');
};

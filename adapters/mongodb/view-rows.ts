/** How a row of a view stands in its collection, and how rows are found there. */
import type { Collection, Document, IndexDescription, Sort } from 'mongodb';
import type { Position } from '../../domain/kernel.ts';
import type { Fence } from '../../ports/lease.ts';
import type { ColumnValue, Shape } from '../../ports/projection.ts';
import type { Find, Found, KeyPart, Row } from '../../ports/read-store.ts';
import { comparePart, cursorOf, indexOf, placeOf } from '../row-order.ts';
import { FENCES, keeping, notPast } from './fences.ts';
import { fromStored, toStored } from './json.ts';

/** Beside these a document has the row's columns, several texts each once. `_doc` null: removed. */
export type RowDocument = {
  [column: string]: unknown;
  _id: string;
  _at: Position;
  _doc: unknown;
  fences?: Record<string, number>;
};
type Rows = Collection<RowDocument>;

/** Throws TypeError for a column that a document has no room for: a bug of the view. */
export const checkNames = ({ columns }: Shape): void => {
  for (const column of Object.keys(columns))
    if (column === FENCES || !/^[^_$.\0][^.\0]*$/.test(column))
      throw new TypeError(`${column} cannot be the name of a column`);
};

/** By each declared index, and by when a row changed. */
export const indexesOf = ({ indexes }: Shape): readonly IndexDescription[] => [
  { key: { _at: 1, _id: 1 } },
  ...Object.values(indexes).map((columns) => ({
    key: { ...Object.fromEntries(columns.map((column) => [column, 1 as const])), _id: 1 as const },
  })),
];

/** A bulk write's step that writes a row, unless what is there is as new, or of a holder that came later (error 11000). */
export const rowWrite = (
  { columns: declared }: Shape,
  { id, doc, columns, at }: Row,
  fence: Fence | undefined,
) => {
  const stored = (value: ColumnValue | undefined): unknown =>
    doc === null ? null : typeof value === 'object' && value !== null ? [...new Set(value)] : (value ?? null);
  const values = Object.fromEntries(Object.keys(declared).map((name) => [name, stored(columns[name])]));
  return {
    updateOne: {
      filter: { _id: id, _at: { $lt: at }, ...notPast(fence) },
      update: {
        $set: { _at: at, _doc: doc === null ? null : toStored(doc), ...values },
        ...keeping(fence),
      },
      upsert: true,
    },
  };
};

export const rowOf = <D>(
  { columns }: Shape,
  { _id: id, _at: at, _doc: doc, ...values }: RowDocument,
): Row<D> => ({
  id,
  at,
  doc: fromStored(doc) as D | null,
  columns: Object.fromEntries(
    Object.keys(columns)
      .map((name) => [name, values[name] ?? null] as [string, ColumnValue])
      .filter(([, value]) => value !== null),
  ),
});

/** What one column is asked for. */
type Condition = { $eq?: KeyPart; $gte?: KeyPart; $gt?: KeyPart; $lt?: KeyPart };

/** Every value that a column can have: a row that lacks it is not in the index. */
const anyOf = ({ columns }: Shape, column: string): Condition => ({
  $gte: columns[column] === 'integer' ? -Infinity : '',
});

/**
 * What `query` asks for of an index's columns, in one part or, behind a cursor, in one for each column that may be the
 * first to differ.
 */
const partsOf = (
  shape: Shape,
  query: Find,
  columns: readonly string[],
): readonly Readonly<Record<string, Condition>>[] => {
  const { prefix, from, to, after, descending = false } = query;
  const base = Object.fromEntries(
    columns.map((column, n): [string, Condition] => {
      if (n < prefix.length) return [column, { $eq: prefix[n]! }];
      const bounded = n === prefix.length;
      return [
        column,
        {
          ...anyOf(shape, column),
          ...(bounded && from !== undefined ? { $gte: from } : {}),
          ...(bounded && to !== undefined ? { $lt: to } : {}),
        },
      ];
    }),
  );
  if (after === undefined) return [base];
  const place = placeOf(after, columns, prefix);
  const nearer = (a: KeyPart | undefined, b: KeyPart): KeyPart =>
    a !== undefined && comparePart(a, b) < 0 ? a : b;
  const beyond = (condition: Condition, value: KeyPart): Condition =>
    descending ? { ...condition, $lt: nearer(condition.$lt, value) } : { ...condition, $gt: value };
  const parts: Record<string, Condition>[] = [];
  const same: Record<string, Condition> = { ...base };
  for (const [n, column] of columns.entries()) {
    if (n < prefix.length) continue;
    parts.push({ ...same, [column]: beyond(base[column]!, place.key[n]!) });
    same[column] = { ...base[column], $eq: place.key[n]! };
  }
  return [...parts, { ...same, _id: beyond({}, place.id) }];
};
const filterOf = (
  parts: readonly Readonly<Record<string, Condition>>[],
  condition: (column: string, wanted: Condition) => Document = (_, wanted) => wanted,
): Document => {
  const [first, ...others] = parts.map((part) =>
    Object.fromEntries(Object.entries(part).map(([column, wanted]) => [column, condition(column, wanted)])),
  );
  return others.length === 0 ? (first ?? {}) : { $or: [first, ...others] };
};

/** What is asked for, in which order, rows at most. */
type Asked = Readonly<{ parts: Parameters<typeof filterOf>[0]; sort: Sort; limit: number }>;

const eachOnce = (rows: Rows, { parts, sort, limit }: Asked): Promise<readonly RowDocument[]> =>
  rows.find(filterOf(parts)).sort(sort).limit(limit).toArray();

/**
 * Rows under each of their texts in the column `several`: no index of MongoDB lists a row twice, so the page is put
 * together from the texts of all that match.
 */
const underEachText = async (
  rows: Rows,
  several: string,
  { parts, sort, limit }: Asked,
): Promise<readonly RowDocument[]> => {
  const places = await rows
    .aggregate<RowDocument>([
      {
        $match: filterOf(parts, (column, wanted) => (column === several ? { $elemMatch: wanted } : wanted)),
      },
      { $project: { [several]: 1 } },
      { $unwind: `$${several}` },
      { $match: filterOf(parts) },
      { $sort: sort },
      { $limit: limit },
    ])
    .toArray();
  const ids = [...new Set(places.map(({ _id }) => _id))];
  const found = await rows.find({ _id: { $in: ids } }, { projection: { _doc: 1 } }).toArray();
  const docs = new Map(found.map(({ _id, _doc }) => [_id, _doc]));
  return places.map((place) => ({ ...place, _doc: docs.get(place._id) ?? null }));
};

/** Throws RangeError as the port says. */
export const findRows = async <D>(rows: Rows, shape: Shape, query: Find): Promise<Found<D>> => {
  const columns = indexOf(shape, query);
  const { prefix, limit, descending = false } = query;
  const further = columns.slice(prefix.length);
  const several = further.find((column) => shape.columns[column] === 'texts');
  const sort = Object.fromEntries([...further, '_id'].map((by) => [by, descending ? -1 : 1] as const));
  const asked = { parts: partsOf(shape, query, columns), sort, limit: limit + 1 };
  const found =
    several === undefined ? await eachOnce(rows, asked) : await underEachText(rows, several, asked);
  const page = found.slice(0, limit).map(({ _id: id, _doc, ...values }) => {
    const key = columns.map((column, n) => prefix[n] ?? (values[column] as KeyPart));
    return { id, doc: fromStored(_doc) as D, cursor: cursorOf({ key, id }) };
  });
  const next = found.length > limit ? (page.at(-1)?.cursor ?? null) : null;
  // Of one that was removed a moment ago, nothing is left to show.
  return { rows: page.filter(({ doc }) => doc !== null), next };
};

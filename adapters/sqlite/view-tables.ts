/** How a build of a view stands in SQLite: a table of its rows, and one for each index over several texts. */
import type { ColumnType, ColumnValue, Shape } from '../../ports/projection.ts';
import type { Row, View } from '../../ports/read-store.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import type { Sharing } from './writer.ts';

const SQL_TYPE: Readonly<Record<ColumnType, string>> = { text: 'text', integer: 'integer', texts: 'text' };

/** A name, in quotes: views have an @ in theirs. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
/** The table of an index over several texts. */
export const sideTable = (view: View, index: string): string => quoted(`${view} ${index}`);
/** Whether an index has a table of its own. */
export const isSide = ({ columns, indexes }: Shape, index: string): boolean =>
  (indexes[index] ?? []).some((column) => columns[column] === 'texts');

export const makeTables = (view: View, shape: Shape): readonly string[] => {
  const { columns, indexes } = shape;
  const table = quoted(view);
  const declared = Object.entries(columns).map(([name, type]) => `${quoted(name)} ${SQL_TYPE[type]}`);
  const made = [
    `create table ${table} (${['id text primary key', 'position text not null', 'doc text', ...declared].join(', ')}) strict`,
    `create index ${quoted(`${view} by position`)} on ${table} (position, id)`,
  ];
  for (const [index, names] of Object.entries(indexes)) {
    const parts = names.map(quoted).join(', ');
    if (!isSide(shape, index)) {
      made.push(`create index ${quoted(`${view} by ${index}`)} on ${table} (${parts}, id)`);
      continue;
    }
    const side = sideTable(view, index);
    const typed = names.map((name) => `${quoted(name)} ${SQL_TYPE[columns[name]!]}`).join(', ');
    made.push(`create table ${side} (${typed}, id text, primary key (${parts}, id)) strict, without rowid`);
  }
  return made;
};
export const dropTables = (view: View, shape: Shape): readonly string[] => [
  ...Object.keys(shape.indexes)
    .filter((index) => isSide(shape, index))
    .map((index) => `drop table if exists ${sideTable(view, index)}`),
  `drop table if exists ${quoted(view)}`,
];

/** For people: the active build's rows under the view's own name, as in `select count(*) from order_status`. */
export const nameTables = (name: string, view: View): readonly string[] => {
  const plain = quoted(name.replaceAll('-', '_'));
  return [
    `drop view if exists ${plain}`,
    `create view ${plain} as select * from ${quoted(view)} where doc is not null`,
  ];
};

/** A column as it is stored: several texts as a JSON array, which json_each takes. */
const stored = (value: ColumnValue | undefined): SqlValue =>
  value === undefined || value === null ? null : typeof value === 'object' ? JSON.stringify(value) : value;

/** Writes a row unless what is there is as new: statements that share the row's values. */
export const rowWrites = (
  view: View,
  shape: Shape,
): Readonly<{ by: readonly Sharing[]; valuesOf(row: Row): readonly SqlValue[] }> => {
  const names = Object.keys(shape.columns);
  const table = quoted(view);
  const all = ['id', 'position', 'doc', ...names];
  const places = (...columns: readonly string[]): readonly number[] =>
    columns.map((column) => all.indexOf(column));
  const set = all.slice(1).map((column) => `${quoted(column)} = excluded.${quoted(column)}`);
  const upsert = `insert into ${table} (${all.map(quoted).join(', ')}) values (${all.map(() => '?').join(', ')})
    on conflict (id) do update set ${set.join(', ')} where excluded.position > ${table}.position`;
  const sides = Object.entries(shape.indexes)
    .filter(([index]) => isSide(shape, index))
    .map(([index, parts]) => {
      const side = sideTable(view, index);
      const several = parts.find((part) => shape.columns[part] === 'texts')!;
      const others = parts.filter((part) => part !== several);
      const key = [several, ...others, 'id'].map(quoted).join(', ');
      const stands = [...others, 'id'].map((part) => `t.${quoted(part)}`).join(', ');
      const changed = [several, ...others].map((part) => `t.${quoted(part)} is not ?`).join(' or ');
      return {
        // By what the row was found by until now, which the row itself still says.
        remove: {
          sql: `delete from ${side} where (${key}) in (
            select j.value, ${stands} from ${table} t, json_each(t.${quoted(several)}) j
            where t.id = ? and t.position < ? and (${changed}))`,
          takes: places('id', 'position', several, ...others),
        },
        // Not in the index at all when one of the columns is missing.
        add: {
          sql: `insert or ignore into ${side} (${key})
            select value, ${others.map(() => '?, ').join('')}? from json_each(?)
            where ${others.map(() => '? is not null and ').join('')}
              exists (select 1 from ${table} where id = ? and position = ?)`,
          takes: places(...others, 'id', several, ...others, 'id', 'position'),
        },
      };
    });
  return {
    by: [...sides.map(({ remove }) => remove), { sql: upsert }, ...sides.map(({ add }) => add)],
    valuesOf: ({ id, at, doc, columns }) =>
      doc === null
        ? [id, at, null, ...names.map(() => null)]
        : [id, at, JSON.stringify(doc), ...names.map((name) => stored(columns[name]))],
  };
};

/** A whole row out of its table. */
export const rowOf = <D>({ columns }: Shape, row: SqlRow): Row<D> => {
  const found: [string, ColumnValue][] = [];
  for (const [name, type] of Object.entries(columns)) {
    const value = row[name] ?? null;
    if (value === null) continue;
    found.push([
      name,
      type === 'texts' ? (JSON.parse(value as string) as string[]) : (value as string | number),
    ]);
  }
  return {
    id: row.id as string,
    doc: row.doc === null ? null : (JSON.parse(row.doc as string) as D),
    columns: Object.fromEntries(found),
    at: row.position as Row['at'],
  };
};

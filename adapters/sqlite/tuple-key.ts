/** Tuples as keys of a table: a column for each part, numbers before texts in the order of their bytes. */
import type { SqlRow } from './driver.ts';

export type Tuple = readonly (string | number)[];

/** Stands for a part that a key does not have: no key has an empty text in it. */
const ABSENT = '';

/** Keys of up to `parts` parts. */
export const tupleKey = (parts: number) => {
  const columns = Array.from({ length: parts }, (_, at) => `k${at + 1}`);
  return {
    columns,
    /** The columns of the table, with `value` behind them, and its primary key. */
    declared: `${columns.map((column) => `${column} any not null`).join(', ')}, value text not null,
      primary key (${columns.join(', ')})`,
    /** Finds one key. */
    whole: columns.map((column) => `${column} = ?`).join(' and '),
    /** Finds the keys that begin with a tuple. */
    beginning: (prefix: Tuple): string[] => prefix.map((_, at) => `${columns[at]} = ?`),
    of: (key: Tuple): (string | number)[] => columns.map((_, at) => key[at] ?? ABSENT),
    in: (row: SqlRow): Tuple =>
      columns.map((column) => row[column] as string | number).filter((part) => part !== ABSENT),
  };
};

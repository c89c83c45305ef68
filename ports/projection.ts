import type { EventEnvelope } from '../domain/kernel.ts';

/** A column's values: text in the order of its UTF-8 bytes, whole numbers, or several texts under each of which a row is found. */
export type ColumnType = 'text' | 'integer' | 'texts';
export type ColumnValue = string | number | readonly string[] | null;

/**
 * What a view's rows can be found by. An index is a list of columns, at most one of them of several texts; a row that
 * lacks one of its columns (null, or no texts) is not in it.
 */
export type Shape = Readonly<{
  columns: Readonly<Record<string, ColumnType>>;
  indexes: Readonly<Record<string, readonly string[]>>;
}>;

/**
 * One view: pure. `C`: the categories that there are, so that one that does not exist does not compile. `idsOf`: the
 * rows that an event touches. `furtherIdsOf`: more rows that it touches, told from a row that it has just touched (an
 * order's row knows its day and its customer, later events do not). `apply`: the row after the event, null to remove it;
 * `from`: the row that named this one. `columnsOf`: what stands in the row's columns; one that is left out is null. A
 * change of any of these is a new version. `setting`: what the rows depend on beside the events (a time zone); another
 * setting is another view.
 */
export type Projection<D, C extends string = string> = Shape &
  Readonly<{
    name: string;
    version: number;
    setting?: string;
    categories: readonly C[];
    idsOf(event: EventEnvelope): readonly string[];
    furtherIdsOf?(doc: D, event: EventEnvelope, id: string): readonly string[];
    apply(doc: D | undefined, event: EventEnvelope, id: string, from?: D): D | null;
    columnsOf(doc: D): Readonly<Record<string, ColumnValue>>;
  }>;

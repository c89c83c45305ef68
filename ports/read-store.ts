import type { Position } from '../domain/kernel.ts';
import type { Fence } from './lease.ts';
import type { ColumnValue, Shape } from './projection.ts';

/** A build of a view: `name@version+build`, with a setting `name@version(setting)+build`. */
export type View = string;

export type KeyPart = string | number;
/**
 * `columns`: what the row is found by. `at`: the position of the last event folded into it. `doc: null` removes the row;
 * what is left of it tells when.
 */
export type Row<D = unknown> = Readonly<{
  id: string;
  doc: D | null;
  columns: Readonly<Record<string, ColumnValue>>;
  at: Position;
}>;

/**
 * Rows of one index whose first columns are `prefix`, in the order of the next column (then the rest, then the row's
 * id). `from` (inclusive) and `to` (exclusive) bound the next column; `after`: a cursor of an earlier page; `limit`: rows
 * at most. An index of several texts and of other columns is asked with one of the texts in `prefix`.
 */
export type Find = Readonly<{
  index: string;
  prefix: readonly KeyPart[];
  from?: KeyPart;
  to?: KeyPart;
  after?: string;
  limit: number;
  descending?: boolean;
}>;
/**
 * `cursor` of a row is the place behind it, stable while rows come and go; `next` is null on the last page.
 */
export type Found<D> = Readonly<{
  rows: readonly Readonly<{ id: string; doc: D; cursor: string }>[];
  next: string | null;
}>;

/**
 * Rows in the order of their ids. `after`: exclusive; `to`: inclusive. `next`: the `after` of the next page,
 * null on the last. `checkpoint`: the view's at that moment; a store without transactions may show rows that
 * are ahead of it (their `at` says so).
 */
export type Scan = Readonly<{ after?: string; to?: string; limit: number }>;
export type Scanned<D> = Readonly<{
  rows: readonly Row<D>[];
  next: string | null;
  checkpoint: Position | undefined;
}>;

/** A place among the changes of a build: behind the row `rowId` as it was at `position`. */
export type ChangeCursor = Readonly<{ view: View; position: Position; rowId: string }>;
export type Changes<D> = Readonly<{ rows: readonly Row<D>[]; next: ChangeCursor }>;

/** Which build readers see; `previous`: the one that it replaced, kept to go back to. */
export type Activation = Readonly<{ view: View; previous?: View }>;
export type Build = Readonly<{ view: View; checkpoint: Position | undefined }>;

/**
 * `rows` are written in the order given (of one id the last counts), those alone that are newer than what is there;
 * then the checkpoint moves from `from` to `to`. Where there are no transactions a crash may leave the first of them
 * written.
 */
export type Commit = Readonly<{
  from: Position | undefined;
  rows: readonly Row[];
  to: Position;
  fence?: Fence;
}>;

/**
 * Views: rows by id and by index, each build with the position up to which it has followed the event store. Reading a
 * build that there is not finds nothing. Throws `StoreUnavailable`, and `OtherStore` for builds of another event store.
 */
export interface ReadStore {
  /** Makes room for a build; does nothing where it is. */
  make(view: View, shape: Shape): Promise<void>;
  get<D>(view: View, id: string): Promise<D | undefined>;
  /** Also of a row that was removed. */
  row<D>(view: View, id: string): Promise<Row<D> | undefined>;
  /** Throws RangeError for an index that the build does not have, or not so, and for a cursor of another query. */
  find<D>(view: View, query: Find): Promise<Found<D>>;
  scan<D>(view: View, range: Scan): Promise<Scanned<D>>;
  checkpoint(view: View): Promise<Position | undefined>;
  /** 'stale', and nothing is written, when the checkpoint is not `from`, by the fence, or of a build that is not made. */
  commit(view: View, commit: Commit): Promise<'committed' | 'stale'>;
  /**
   * Rows that changed behind the cursor, in the order of position and id, removed ones included, each in its latest
   * state, none past the checkpoint. 'restart': the build is gone.
   */
  changesSince<D>(cursor: ChangeCursor, limit: number): Promise<Changes<D> | 'restart'>;
  /**
   * Calls `listener` soon after something was committed or activated, by this process or another; it may be called
   * without need. Returns the way to stop.
   */
  onChange(listener: () => void): () => void;
  active(name: string): Promise<Activation | undefined>;
  /**
   * Readers see `view` from now on, at once and all. Nothing is changed, and 'behind', when it has not come as far as
   * the active one; 'changed', when that is no longer `seen`.
   */
  activate(
    name: string,
    view: View,
    seen: Activation | undefined,
  ): Promise<'activated' | 'behind' | 'changed'>;
  /** The builds of `name` that were made, in no order. */
  builds(name: string): Promise<readonly Build[]>;
  /** Takes a build away with its rows and checkpoint. Throws RangeError for the active one. */
  drop(view: View): Promise<void>;
  close(): Promise<void>;
}

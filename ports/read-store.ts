import type { EventEnvelope, Position } from '../domain/kernel.ts';

/** A build of a view: `name@version+build`, with a setting `name@version(setting)+build`. */
export type View = string;

export type KeyPart = string | number;
/**
 * `keys`: for each index of the view the keys (tuples, compared part by part) under which the row is found.
 * `at`: the position of the last event that touched it. `doc: null` removes the row.
 */
export type Row<D = unknown> = Readonly<{
  id: string;
  doc: D | null;
  keys: Readonly<Record<string, readonly (readonly KeyPart[])[]>>;
  at: Position;
}>;

/**
 * Rows of one index whose key starts with `prefix`, in the order of the next key part (then the rest, then
 * the row's id). `from` (inclusive) and `to` (exclusive) bound the next part; `after`: a cursor of an earlier
 * page; `limit`: rows at most.
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

/** Which build readers see; `previous`: the one that it replaced, kept to go back to. */
export type Activation = Readonly<{ view: View; previous?: View }>;
export type Build = Readonly<{ view: View; checkpoint: Position | undefined }>;

/** Views: rows by id and by index, each view with the position up to which it has followed the store. */
export interface ReadStore {
  get<D>(view: View, id: string): Promise<D | undefined>;
  find<D>(view: View, query: Find): Promise<Found<D>>;
  scan<D>(view: View, range: Scan): Promise<Scanned<D>>;
  checkpoint(view: View): Promise<Position | undefined>;
  /** Rows and checkpoint together, if the checkpoint still is `from`; else 'stale' and nothing is written. */
  commit(
    view: View,
    from: Position | undefined,
    rows: readonly Row[],
    to: Position,
  ): Promise<'committed' | 'stale'>;
  /**
   * Calls `listener` after each commit to any build of `name` by this process, with its rows. Returns the way
   * to stop.
   */
  watch(name: string, listener: (view: View, rows: readonly Row[], to: Position) => void): () => void;
  active(name: string): Promise<Activation | undefined>;
  /**
   * Readers see `view` from now on, at once and all. 'behind', and nothing is changed, when it has not come
   * as far as the active one.
   */
  activate(name: string, view: View): Promise<'activated' | 'behind'>;
  /** The builds of `name` that have a checkpoint, in no order. */
  builds(name: string): Promise<readonly Build[]>;
  /** Takes a build away with its rows and checkpoint. Throws RangeError for the active one. */
  drop(view: View): Promise<void>;
  close(): Promise<void>;
}

/**
 * One view: pure. `C`: the categories that there are, so that one that does not exist does not compile. `idsOf`: the rows that an event touches. `furtherIdsOf`: more rows that it touches, told
 * from a row that it has just touched (an order's row knows its day and its customer, later events do not).
 * `apply`: the row after the event, null to remove it; `from`: the row that named this one. `keys`: under
 * which index keys the row is found. A change of any of these is a new version. `setting`: what the rows
 * depend on beside the events (a time zone); another setting is another view.
 */
export type Projection<D, C extends string = string> = Readonly<{
  name: string;
  version: number;
  setting?: string;
  categories: readonly C[];
  idsOf(event: EventEnvelope): readonly string[];
  furtherIdsOf?(doc: D, event: EventEnvelope, id: string): readonly string[];
  apply(doc: D | undefined, event: EventEnvelope, id: string, from?: D): D | null;
  keys(doc: D): Row['keys'];
}>;

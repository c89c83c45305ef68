import type { EventEnvelope, Position } from '../domain/kernel.ts';

/** A build of a view: `name@version+build`. */
export type View = string;

export type KeyPart = string | number;
/** `keys`: for each index of the view the keys (tuples, compared part by part) under which the row is found. `doc: null` removes the row. */
export type Row<D = unknown> = Readonly<{ id: string; doc: D | null; keys: Readonly<Record<string, readonly (readonly KeyPart[])[]>> }>;

/**
 * Rows of one index whose key starts with `prefix`, in the order of the next key part (then the rest, then the row's id).
 * `from` (inclusive) and `to` (exclusive) bound the next part; `after`: a cursor of an earlier page; `limit`: rows at most.
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
/** `cursor` of a row is the place behind it, stable while rows come and go; `next` is null on the last page. */
export type Found<D> = Readonly<{ rows: readonly Readonly<{ id: string; doc: D; cursor: string }>[]; next: string | null }>;

/** Views: rows by id and by index, each view with the position up to which it has followed the store. */
export interface ReadStore {
  get<D>(view: View, id: string): Promise<D | undefined>;
  find<D>(view: View, query: Find): Promise<Found<D>>;
  checkpoint(view: View): Promise<Position | undefined>;
  /** Rows and checkpoint together, if the checkpoint still is `from`; else 'stale' and nothing is written. */
  commit(view: View, from: Position | undefined, rows: readonly Row[], to: Position): Promise<'committed' | 'stale'>;
  /** Calls `listener` after each commit to `view` by this process, with its rows. Returns the way to stop. */
  watch(view: View, listener: (rows: readonly Row[], to: Position) => void): () => void;
  active(name: string): Promise<View | undefined>;
  activate(name: string, view: View): Promise<void>;
  drop(view: View): Promise<void>;
  close(): Promise<void>;
}

/**
 * One view: pure. `idsOf`: the rows that an event touches. `apply`: the row after the event, null to remove it.
 * `keys`: under which index keys the row is found. A change of any of these is a new version.
 */
export type Projection<D> = Readonly<{
  name: string;
  version: number;
  categories: readonly string[];
  idsOf(event: EventEnvelope): readonly string[];
  apply(doc: D | undefined, event: EventEnvelope, id: string): D | null;
  keys(doc: D): Row['keys'];
}>;

import type { Position } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { Shape } from '../../ports/projection.ts';
import type {
  Activation,
  Build,
  ChangeCursor,
  Changes,
  Find,
  Found,
  KeyPart,
  ReadStore,
  Row,
  Scan,
  Scanned,
  View,
} from '../../ports/read-store.ts';
import {
  behind,
  checkColumns,
  comparePart,
  comparePlace,
  cursorOf,
  indexOf,
  keysOf,
  placeOf,
  startsWith,
  type Place,
} from '../row-order.ts';
import { createListeners } from '../listeners.ts';
import { activationOf, activationWithout, nameOf } from '../view-builds.ts';
import { memoryFences } from './fences.ts';

type Kept = { readonly shape: Shape; readonly rows: Map<string, string>; checkpoint: Position | undefined };

const rowIn = <D>(text: string): Row<D> => JSON.parse(text) as Row<D>;

/** The read store's specification: rows as JSON text, found by looking at all of them. */
export const memoryReadStore = (): ReadStore => {
  const builds = new Map<View, Kept>();
  const activations = new Map<string, Activation>();
  const listeners = createListeners();
  const passes = memoryFences();
  let closed = false;
  const at = (view: View): Kept | undefined => {
    if (closed) throw new StoreUnavailable('the read store is closed');
    return builds.get(view);
  };
  const rowsOf = <D>(view: View): Row<D>[] => [...(at(view)?.rows.values() ?? [])].map(rowIn<D>);

  return {
    async make(view, { columns, indexes }) {
      if (!at(view))
        builds.set(view, { shape: { columns, indexes }, rows: new Map(), checkpoint: undefined });
    },
    async get<D>(view: View, id: string) {
      const text = at(view)?.rows.get(id);
      return text === undefined ? undefined : (rowIn<D>(text).doc ?? undefined);
    },
    async row<D>(view: View, id: string) {
      const text = at(view)?.rows.get(id);
      return text === undefined ? undefined : rowIn<D>(text);
    },

    async find<D>(view: View, query: Find): Promise<Found<D>> {
      const { prefix, from, to, after, limit, descending = false } = query;
      const kept = at(view);
      if (!kept) return { rows: [], next: null };
      const columns = indexOf(kept.shape, query);
      const place = after === undefined ? undefined : placeOf(after, columns, prefix);
      const sign = descending ? -1 : 1;
      const within = (next: KeyPart | undefined): boolean =>
        (from === undefined || (next !== undefined && comparePart(next, from) >= 0)) &&
        (to === undefined || (next !== undefined && comparePart(next, to) < 0));
      const places: (Place & { doc: D })[] = [];
      for (const { id, doc, columns: values } of rowsOf<D>(view))
        for (const key of doc === null ? [] : keysOf(columns, values))
          if (
            startsWith(key, prefix) &&
            within(key[prefix.length]) &&
            (!place || sign * comparePlace({ key, id }, place) > 0)
          )
            places.push({ key, id, doc: doc as D });
      places.sort((a, b) => sign * comparePlace(a, b));
      const rows = places
        .slice(0, limit)
        .map(({ key, id, doc }) => ({ id, doc, cursor: cursorOf({ key, id }) }));
      return { rows, next: places.length > limit ? (rows.at(-1)?.cursor ?? null) : null };
    },

    async scan<D>(view: View, { after, to, limit }: Scan): Promise<Scanned<D>> {
      const found = rowsOf<D>(view)
        .filter(
          ({ id, doc }) =>
            doc !== null &&
            (after === undefined || comparePart(id, after) > 0) &&
            (to === undefined || comparePart(id, to) <= 0),
        )
        .sort((a, b) => comparePart(a.id, b.id));
      const rows = found.slice(0, limit);
      const next = found.length > limit ? (rows.at(-1)?.id ?? null) : null;
      return { rows, next, checkpoint: at(view)?.checkpoint };
    },

    checkpoint: async (view) => at(view)?.checkpoint,

    async commit(view, { from, rows, to, fence }) {
      const kept = at(view);
      if (!kept || kept.checkpoint !== from || !passes(fence)) return 'stale';
      for (const { columns } of rows) checkColumns(kept.shape, columns);
      for (const row of rows) {
        const before = kept.rows.get(row.id);
        if (before !== undefined && rowIn(before).at >= row.at) continue;
        kept.rows.set(row.id, JSON.stringify(row.doc === null ? { ...row, columns: {} } : row));
      }
      kept.checkpoint = to;
      listeners.tell();
      return 'committed';
    },

    async changesSince<D>(cursor: ChangeCursor, limit: number): Promise<Changes<D> | 'restart'> {
      const { view, position, rowId } = cursor;
      const kept = at(view);
      if (!kept) return 'restart';
      const order = (a: Row, b: Row): number => comparePart(a.at, b.at) || comparePart(a.id, b.id);
      const rows = rowsOf<D>(view)
        .filter((row) => order(row, { id: rowId, at: position, doc: null, columns: {} }) > 0)
        .filter((row) => kept.checkpoint !== undefined && row.at <= kept.checkpoint)
        .sort(order)
        .slice(0, limit);
      return { rows, next: behind(cursor, rows) };
    },

    onChange: listeners.add,

    async active(name) {
      at('');
      return activations.get(name);
    },
    async activate(name, view, seen) {
      const current = activations.get(name);
      if (current?.view !== seen?.view) return 'changed';
      const needed = current && at(current.view)?.checkpoint;
      const next = activationOf(current, view, at(view)?.checkpoint, needed);
      if (next === 'behind') return 'behind';
      activations.set(name, next);
      listeners.tell();
      return 'activated';
    },
    async builds(name) {
      at('');
      return [...builds]
        .filter(([view]) => nameOf(view) === name)
        .map(([view, { checkpoint }]): Build => ({ view, checkpoint }));
    },
    async drop(view) {
      at(view);
      const left = activationWithout(activations.get(nameOf(view)), view);
      if (left) activations.set(nameOf(view), left);
      builds.delete(view);
    },
    async close() {
      closed = true;
    },
  };
};

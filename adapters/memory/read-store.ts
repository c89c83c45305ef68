import type { Position } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { Found, KeyPart, ReadStore, Row, View } from '../../ports/read-store.ts';
import { comparePart, comparePlace, cursorOf, placeOf, startsWith, type Place } from '../row-order.ts';
import { watchers } from '../watchers.ts';

type Kept = Readonly<{ text: string; keys: Row['keys'] }>;

/** The read store's specification: rows as JSON text, found by looking at all of them. */
export const memoryReadStore = (): ReadStore => {
  const views = new Map<View, Map<string, Kept>>();
  const checkpoints = new Map<View, Position>();
  const activeOf = new Map<string, View>();
  const watched = watchers();
  let closed = false;
  const rowsOf = (view: View): Map<string, Kept> => {
    if (closed) throw new StoreUnavailable('the read store is closed');
    return views.get(view) ?? new Map<string, Kept>();
  };

  return {
    async get<D>(view: View, id: string) {
      const row = rowsOf(view).get(id);
      return row && (JSON.parse(row.text) as D);
    },

    async find<D>(view: View, { index, prefix, from, to, after, limit, descending = false }: Parameters<ReadStore['find']>[1]): Promise<Found<D>> {
      const behind = after === undefined ? undefined : placeOf(after, prefix);
      const sign = descending ? -1 : 1;
      const within = (next: KeyPart | undefined): boolean =>
        (from === undefined || (next !== undefined && comparePart(next, from) >= 0)) && (to === undefined || next === undefined || comparePart(next, to) < 0);
      const places: Place[] = [];
      for (const [id, { keys }] of rowsOf(view))
        for (const key of keys[index] ?? [])
          if (startsWith(key, prefix) && within(key[prefix.length]) && (!behind || sign * comparePlace({ key, id }, behind) > 0)) places.push({ key, id });
      places.sort((a, b) => sign * comparePlace(a, b));
      const rows = places.slice(0, limit).map((place) => ({ id: place.id, doc: JSON.parse(rowsOf(view).get(place.id)!.text) as D, cursor: cursorOf(place) }));
      return { rows, next: places.length > limit ? (rows.at(-1)?.cursor ?? null) : null };
    },

    async checkpoint(view) {
      rowsOf(view);
      return checkpoints.get(view);
    },

    async commit(view, from, rows, to) {
      const kept = rowsOf(view);
      if (checkpoints.get(view) !== from) return 'stale';
      for (const { id, doc, keys } of rows) {
        if (doc === null) kept.delete(id);
        else kept.set(id, { text: JSON.stringify(doc), keys: structuredClone(keys) as Row['keys'] });
      }
      views.set(view, kept);
      checkpoints.set(view, to);
      watched.tell(view, rows, to);
      return 'committed';
    },

    watch: watched.watch,

    async active(name) {
      rowsOf('');
      return activeOf.get(name);
    },
    async activate(name, view) {
      rowsOf('');
      activeOf.set(name, view);
    },
    async drop(view) {
      rowsOf(view);
      views.delete(view);
      checkpoints.delete(view);
    },
    async close() {
      closed = true;
    },
  };
};

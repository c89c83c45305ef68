import type { Position } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type {
  Activation,
  Build,
  Found,
  KeyPart,
  ReadStore,
  Row,
  Scan,
  Scanned,
  View,
} from '../../ports/read-store.ts';
import { comparePart, comparePlace, cursorOf, placeOf, startsWith, type Place } from '../row-order.ts';
import { activationOf, activationWithout, nameOf } from '../view-builds.ts';
import { watchers } from '../watchers.ts';

type Kept = Readonly<{ text: string; keys: Row['keys']; at: Position }>;

/** The read store's specification: rows as JSON text, found by looking at all of them. */
export const memoryReadStore = (): ReadStore => {
  const views = new Map<View, Map<string, Kept>>();
  const checkpoints = new Map<View, Position>();
  const activeOf = new Map<string, Activation>();
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

    async find<D>(
      view: View,
      { index, prefix, from, to, after, limit, descending = false }: Parameters<ReadStore['find']>[1],
    ): Promise<Found<D>> {
      const behind = after === undefined ? undefined : placeOf(after, prefix);
      const sign = descending ? -1 : 1;
      const within = (next: KeyPart | undefined): boolean =>
        (from === undefined || (next !== undefined && comparePart(next, from) >= 0)) &&
        (to === undefined || next === undefined || comparePart(next, to) < 0);
      const places: Place[] = [];
      for (const [id, { keys }] of rowsOf(view))
        for (const key of keys[index] ?? [])
          if (
            startsWith(key, prefix) &&
            within(key[prefix.length]) &&
            (!behind || sign * comparePlace({ key, id }, behind) > 0)
          )
            places.push({ key, id });
      places.sort((a, b) => sign * comparePlace(a, b));
      const rows = places.slice(0, limit).map((place) => ({
        id: place.id,
        doc: JSON.parse(rowsOf(view).get(place.id)!.text) as D,
        cursor: cursorOf(place),
      }));
      return { rows, next: places.length > limit ? (rows.at(-1)?.cursor ?? null) : null };
    },

    async scan<D>(view: View, { after, to, limit }: Scan): Promise<Scanned<D>> {
      const ids = [...rowsOf(view).keys()]
        .filter(
          (id) =>
            (after === undefined || comparePart(id, after) > 0) &&
            (to === undefined || comparePart(id, to) <= 0),
        )
        .sort(comparePart);
      const rows = ids.slice(0, limit).map((id): Row<D> => {
        const { text, keys, at } = rowsOf(view).get(id)!;
        return { id, doc: JSON.parse(text) as D, keys, at };
      });
      return {
        rows,
        next: ids.length > limit ? (rows.at(-1)?.id ?? null) : null,
        checkpoint: checkpoints.get(view),
      };
    },

    async checkpoint(view) {
      rowsOf(view);
      return checkpoints.get(view);
    },

    async commit(view, from, rows, to) {
      const kept = rowsOf(view);
      if (checkpoints.get(view) !== from) return 'stale';
      for (const { id, doc, keys, at } of rows) {
        if (doc === null) kept.delete(id);
        else kept.set(id, { text: JSON.stringify(doc), keys: structuredClone(keys) as Row['keys'], at });
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
      rowsOf(view);
      const current = activeOf.get(name);
      const next = activationOf(
        current,
        view,
        checkpoints.get(view),
        current && checkpoints.get(current.view),
      );
      if (next === 'behind') return 'behind';
      activeOf.set(name, next);
      return 'activated';
    },
    async builds(name) {
      rowsOf('');
      return [...checkpoints]
        .filter(([view]) => nameOf(view) === name)
        .map(([view, checkpoint]): Build => ({ view, checkpoint }));
    },
    async drop(view) {
      rowsOf(view);
      const left = activationWithout(activeOf.get(nameOf(view)), view);
      if (left) activeOf.set(nameOf(view), left);
      views.delete(view);
      checkpoints.delete(view);
    },
    async close() {
      closed = true;
    },
  };
};

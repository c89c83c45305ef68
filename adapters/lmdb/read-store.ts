import type { Key } from 'lmdb';
import type { Position } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { Found, KeyPart, ReadStore, Row, View } from '../../ports/read-store.ts';
import { cursorOf, placeOf, type Place } from '../row-order.ts';
import { watchers } from '../watchers.ts';
import { openEnvironment } from './environment.ts';

type Kept = Readonly<{ doc: unknown; keys: Row['keys'] }>;

const DROP_ROWS = 1_000;
/** Behind every text that can stand in a key. */
const HIGHEST = '\u{10FFFF}';
/** Stands between a key and the row's id: before any key part, so that a key comes before those that it begins. */
const END = false;

/**
 * Views in an LMDB environment: `rows` holds [view, id] → the row with the keys that point at it, `index` has
 * [view, index, ...key, id], `meta` checkpoints and active views. A commit is one transaction, flushed when it resolves; the
 * index entries of the row that was there before go with it.
 */
export const openLmdbReadStore = ({ folder }: Readonly<{ folder: string }>): ReadStore => {
  const env = openEnvironment(folder, 'the read store', (message, cause) => new StoreUnavailable(message, { cause }));
  const rows = env.strings<[string, string]>('rows');
  const index = env.strings<Key[]>('index');
  const meta = env.strings<['checkpoint' | 'active', string]>('meta');
  const watched = watchers();

  const kept = (view: View, id: string): Kept | undefined => {
    const text = rows.get([view, id]);
    return text === undefined ? undefined : (JSON.parse(text) as Kept);
  };
  const entriesOf = (view: View, id: string, keys: Row['keys']): Map<string, Key[]> => {
    const entries = new Map<string, Key[]>();
    for (const [name, list] of Object.entries(keys)) for (const key of list) entries.set(JSON.stringify([name, key]), [view, name, ...key, END, id]);
    return entries;
  };
  const replace = (view: View, { id, doc, keys }: Row): void => {
    const before = entriesOf(view, id, kept(view, id)?.keys ?? {});
    const now = entriesOf(view, id, doc === null ? {} : keys);
    for (const [name, key] of before) if (!now.has(name)) void index.remove(key);
    for (const [name, key] of now) if (!before.has(name)) void index.put(key, '');
    if (doc !== null) void rows.put([view, id], JSON.stringify({ doc, keys } satisfies Kept));
    else if (before.size > 0 || rows.doesExist([view, id])) void rows.remove([view, id]);
  };
  const placeIn = (key: Key[]): Place => ({ key: key.slice(2, -2) as KeyPart[], id: key.at(-1) as string });

  return {
    async get<D>(view: View, id: string) {
      return env.read(() => kept(view, id)?.doc as D | undefined);
    },

    async find<D>(view: View, { index: name, prefix, from, to, after, limit, descending = false }: Parameters<ReadStore['find']>[1]): Promise<Found<D>> {
      const all: Key[] = [view, name, ...prefix];
      const behind = after === undefined ? undefined : placeOf(after, prefix);
      // No stored key equals a bound, since every one goes on with END and an id: inclusive and exclusive are the same.
      let low: Key[] = from === undefined ? all : [...all, from];
      let high: Key[] = to === undefined ? [...all, HIGHEST] : [...all, to];
      if (behind) {
        const place: Key[] = [view, name, ...behind.key, END, behind.id];
        if (descending) high = place;
        else low = place;
      }
      const range = descending ? { start: high, end: low, reverse: true } : { start: low, end: high };
      return env.read(() => {
        const places: Place[] = [];
        for (const key of index.getKeys({ ...range, limit: limit + 2 })) {
          const place = placeIn(key);
          if (cursorOf(place) !== after) places.push(place);
        }
        const found = places.slice(0, limit).map((place) => ({ id: place.id, doc: kept(view, place.id)!.doc as D, cursor: cursorOf(place) }));
        return { rows: found, next: places.length > limit ? (found.at(-1)?.cursor ?? null) : null };
      });
    },

    async checkpoint(view) {
      return env.read(() => meta.get(['checkpoint', view]) as Position | undefined);
    },

    async commit(view, from, given, to) {
      const outcome = await env.transaction(() => {
        if (meta.get(['checkpoint', view]) !== from) return 'stale';
        for (const row of given) replace(view, row);
        void meta.put(['checkpoint', view], to);
        return 'committed';
      });
      if (outcome === 'committed') watched.tell(view, given, to);
      return outcome;
    },

    watch: watched.watch,

    async active(name) {
      return env.read(() => meta.get(['active', name]));
    },
    async activate(name, view) {
      await env.transaction(() => void meta.put(['active', name], view));
    },

    /** In transactions of 1,000 rows, so that other views go on meanwhile; the checkpoint goes first. */
    async drop(view) {
      await env.transaction(() => void meta.remove(['checkpoint', view]));
      for (let left = true; left; ) {
        left = await env.transaction(() => {
          const ids = [...rows.getKeys({ start: [view], end: [view, HIGHEST], limit: DROP_ROWS })].map(([, id]) => id);
          for (const id of ids) replace(view, { id, doc: null, keys: {} });
          return ids.length === DROP_ROWS;
        });
      }
    },

    async close() {
      await env.close();
    },
  };
};

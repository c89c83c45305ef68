import type { Key } from 'lmdb';
import type { Position } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type {
  Activation,
  Build,
  Found,
  ReadStore,
  Row,
  Scan,
  Scanned,
  View,
} from '../../ports/read-store.ts';
import { cursorOf, placeOf, type Place } from '../row-order.ts';
import { activationOf, activationWithout, nameOf } from '../view-builds.ts';
import { watchers } from '../watchers.ts';
import { openEnvironment } from './environment.ts';
import {
  NOTHING,
  checkRow,
  docOf,
  entryOf,
  headOf,
  keysLacking,
  placeIn,
  textOf,
  utf8Encoder,
} from './view-rows.ts';

const DROP_KEYS = 5_000;
/** How many rows a commit prepares before it lets this thread's other work go on. */
const PREPARED_ROWS = 250;
/** Behind every text that can stand in a key. */
const HIGHEST = '\u{10FFFF}';
/** What stands in the place of a dropped build's checkpoint: while rows of it may be left, and after. */
const DROPPING = 'dropping';
const DROPPED = 'dropped';

/**
 * What a commit does with one row. `before`: the keys of the row that is there (undefined: none is); `bytes`:
 * its text (undefined: it goes).
 */
type Change = Readonly<{
  id: string;
  before: Row['keys'] | undefined;
  now: Row['keys'];
  bytes: Uint8Array | undefined;
}>;

/**
 * Views in an LMDB environment: `docs` holds [view, id] → the row's text, `entries` [view, index, ...key,
 * END, id], `checkpoints` view → position, `activations` name → which build readers see.
 *
 * A commit is one transaction, flushed when it resolves. The version of the checkpoint is read first, then
 * the keys of the rows that the commit replaces, and everything is written on lmdb's own thread if the
 * checkpoint still has that version: whoever changes a row changes the checkpoint as well, so the rows are
 * then what was read. Versions count up for ever, also when a build is dropped and its name used again.
 */
export const openLmdbReadStore = ({ folder }: Readonly<{ folder: string }>): ReadStore => {
  const env = openEnvironment(
    folder,
    'the read store',
    (message, cause) => new StoreUnavailable(message, { cause }),
  );
  const docs = env.texts<[string, string]>('docs');
  const entries = env.texts<Key[]>('entries');
  const checkpoints = env.versioned<string>('checkpoints');
  const activations = env.strings<string>('activations');
  const watched = watchers();

  const isPosition = (mark: string | undefined): mark is Position =>
    mark !== undefined && mark !== DROPPING && mark !== DROPPED;
  const checkpointOf = (view: View): Position | undefined => {
    const mark = checkpoints.get(view);
    return isPosition(mark) ? mark : undefined;
  };
  const activation = (name: string): Activation | undefined => {
    const text = activations.get(name);
    return text === undefined ? undefined : (JSON.parse(text) as Activation);
  };

  /**
   * Takes the rest of a dropped build away, in commits that are small beside other views'; a kill leaves the
   * rest to the next call.
   */
  const cleared = async (view: View): Promise<void> => {
    for (;;) {
      const left = env.read(() => {
        const { value, version } = checkpoints.getEntry(view) ?? {};
        if (value !== DROPPING) return undefined;
        const all = { start: [view], end: [view, HIGHEST], limit: DROP_KEYS } as object;
        return { version, keys: [...entries.getKeys(all)], ids: [...docs.getKeys(all)] };
      });
      if (!left) return;
      const { version = 0, keys, ids } = left;
      await env.writeIfVersion(checkpoints, view, version, () => {
        for (const key of keys) void entries.remove(key);
        for (const id of ids) void docs.remove(id);
        if (keys.length < DROP_KEYS && ids.length < DROP_KEYS)
          void checkpoints.put(view, DROPPED, version + 1);
      });
    }
  };

  const changing = (view: View, row: Row, encoded: (text: string) => Uint8Array): Change => {
    checkRow(view, row);
    const text = docs.get([view, row.id]);
    const before = text === undefined ? undefined : headOf(text).keys;
    return row.doc === null
      ? { id: row.id, before, now: {}, bytes: undefined }
      : { id: row.id, before, now: row.keys, bytes: encoded(textOf(row)) };
  };
  /**
   * Index by index and then the rows, each in the order of the ids: writes that land near each other are
   * several times faster.
   */
  const write = (view: View, changes: readonly Change[]): void => {
    const indexes = new Set<string>();
    for (const { before, now } of changes) {
      for (const index in before) indexes.add(index);
      for (const index in now) indexes.add(index);
    }
    for (const index of indexes)
      for (const { id, before, now } of changes) {
        for (const key of keysLacking(before?.[index], now[index]))
          void entries.remove(entryOf(view, index, { key, id }));
        for (const key of keysLacking(now[index], before?.[index]))
          void entries.put(entryOf(view, index, { key, id }), NOTHING);
      }
    for (const { id, before, bytes } of changes)
      if (bytes) void docs.put([view, id], bytes);
      else if (before) void docs.remove([view, id]);
  };

  return {
    async get<D>(view: View, id: string) {
      return env.read(() => {
        const text = docs.get([view, id]);
        return text === undefined ? undefined : docOf<D>(text);
      });
    },

    async find<D>(
      view: View,
      { index, prefix, from, to, after, limit, descending = false }: Parameters<ReadStore['find']>[1],
    ): Promise<Found<D>> {
      const all: Key[] = [view, index, ...prefix];
      const behind = after === undefined ? undefined : placeOf(after, prefix);
      // No stored key equals a bound, since every one goes on with END and an id: inclusive and exclusive are
      // the same.
      let low: Key[] = from === undefined ? all : [...all, from];
      let high: Key[] = to === undefined ? [...all, HIGHEST] : [...all, to];
      if (behind) {
        const place = entryOf(view, index, behind);
        if (descending) high = place;
        else low = place;
      }
      const range = descending ? { start: high, end: low, reverse: true } : { start: low, end: high };
      return env.read(() => {
        const places: Place[] = [];
        for (const entry of entries.getKeys({ ...range, limit: limit + 2 })) {
          const place = placeIn(entry);
          if (cursorOf(place) !== after) places.push(place);
        }
        const found = places.slice(0, limit).map((place) => ({
          id: place.id,
          doc: docOf<D>(docs.get([view, place.id])!),
          cursor: cursorOf(place),
        }));
        return { rows: found, next: places.length > limit ? (found.at(-1)?.cursor ?? null) : null };
      });
    },

    async scan<D>(view: View, { after, to, limit }: Scan): Promise<Scanned<D>> {
      const start: Key[] = after === undefined ? [view] : [view, after];
      const end: Key[] = to === undefined ? [view, HIGHEST] : [view, to];
      return env.read(() => {
        const range = { start, end, exclusiveStart: true, inclusiveEnd: true, limit: limit + 1 } as object;
        const found = [...docs.getRange(range)].map(({ key: [, id], value }): Row<D> => ({
          id,
          doc: docOf<D>(value),
          ...headOf(value),
        }));
        const rows = found.slice(0, limit);
        return {
          rows,
          next: found.length > limit ? (rows.at(-1)?.id ?? null) : null,
          checkpoint: checkpointOf(view),
        };
      });
    },

    async checkpoint(view) {
      return env.read(() => checkpointOf(view));
    },

    async commit(view, from, given, to) {
      if (from === undefined) await cleared(view); // of a drop that was cut short
      const found = env.read(() => checkpoints.getEntry(view));
      if ((found?.value ?? DROPPED) !== (from ?? DROPPED)) return 'stale';
      const rows = [...new Map(given.map((row) => [row.id, row])).values()].sort((a, b) =>
        a.id < b.id ? -1 : 1,
      ); // the last of an id counts
      const encoded = utf8Encoder();
      const changes: Change[] = [];
      for (let at = 0; at < rows.length; at += PREPARED_ROWS) {
        if (at > 0) await new Promise(setImmediate);
        changes.push(
          ...env.read(() => rows.slice(at, at + PREPARED_ROWS).map((row) => changing(view, row, encoded))),
        );
      }
      const committed = await env.writeIfVersion(checkpoints, view, found?.version, () => {
        write(view, changes);
        void checkpoints.put(view, to, (found?.version ?? 0) + 1);
      });
      if (!committed) return 'stale';
      watched.tell(view, given, to);
      return 'committed';
    },

    watch: watched.watch,

    async active(name) {
      return env.read(() => activation(name));
    },
    async activate(name, view) {
      return env.transaction(() => {
        const current = activation(name);
        const next = activationOf(current, view, checkpointOf(view), current && checkpointOf(current.view));
        if (next === 'behind') return 'behind';
        if (next !== current) void activations.put(name, JSON.stringify(next));
        return 'activated';
      });
    },
    async builds(name) {
      return env.read(() => {
        const marks = [...checkpoints.getRange({ start: `${name}@`, end: `${name}@${HIGHEST}` })];
        return marks.flatMap(({ key, value }): Build[] =>
          isPosition(value) ? [{ view: key, checkpoint: value }] : [],
        );
      });
    },
    async drop(view) {
      await env.transaction(() => {
        const current = activation(nameOf(view));
        const left = activationWithout(current, view);
        if (left && left !== current) void activations.put(nameOf(view), JSON.stringify(left));
        const { version } = checkpoints.getEntry(view) ?? {};
        if (version !== undefined) void checkpoints.put(view, DROPPING, version + 1);
      });
      await cleared(view);
    },

    async close() {
      await env.close();
    },
  };
};

/** Who waits for a row, or for any row of a view, and hears of it once it has changed: whoever has written it. */
import type { ChangeCursor, ReadStore, Row } from '../../ports/read-store.ts';
import type { Log } from '../../ports/system.ts';
import { nameOf } from '../retry.ts';

/** `row` undefined: look again, anything may have changed (another build is read, or changes could not be read). */
export type RowListener = (row: Row | undefined) => void;

export type ViewChanges = Readonly<{
  /** Hears of one row. Returns the way to stop. */
  ofRow(view: string, id: string, listener: RowListener): () => void;
  /** Hears of every row. */
  ofView(view: string, listener: RowListener): () => void;
}>;

const PAGE = 200;
/** Behind every row that a position has. */
const LAST_ID = '\u{10FFFF}';
const ALL = Symbol('all rows');

type Followed = {
  readonly listeners: Map<string | typeof ALL, Set<RowListener>>;
  cursor: ChangeCursor | undefined;
  reading: boolean;
  again: boolean;
  stop(): void;
};

/** Changes are read while somebody waits, once for all of them, and told to those alone whom they concern. */
export const createViewChanges = ({ reads, log }: Readonly<{ reads: ReadStore; log: Log }>): ViewChanges => {
  const followed = new Map<string, Followed>();

  const begin = async (name: string): Promise<ChangeCursor | undefined> => {
    const view = (await reads.active(name))?.view;
    const position = view === undefined ? undefined : await reads.checkpoint(view);
    return view === undefined || position === undefined ? undefined : { view, position, rowId: LAST_ID };
  };
  const tellAll = ({ listeners }: Followed): void => {
    for (const some of listeners.values()) for (const listener of some) listener(undefined);
  };
  const tell = ({ listeners }: Followed, row: Row): void => {
    for (const listener of listeners.get(row.id) ?? []) listener(row);
    for (const listener of listeners.get(ALL) ?? []) listener(row);
  };
  const readOn = async (name: string, mine: Followed): Promise<void> => {
    const active = (await reads.active(name))?.view;
    if (mine.cursor === undefined || mine.cursor.view !== active) {
      mine.cursor = await begin(name);
      tellAll(mine);
    }
    while (mine.cursor !== undefined && mine.listeners.size > 0) {
      const changes = await reads.changesSince(mine.cursor, PAGE);
      if (changes === 'restart') {
        mine.cursor = undefined;
        return tellAll(mine);
      }
      mine.cursor = changes.next;
      for (const row of changes.rows) tell(mine, row);
      if (changes.rows.length < PAGE) return;
    }
  };
  const read = async (name: string, mine: Followed): Promise<void> => {
    mine.again = true;
    if (mine.reading) return;
    mine.reading = true;
    while (mine.again && mine.listeners.size > 0) {
      mine.again = false;
      try {
        await readOn(name, mine);
      } catch (error) {
        log.warn(
          { view: name, error: nameOf(error) },
          'changes of a view cannot be read; who waits looks again',
        );
        mine.cursor = undefined;
        tellAll(mine);
      }
    }
    mine.reading = false;
  };

  const listen = (name: string, key: string | typeof ALL, listener: RowListener): (() => void) => {
    let mine = followed.get(name);
    if (!mine) {
      const fresh: Followed = {
        listeners: new Map(),
        cursor: undefined,
        reading: false,
        again: false,
        stop: reads.onChange(() => void read(name, fresh)),
      };
      followed.set(name, (mine = fresh));
    }
    const here = mine;
    const own: RowListener = (row) => listener(row); // the same function may listen twice
    const some = here.listeners.get(key) ?? new Set();
    here.listeners.set(key, some.add(own));
    // The first look only finds where to go on from: who listens reads for itself what is there now.
    if (here.cursor === undefined) void read(name, here);
    return () => {
      some.delete(own);
      if (some.size === 0 && here.listeners.get(key) === some) here.listeners.delete(key);
      if (here.listeners.size > 0 || followed.get(name) !== here) return;
      here.stop();
      followed.delete(name);
    };
  };

  return {
    ofRow: listen,
    ofView: (view, listener) => listen(view, ALL, listener),
  };
};

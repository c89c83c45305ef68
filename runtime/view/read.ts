/** Builds of a view by name, and reading a view, whichever build of it is the active one. */
import type { Find, Found, Projection, ReadStore, View } from '../../ports/read-store.ts';
import type { Clock } from '../../ports/system.ts';

type Named = Pick<Projection<never>, 'name' | 'version' | 'setting'>;

const codeName = ({ name, version, setting }: Named): string =>
  `${name}@${version}${setting === undefined ? '' : `(${setting})`}`;
export const viewName = (projection: Named, build = 1): View => `${codeName(projection)}+${build}`;
/** Whether `view` is a build of this very projection: name, version and setting. */
export const isBuildOf = (projection: Named, view: View): boolean =>
  view.slice(0, view.lastIndexOf('+')) === codeName(projection);
export const buildNumberOf = (view: View): number => Number(view.slice(view.lastIndexOf('+') + 1));

/** The view has no whole build that this version of the code can read: it is being built. */
export class ViewUnavailable extends Error {
  override readonly name = 'ViewUnavailable';
  readonly retriable = true;
  constructor(view: string) {
    super(`the view ${view} is being built`);
  }
}

/** `get` and `find` throw ViewUnavailable until there is a whole build to read. */
export interface ViewReader<D> {
  get(id: string): Promise<D | undefined>;
  /** Throws RangeError (of the read store) for a cursor that is none of this query's. */
  find(query: Find): Promise<Found<D>>;
  /**
   * The row once it is `enough`, at the latest after `waitMs`; undefined when it is not by then. Waits on
   * commits, does not poll.
   */
  waitFor(id: string, enough: (row: D) => boolean, waitMs: number): Promise<D | undefined>;
}

export const viewReader = <D>(
  reads: ReadStore,
  projection: Pick<Projection<D>, 'name' | 'version' | 'setting'>,
  clock: Clock,
): ViewReader<D> => {
  const readable = async (): Promise<View | undefined> => {
    const active = await reads.active(projection.name);
    return active && isBuildOf(projection, active.view) ? active.view : undefined;
  };
  const active = async (): Promise<View> => {
    const view = await readable();
    if (view === undefined) throw new ViewUnavailable(projection.name);
    return view;
  };
  const enoughNow = async (id: string, enough: (row: D) => boolean): Promise<D | undefined> => {
    const view = await readable();
    const row = view === undefined ? undefined : await reads.get<D>(view, id);
    return row !== undefined && enough(row) ? row : undefined;
  };
  return {
    get: async (id) => reads.get<D>(await active(), id),
    find: async (query) => reads.find<D>(await active(), query),
    async waitFor(id, enough, waitMs) {
      const late = new AbortController();
      let stop = (): void => undefined;
      const seen = new Promise<D | undefined>((resolve) => {
        stop = reads.watch(projection.name, (view, rows) => {
          if (!isBuildOf(projection, view)) return;
          const row = rows.find((r) => r.id === id)?.doc as D | null | undefined;
          if (row && enough(row)) resolve(row);
        });
      });
      try {
        // Watched first, then read: a commit between the two is not missed.
        const now = await enoughNow(id, enough);
        if (now !== undefined || waitMs <= 0) return now;
        const found = await Promise.race([seen, clock.sleep(waitMs, late.signal).then(() => undefined)]);
        return found ?? (await enoughNow(id, enough));
      } finally {
        stop();
        late.abort();
      }
    },
  };
};

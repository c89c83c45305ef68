/** Builds of a view by name, and reading a view, whichever build of it is the active one. */
import type { Projection } from '../../ports/projection.ts';
import type { Find, Found, ReadStore, View } from '../../ports/read-store.ts';
import type { Clock } from '../../ports/system.ts';
import { rest } from '../wake.ts';
import type { ViewChanges } from './changes.ts';

type Named = Pick<Projection<never>, 'name' | 'version' | 'setting'>;

/** Of a projection as the code has it: what its builds are called before their number. */
export const codeName = ({ name, version, setting }: Named): string =>
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
   * The row once it is `enough`, at the latest after `waitMs` or when `signal` aborts; undefined when it is not by then. Waits on
   * commits, does not poll.
   */
  waitFor(
    id: string,
    enough: (row: D) => boolean,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<D | undefined>;
}

/** Resolves when every one of these views has a whole build to read, at the latest after `waitMs`. */
export const readableSoon = async (
  { reads, clock }: Readonly<{ reads: ReadStore; clock: Clock }>,
  projections: readonly Named[],
  waitMs: number,
): Promise<void> => {
  const endsMs = clock.now().getTime() + waitMs;
  const resting = rest(clock);
  const stop = reads.onChange(resting.poke);
  const isReadable = async (projection: Named): Promise<boolean> => {
    const active = await reads.active(projection.name);
    return active !== undefined && isBuildOf(projection, active.view);
  };
  try {
    for (const projection of projections)
      while (!(await isReadable(projection))) {
        const leftMs = endsMs - clock.now().getTime();
        if (leftMs <= 0) return;
        await resting.sleep(leftMs);
      }
  } finally {
    stop();
  }
};

export const viewReader = <D>(
  { reads, changes, clock }: Readonly<{ reads: ReadStore; changes: ViewChanges; clock: Clock }>,
  projection: Pick<Projection<D>, 'name' | 'version' | 'setting'>,
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
    async waitFor(id, enough, waitMs, signal) {
      if (waitMs <= 0) return enoughNow(id, enough);
      const endsMs = clock.now().getTime() + waitMs;
      // A change while it reads cuts the next rest: a commit between the two is not missed.
      const resting = rest(clock);
      signal?.addEventListener('abort', resting.poke);
      const stop = changes.ofRow(projection.name, id, resting.poke);
      try {
        for (;;) {
          const now = await enoughNow(id, enough);
          const leftMs = endsMs - clock.now().getTime();
          if (now !== undefined || leftMs <= 0 || signal?.aborted) return now;
          await resting.sleep(leftMs);
        }
      } finally {
        stop();
        signal?.removeEventListener('abort', resting.poke);
      }
    },
  };
};

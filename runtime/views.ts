/** Reading a view, whichever build of it is the active one. */
import type { Find, Found, Projection, ReadStore, View } from '../ports/read-store.ts';
import type { Clock } from '../ports/system.ts';

export const viewName = ({ name, version }: Pick<Projection<never>, 'name' | 'version'>, build = 1): View => `${name}@${version}+${build}`;

export interface ViewReader<D> {
  get(id: string): Promise<D | undefined>;
  /** Throws BadCursor (of the read store) for a cursor that is none. */
  find(query: Find): Promise<Found<D>>;
  /** The row once it is `enough`, at the latest after `waitMs`; undefined when it is not by then. Waits on commits, does not poll. */
  waitFor(id: string, enough: (row: D) => boolean, waitMs: number): Promise<D | undefined>;
}

export const viewReader = <D>(reads: ReadStore, projection: Pick<Projection<D>, 'name' | 'version'>, clock: Clock): ViewReader<D> => {
  const active = async (): Promise<View> => (await reads.active(projection.name)) ?? viewName(projection);
  return {
    get: async (id) => reads.get<D>(await active(), id),
    find: async (query) => reads.find<D>(await active(), query),
    async waitFor(id, enough, waitMs) {
      const view = await active();
      const late = new AbortController();
      let stop = (): void => undefined;
      const seen = new Promise<D | undefined>((resolve) => {
        stop = reads.watch(view, (rows) => {
          const row = rows.find((r) => r.id === id)?.doc as D | null | undefined;
          if (row && enough(row)) resolve(row);
        });
      });
      try {
        // Watched first, then read: a commit between the two is not missed.
        const now = await reads.get<D>(view, id);
        if (now !== undefined && enough(now)) return now;
        if (waitMs <= 0) return undefined;
        const found = await Promise.race([seen, clock.sleep(waitMs, late.signal).then(() => undefined)]);
        if (found !== undefined) return found;
        const last = await reads.get<D>(view, id);
        return last !== undefined && enough(last) ? last : undefined;
      } finally {
        stop();
        late.abort();
      }
    },
  };
};

/** Two builds of a view held against each other, row by row, while the live one goes on. */
import type { Position } from '../../domain/kernel.ts';
import type { Projection } from '../../ports/projection.ts';
import type { Row, View } from '../../ports/read-store.ts';
import { jsonDifferences, type JsonDifference } from './json-difference.ts';
import { fill, type BuildDeps, type BuildOptions } from './rebuild.ts';

/**
 * `paths`: some of the places at which the two differ; `before` is the live view's value, `after` the
 * build's.
 */
export type Difference = Readonly<{
  id: string;
  kind: 'only in the live view' | 'only in the build' | 'different';
  paths: readonly JsonDifference[];
}>;
/**
 * `differences` counts all, `first` holds some. `unsettled`: rows that changed at every look (no difference
 * was shown).
 */
export type ViewComparison = Readonly<{
  live: View;
  build: View;
  rows: number;
  differences: number;
  unsettled: number;
  first: readonly Difference[];
}>;
export type CompareOptions = Pick<BuildOptions, 'pacer' | 'signal'> &
  Readonly<{ onProgress?(rows: number): void }>;

const CHUNK = 200;
const LISTED = 20;
const PATHS = 5;
const LOOKS = 20;

const compareRow = (id: string, live: Row | undefined, build: Row | undefined): Difference | undefined => {
  if (!live || !build)
    return live === build
      ? undefined
      : { id, kind: live ? 'only in the live view' : 'only in the build', paths: [] };
  const seen = (row: Row) => ({ doc: row.doc, columns: row.columns, at: row.at });
  if (JSON.stringify(seen(live)) === JSON.stringify(seen(build))) return undefined;
  const paths = jsonDifferences(seen(live), seen(build), PATHS);
  return paths.length === 0 ? undefined : { id, kind: 'different', paths };
};

/**
 * Goes through both in the order of ids. The build is brought to the very position at which a piece of the
 * live view was read, never past it, so that each pair of rows is compared at one moment of the log however
 * busy the shop is. `build` must not be ahead of `live`. Throws what `fill` throws.
 */
export const compareViews = async <D>(
  deps: BuildDeps,
  projection: Projection<D>,
  live: View,
  build: View,
  options: CompareOptions = {},
): Promise<ViewComparison> => {
  const { reads } = deps;
  const { onProgress, ...paced } = options;
  const first: Difference[] = [];
  let [rows, differences, unsettled] = [0, 0, 0];
  let reached = await reads.checkpoint(build);
  const bringTo = async (position: Position | undefined): Promise<void> => {
    if (position === undefined || (reached !== undefined && reached >= position)) return;
    await fill(deps, projection, build, { ...paced, to: position });
    reached = position;
  };
  const blame = (difference: Difference): void => {
    differences += 1;
    if (first.length < LISTED) first.push(difference);
  };
  const all = async (
    view: View,
    after: string | undefined,
    to: string | undefined,
  ): Promise<Map<string, Row>> => {
    const found = new Map<string, Row>();
    for (let from = after; ;) {
      const page = await reads.scan(view, {
        limit: CHUNK,
        ...(from === undefined ? {} : { after: from }),
        ...(to === undefined ? {} : { to }),
      });
      for (const row of page.rows) found.set(row.id, row);
      if (page.next === null) return found;
      from = page.next;
    }
  };
  /**
   * A row of a store that cannot show rows and checkpoint of one moment: looked at until both stand still.
   */
  const settle = async (id: string, after: string | undefined): Promise<void> => {
    for (let look = 0; look < LOOKS && !paced.signal?.aborted; look++) {
      const mine = (await all(live, after, id)).get(id);
      await bringTo(mine?.at);
      const theirs = (await all(build, after, id)).get(id);
      const difference = compareRow(id, mine, theirs);
      if (!difference) return;
      const checkpoint = await reads.checkpoint(live);
      if (
        (theirs === undefined || checkpoint === undefined || theirs.at <= checkpoint) &&
        mine?.at === theirs?.at
      )
        return blame(difference);
    }
    unsettled += 1;
  };

  for (let after: string | undefined, more = true; more && !paced.signal?.aborted;) {
    const page = await reads.scan<D>(live, { limit: CHUNK, ...(after === undefined ? {} : { after }) });
    await bringTo(page.checkpoint);
    const to = page.next === null ? undefined : page.rows.at(-1)?.id;
    const mine = new Map<string, Row>(page.rows.map((row) => [row.id, row]));
    const theirs = await all(build, after, to);
    for (const id of new Set([...mine.keys(), ...theirs.keys()])) {
      const [left, right] = [mine.get(id), theirs.get(id)];
      rows += 1;
      const difference = compareRow(id, left, right);
      if (!difference) continue;
      const moved =
        page.checkpoint === undefined ||
        (left && left.at > page.checkpoint) ||
        (right && right.at > page.checkpoint);
      if (moved) await settle(id, after);
      else blame(difference);
    }
    onProgress?.(rows);
    more = page.next !== null;
    after = page.next ?? undefined;
  }
  return { live, build, rows, differences, unsettled, first };
};

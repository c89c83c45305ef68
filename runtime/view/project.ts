/** Keeps a view up with the store: pages in, rows and checkpoint out, together. */
import type { Position } from '../../domain/kernel.ts';
import type { Projection } from '../../ports/projection.ts';
import type { View } from '../../ports/read-store.ts';
import type { Log } from '../../ports/system.ts';
import { follow, type Way } from '../feed/follow.ts';
import type { Held, Leased } from '../lease.ts';
import { createFolding, ProjectionFailed } from './folding.ts';
import type { Pacer } from './pacer.ts';
import { activateBuild, BuildRefused, nextBuild, type BuildDeps, type BuildProgress } from './rebuild.ts';
import { isBuildOf } from './read.ts';

/**
 * `standby`: another process keeps it up. `building`: no whole build can be read yet. `failed`: the event that the view could not fold, and why; that
 * view alone stands still there. `position`: up to where it has followed the store.
 */
export type ProjectionStatus = Readonly<{
  name: string;
  view: View | undefined;
  state: 'standby' | 'building' | 'running' | 'failed' | 'stopped';
  position: Position | undefined;
  building?: BuildProgress;
  failed?: Readonly<{ position: Position; type: string; stream: string; error: string }>;
}>;
export type RunningProjection = Readonly<{ status(): ProjectionStatus; close(): Promise<void> }>;
export type ProjectDeps = BuildDeps & Readonly<{ log: Log; pacer?: Pacer; leased: Leased }>;

const PAGE = 500;
/**
 * How long events that do not concern the view may stay unrecorded: a commit for each page of them would cost
 * more than reading them again.
 */
const EMPTY_COMMIT_MS = 1_000;
const STALE_MS = 100;

/**
 * Runs until `close()`. Follows the active build, also when another one is switched to; builds one first when
 * there is none that this code can read. A store that is away is waited for; an event that throws stops this
 * view in sight.
 */
export const runProjection = <D>(deps: ProjectDeps, projection: Projection<D>): RunningProjection => {
  const { store, reads, clock, log, pacer, leased } = deps;
  const { name, categories } = projection;
  const stop = new AbortController();
  const standby: ProjectionStatus = { name, view: undefined, state: 'standby', position: undefined };
  let status = standby;

  const isActive = async (view: View): Promise<boolean> => (await reads.active(name))?.view === view;

  const build = async ({ fence, signal }: Held): Promise<void> => {
    const previous = (await reads.active(name))?.previous;
    // Another version took the place of ours: gone back to, not built anew.
    const view =
      previous !== undefined && isBuildOf(projection, previous)
        ? previous
        : await nextBuild(reads, projection);
    status = { name, view, state: 'building', position: await reads.checkpoint(view) };
    const onProgress = (building: BuildProgress): void =>
      void (status = { ...status, position: building.position, building });
    try {
      await activateBuild(deps, projection, view, { fence, signal, onProgress, ...(pacer ? { pacer } : {}) });
    } catch (error) {
      // The live view runs ahead faster than this follows: it goes on where it is.
      if (!(error instanceof BuildRefused)) throw error;
      log.warn({ view, error: error.message }, 'a view is still being built');
    }
  };

  /** Along the active build, until another one is active or another process writes this one. */
  const along = async (view: View, { fence, signal }: Held): Promise<Way> => {
    const folding = createFolding(projection, (id) => reads.row<D>(view, id));
    let committed = await reads.checkpoint(view);
    let committedMs = clock.now().getTime();
    status = { name, view, state: 'running', position: committed };
    return {
      after: committed,
      async take({ scanned, events }) {
        if (!(await isActive(view))) return 'again';
        if (scanned === undefined || scanned === status.position) return 'on';
        await folding.take(events);
        if (events.length > 0 || clock.now().getTime() - committedMs >= EMPTY_COMMIT_MS) {
          const commit = { from: committed, rows: folding.rows(), to: scanned, fence };
          if ((await reads.commit(view, commit)) === 'stale') {
            // Another process keeps it up by now, which this one is to hear of: not a thousand times until then.
            await clock.sleep(STALE_MS, signal);
            return 'again';
          }
          committed = scanned;
          committedMs = clock.now().getTime();
          // Switched while this was being written: the new build may lack these events, and waits for nobody
          // else.
          if (!(await isActive(view))) return 'again';
        }
        status = { ...status, position: scanned };
        return 'on';
      },
    };
  };
  const begin = async (held: Held): Promise<Way | undefined> => {
    const active = await reads.active(name);
    if (active && isBuildOf(projection, active.view)) return along(active.view, held);
    await build(held);
    return undefined;
  };
  const standStill = (error: unknown): void => {
    const at = error instanceof ProjectionFailed ? error.event : undefined;
    const failed = {
      position: at?.position ?? status.position ?? ('' as Position),
      type: at?.type ?? '',
      stream: at?.stream ?? '',
      error: error instanceof Error ? error.message : String(error),
    };
    status = { ...status, state: 'failed', failed };
    log.error({ view: status.view, ...failed }, 'a view stands still: it could not go on');
  };

  const keepUp = async (held: Held): Promise<void> => {
    const { signal } = held;
    await follow(
      { store, clock, log, who: { view: name }, filter: { categories }, pageSize: PAGE, signal },
      () => begin(held),
    );
    status = standby;
  };
  const run = async (): Promise<void> => {
    try {
      await leased(`view:${name}`, stop.signal, keepUp);
      status = { ...status, state: 'stopped' };
    } catch (error) {
      // Trying again would change nothing: an event that cannot be folded, a row that cannot be kept, a bug.
      standStill(error);
    }
  };
  const running = run();
  return {
    status: () => status,
    async close() {
      stop.abort();
      await running;
    },
  };
};

/** Keeps a view up with the store: pages in, rows and checkpoint out, together. */
import type { Position } from '../../domain/kernel.ts';
import type { Projection, View } from '../../ports/read-store.ts';
import type { Log } from '../../ports/system.ts';
import { createFolding, ProjectionFailed } from './folding.ts';
import type { Pacer } from './pacer.ts';
import { activateBuild, nextBuild, type BuildDeps, type BuildProgress } from './rebuild.ts';
import { isBuildOf } from './read.ts';

/**
 * `building`: no whole build can be read yet. `failed`: the event that the view could not fold, and why; that
 * view alone stands still there. `position`: up to where it has followed the store.
 */
export type ProjectionStatus = Readonly<{
  name: string;
  view: View | undefined;
  state: 'building' | 'running' | 'failed' | 'stopped';
  position: Position | undefined;
  building?: BuildProgress;
  failed?: Readonly<{ position: Position; type: string; stream: string; error: string }>;
}>;
export type RunningProjection = Readonly<{ status(): ProjectionStatus; close(): Promise<void> }>;
export type ProjectDeps = BuildDeps & Readonly<{ log: Log; pacer?: Pacer }>;

const PAGE = 500;
const RETRY_MS = 1_000;
/**
 * How long events that do not concern the view may stay unrecorded: a commit for each page of them would cost
 * more than reading them again.
 */
const EMPTY_COMMIT_MS = 1_000;

/**
 * Runs until `close()`. Follows the active build, also when another one is switched to; builds one first when
 * there is none that this code can read. A store that is away is waited for; an event that throws stops this
 * view in sight.
 */
export const runProjection = <D>(deps: ProjectDeps, projection: Projection<D>): RunningProjection => {
  const { store, reads, clock, log, pacer } = deps;
  const { name, categories } = projection;
  const stop = new AbortController();
  const { signal } = stop;
  let status: ProjectionStatus = { name, view: undefined, state: 'building', position: undefined };

  const isActive = async (view: View): Promise<boolean> => (await reads.active(name))?.view === view;

  const build = async (): Promise<void> => {
    const view = await nextBuild(reads, projection);
    status = { name, view, state: 'building', position: await reads.checkpoint(view) };
    const onProgress = (building: BuildProgress): void =>
      void (status = { ...status, position: building.position, building });
    await activateBuild(deps, projection, view, { signal, onProgress, ...(pacer ? { pacer } : {}) });
  };

  /** Returns when another build is active or another process writes this one. */
  const follow = async (view: View): Promise<void> => {
    const folding = createFolding(projection, (id) => reads.get<D>(view, id));
    let committed = await reads.checkpoint(view);
    let committedMs = clock.now().getTime();
    let at = committed;
    status = { name, view, state: 'running', position: at };
    const commit = async (): Promise<boolean> => {
      if (at === undefined || at === committed) return true;
      if ((await reads.commit(view, committed, folding.rows(), at)) === 'stale') return false;
      committed = at;
      committedMs = clock.now().getTime();
      return true;
    };
    for await (const { scanned, events } of store.subscribe(at, { categories, limit: PAGE, signal })) {
      if (!(await isActive(view))) return;
      if (scanned === undefined || scanned === at) continue;
      await folding.take(events);
      at = scanned;
      if (events.length > 0 || clock.now().getTime() - committedMs >= EMPTY_COMMIT_MS) {
        if (!(await commit())) return;
        // Switched while this was being written: the new build may lack these events, and waits for nobody
        // else.
        if (!(await isActive(view))) return;
      }
      status = { ...status, position: at };
    }
    await commit();
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const active = await reads.active(name);
        if (active && isBuildOf(projection, active.view)) await follow(active.view);
        else await build();
        continue;
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof ProjectionFailed) {
          const { position, type, stream } = error.event;
          status = { ...status, state: 'failed', failed: { position, type, stream, error: error.message } };
          log.error(
            { view: status.view, position, type, stream, error: error.message },
            'a view stands still: it could not fold an event',
          );
          return;
        }
        if (error instanceof RangeError) {
          // A row that the read store cannot keep (a key that is too long): trying again would change
          // nothing.
          status = {
            ...status,
            state: 'failed',
            failed: {
              position: status.position ?? ('' as Position),
              type: '',
              stream: '',
              error: error.message,
            },
          };
          log.error(
            { view: status.view, error: error.message },
            'a view stands still: a row of it cannot be kept',
          );
          return;
        }
        log.warn({ view: status.view, error: String(error) }, 'a view could not go on; trying again');
      }
      await clock.sleep(RETRY_MS, signal);
    }
    status = { ...status, state: 'stopped' };
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

/** What is asked about a view's builds, carried out by one process and seen from all. */
import type { Control, Controls } from '../../ports/controls.ts';
import type { Projection } from '../../ports/projection.ts';
import type { View } from '../../ports/read-store.ts';
import type { Log } from '../../ports/system.ts';
import { carryOut } from '../control.ts';
import type { Held, Leased } from '../lease.ts';
import { isRetriable } from '../retry.ts';
import { rest } from '../wake.ts';
import { compareViews, type ViewComparison } from './compare.ts';
import { createPacer, type Pacer } from './pacer.ts';
import { codeName, isBuildOf } from './read.ts';
import {
  activateBuild,
  BuildRefused,
  catchUp,
  fill,
  nextBuild,
  rollBack,
  unfinishedBuild,
  type BuildDeps,
  type BuildOptions,
  type BuildProgress,
  type Switched,
} from './rebuild.ts';

/**
 * 'rebuild' fills the build that was begun, or the next one (`restart`: what was begun is dropped); `compare`: then goes
 * through it and the live one; `activate`: then switches to it, where they were compared only if nothing differs; `drop`:
 * takes it away when they have been compared. `share`: of the process's time, where not its own.
 */
export type BuildRequest = Readonly<{
  do: 'rebuild' | 'activate' | 'roll back';
  restart?: boolean;
  compare?: boolean;
  activate?: boolean;
  drop?: boolean;
  share?: number;
}>;
/**
 * How far it is, as the control's progress. `filling`: of what is filled, `built`: of the build when it was; `rows`: compared so far; `why`: it
 * was refused or has failed.
 */
export type BuildState = Readonly<{
  state: 'asked' | 'building' | 'comparing' | 'switching' | 'done' | 'refused' | 'failed' | 'stopped';
  view?: View;
  filling?: BuildProgress;
  built?: BuildProgress;
  rows?: number;
  comparison?: ViewComparison;
  switched?: Switched;
  why?: Readonly<{ code: BuildRefused['code'] | 'failed'; sentence: string }>;
}>;
/** What is audited: of `control`, each once. */
export type BuildEntry = Readonly<{ control: Control }> &
  (Readonly<{ type: 'started'; view: View }> | (Readonly<{ type: 'activated' | 'rolled back' }> & Switched));

/** Of a view as this version of the code has it: another version's builds are for processes that have that. */
export const buildTarget = (projection: Parameters<typeof codeName>[0]): string =>
  `view:${codeName(projection)}`;
export const buildState = (control: Control): BuildState =>
  (control.progress as BuildState | undefined) ?? { state: 'asked' };

export type BuilderDeps = BuildDeps &
  Readonly<{
    controls: Controls;
    leased: Leased;
    pacer: Pacer;
    log: Log;
    audit(entry: BuildEntry): Promise<void>;
  }>;

const TELL_EVERY_MS = 250;

/** Where it was left, it goes on. */
const carry = async (
  deps: BuilderDeps,
  projection: Projection<never>,
  control: Control,
  held: Held,
): Promise<void> => {
  const { controls, reads, clock, log, audit } = deps;
  const request = control.what as BuildRequest;
  const stop = new AbortController();
  const signal = AbortSignal.any([held.signal, stop.signal]);
  let state = buildState(control);
  let toldMs = 0;
  let telling: Promise<unknown> = Promise.resolve();

  const report = async (endedAt?: string): Promise<void> => {
    toldMs = clock.now().getTime();
    const told = { progress: state, ...(endedAt === undefined ? {} : { endedAt }) };
    // Somebody has ended it, or another process holds the lease by now.
    if ((await controls.report(control.id, told, held.fence)) === 'refused') stop.abort();
  };
  const tell = (change: Partial<BuildState>): Promise<void> => {
    state = { ...state, ...change };
    return report();
  };
  /** Now and then, and without holding up the work. */
  const tellSome = (change: Partial<BuildState>): void => {
    state = { ...state, ...change };
    if (clock.now().getTime() - toldMs < TELL_EVERY_MS) return;
    toldMs = clock.now().getTime();
    telling = telling.then(() => (stop.signal.aborted ? undefined : report())).catch(() => undefined);
  };
  const options: BuildOptions = {
    pacer: request.share === undefined ? deps.pacer : createPacer(clock, request.share),
    signal,
    onProgress: (filling) => tellSome({ filling }),
  };
  const over = (): boolean => signal.aborted;

  /** Brought to the tail; one of another version stands where those who have its code have brought it. */
  const liveView = async (): Promise<View> => {
    const active = await reads.active(projection.name);
    return active && !isBuildOf(projection, active.view) ? active.view : catchUp(deps, projection, options);
  };
  const rebuild = async (): Promise<void> => {
    const view = state.view ?? (await nextBuild(reads, projection, request.restart === true));
    await audit({ control, type: 'started', view });
    await tell({ state: 'building', view });
    const live = request.compare ? await liveView() : undefined;
    const to = live === undefined ? undefined : await reads.checkpoint(live);
    if (!over()) await fill(deps, projection, view, { ...options, ...(to === undefined ? {} : { to }) });
    if (state.filling?.view === view) state = { ...state, built: state.filling };
    if (live !== undefined && !over()) {
      await tell({ state: 'comparing' });
      const onProgress = (rows: number): void => tellSome({ rows });
      const comparison = await compareViews(deps, projection, live, view, { ...options, onProgress });
      if (over()) return;
      await tell({ comparison });
      if (request.drop) await reads.drop(view);
    }
    if (request.activate && !over() && (state.comparison?.differences ?? 0) === 0) await activate(view);
  };
  /** `to` is told of before: who goes on after a crash sees whether it is done. */
  const switching = async (
    type: 'activated' | 'rolled back',
    to: View | undefined,
    work: () => Promise<Switched>,
  ): Promise<void> => {
    await tell({ state: 'switching', ...(to === undefined ? {} : { view: to }) });
    const active = await reads.active(projection.name);
    const switched =
      active && active.view === to ? { view: active.view, previous: active.previous } : await work();
    await audit({ control, type, ...switched });
    await tell({ view: switched.view, switched });
  };
  const activate = (view: View | undefined): Promise<void> =>
    switching('activated', view, () => activateBuild(deps, projection, view, options));
  const goBack = async (): Promise<void> => {
    const to = state.view ?? (await reads.active(projection.name))?.previous;
    await switching('rolled back', to, () => rollBack(deps, projection, options));
  };
  const finish = async (change: BuildState): Promise<void> => {
    await telling;
    if (over()) return;
    state = { ...state, ...change };
    await report(clock.now().toISOString());
  };

  try {
    if (request.do === 'rebuild') await rebuild();
    else if (request.do === 'activate')
      await activate(state.view ?? (await unfinishedBuild(reads, projection)));
    else await goBack();
    await finish({ state: 'done' });
  } catch (error) {
    if (over()) return;
    if (error instanceof BuildRefused)
      return await finish({ state: 'refused', why: { code: error.code, sentence: error.message } });
    if (isRetriable(error)) throw error;
    const sentence = error instanceof Error ? error.message : String(error);
    log.error({ view: state.view ?? projection.name, error: sentence }, 'a build of a view was given up');
    await finish({ state: 'failed', why: { code: 'failed', sentence } });
  }
};

/**
 * Carries out what is asked about builds of these views, each in the process that holds its lease, until `close`. What a
 * process that was killed had begun, the next one goes on with.
 */
export const runBuilder = (
  deps: BuilderDeps,
  projections: readonly Projection<never>[],
): Readonly<{ close(): Promise<void> }> => {
  const { controls, leased, clock, log } = deps;
  const stop = new AbortController();
  const building = projections.map((projection) =>
    leased(`build:${codeName(projection)}`, stop.signal, (held) =>
      carryOut({
        controls,
        log,
        halt: held.signal,
        looking: rest(clock),
        targets: () => [buildTarget(projection)],
        act: (control) => carry(deps, projection, control, held),
      }),
    ),
  );
  return {
    async close() {
      stop.abort();
      await Promise.all(building);
    },
  };
};

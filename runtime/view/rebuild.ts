/** Builds of a view: filled beside the live one, switched to, gone back to, thrown away. */
import type { Position } from '../../domain/kernel.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Distance } from '../feed/store-feed.ts';
import type { Fence } from '../../ports/lease.ts';
import type { Projection } from '../../ports/projection.ts';
import type { ReadStore, View } from '../../ports/read-store.ts';
import type { Clock } from '../../ports/system.ts';
import { createFolding } from './folding.ts';
import { createIdFilter } from './id-filter.ts';
import { createPacer, type Pacer } from './pacer.ts';
import { buildNumberOf, isBuildOf, viewName } from './read.ts';

/**
 * `distance`: events between two positions, for a store that numbers them without gaps; then totals and times
 * left are known.
 */
export type BuildDeps = Readonly<{
  store: EventStore;
  reads: ReadStore;
  clock: Clock;
  distance?: Distance | undefined;
}>;

/**
 * `events`: passed since this run began; `total`: all that there are, `left`: of them still to come;
 * undefined where nobody can know.
 */
export type BuildProgress = Readonly<{
  view: View;
  position: Position | undefined;
  events: number;
  total: number | undefined;
  left: number | undefined;
  eventsPerSecond: number;
  secondsLeft: number | undefined;
}>;
/**
 * `to`: how far (the tail unless given); `pacer`: how much of the process's time it may take (all unless
 * given).
 */
export type BuildOptions = Readonly<{
  to?: Position;
  pacer?: Pacer;
  signal?: AbortSignal;
  fence?: Fence;
  onProgress?(progress: BuildProgress): void;
}>;

/** Another process writes the same build, or has dropped it. */
export class BuildTaken extends Error {
  override readonly name = 'BuildTaken';
  /** What it found will have changed by then. */
  readonly retriable = true;
  constructor(view: View) {
    super(`another process is filling or has dropped ${view}: let it finish, then look again`);
  }
}
/** A view cannot be switched, and why; `code` for programs. */
export class BuildRefused extends Error {
  override readonly name = 'BuildRefused';
  readonly code: 'no_build' | 'build_unfinished' | 'build_running' | 'no_previous_build' | 'version_gone';
  constructor(code: BuildRefused['code'], sentence: string) {
    super(sentence);
    this.code = code;
  }
}

/** Alone, large commits are fastest; beside checkouts, short pieces of work keep their latency low. */
const ALONE = { rows: 2_000, events: 10_000, page: 500 };
const BESIDE = { rows: 250, events: 2_000, page: 100 };
/** Switching waits for the build to reach the live view this often. */
const SWITCH_TRIES = 1_000;

/**
 * Folds events into `view` until `to`, or the tail as it is when it gets there. Goes on where the build's
 * checkpoint is, so a killed build loses at most its last batch. While a batch is on its way to disk the next
 * one is folded. Throws ProjectionFailed, BuildTaken, StoreUnavailable. Answers where it has come to; stops
 * early when `signal` aborts.
 */
export const fill = async <D>(
  { store, reads, clock, distance }: BuildDeps,
  projection: Projection<D>,
  view: View,
  options: BuildOptions = {},
): Promise<Position | undefined> => {
  const { to, signal, fence, onProgress } = options;
  await reads.make(view, projection);
  const pacer = options.pacer ?? createPacer(clock, 1);
  const bounds = pacer.share === 1 ? ALONE : BESIDE;
  const start = await reads.checkpoint(view);
  // A build from the first event on holds what this wrote, and a row that it did not write need not be looked for. One
  // that a crash has left there is no other than this one will be.
  const written = start === undefined ? createIdFilter() : undefined;
  const folding = createFolding(projection, async (id) =>
    written && !written.mayHave(id) ? undefined : reads.row<D>(view, id),
  );
  const startedMs = clock.now().getTime();
  let committed = start;
  let at = start;
  let events = 0;
  let unwritten = 0;
  let writing: Promise<'committed' | 'stale'> | undefined;

  const report = (tail: Position | undefined): void => {
    if (!onProgress) return;
    const passed = distance && at !== undefined ? distance(start, at) : events;
    const seconds = (clock.now().getTime() - startedMs) / 1000;
    const left = distance && tail !== undefined ? Math.max(0, distance(at, tail)) : undefined;
    const eventsPerSecond = seconds > 0 ? passed / seconds : 0;
    onProgress({
      view,
      position: at,
      events: passed,
      left,
      eventsPerSecond,
      total:
        left === undefined || !distance ? undefined : left + (at === undefined ? 0 : distance(undefined, at)),
      secondsLeft: left === undefined || eventsPerSecond === 0 ? undefined : left / eventsPerSecond,
    });
  };
  const landed = async (): Promise<void> => {
    if ((await writing) === 'stale') throw new BuildTaken(view);
    writing = undefined;
  };
  const write = async (): Promise<void> => {
    await landed();
    if (at === undefined || at === committed) return;
    const rows = folding.rows();
    if (written) for (const { id } of rows) written.add(id);
    writing = reads.commit(view, { from: committed, rows, to: at, ...(fence ? { fence } : {}) });
    // It is awaited before the next one; until then a failure must not count as unhandled.
    writing.catch(() => undefined);
    committed = at;
    unwritten = 0;
  };

  let tail = to ?? (await store.tail());
  for (let done = tail === undefined || (at !== undefined && at >= tail); !done && !signal?.aborted;) {
    await pacer.slice(async () => {
      const page = await store.readAll(at, { categories: projection.categories, limit: bounds.page });
      const wanted =
        to === undefined || page.scanned === undefined || page.scanned <= to
          ? page.events
          : page.events.filter(({ position }) => position <= to);
      await folding.take(wanted);
      events += wanted.length;
      unwritten += wanted.length;
      at = page.scanned !== undefined && to !== undefined && page.scanned > to ? to : (page.scanned ?? at);
      done = page.atTail || (to !== undefined && at !== undefined && at >= to);
      if (folding.waiting() >= bounds.rows || unwritten >= bounds.events) await write();
    }, signal);
    if (to === undefined) tail = await store.tail();
    report(tail);
  }
  await write();
  await landed();
  return at;
};

const buildsOf = async (reads: ReadStore, projection: Projection<never>): Promise<readonly View[]> =>
  (await reads.builds(projection.name))
    .map(({ view }) => view)
    .filter((view) => isBuildOf(projection, view))
    .sort((a, b) => buildNumberOf(b) - buildNumberOf(a));

const as = <D>(projection: Projection<D>): Projection<never> => projection as unknown as Projection<never>;

/** The build that is neither live nor kept for going back: begun, and not switched to yet. */
export const unfinishedBuild = async <D>(
  reads: ReadStore,
  projection: Projection<D>,
): Promise<View | undefined> => {
  const active = await reads.active(projection.name);
  return (await buildsOf(reads, as(projection))).find(
    (view) => view !== active?.view && view !== active?.previous,
  );
};

/** The build to fill: the one that was begun, else a new one. `restart`: what was begun is dropped first. */
export const nextBuild = async <D>(
  reads: ReadStore,
  projection: Projection<D>,
  restart = false,
): Promise<View> => {
  const begun = await unfinishedBuild(reads, projection);
  if (begun !== undefined && !restart) return begun;
  if (begun !== undefined) await reads.drop(begun);
  const active = await reads.active(projection.name);
  const taken = [...(await buildsOf(reads, as(projection))), active?.view, active?.previous].filter(
    (view) => view !== undefined && isBuildOf(projection, view),
  );
  return viewName(projection, Math.max(0, ...taken.map((view) => buildNumberOf(view as View))) + 1);
};

const switchTo = async <D>(
  deps: BuildDeps,
  projection: Projection<D>,
  view: View,
  options: BuildOptions,
): Promise<void> => {
  for (let tries = 0; tries < SWITCH_TRIES; tries++) {
    const seen = await deps.reads.active(projection.name);
    await fill(deps, projection, view, options);
    // Behind by what has come meanwhile: readers must not see the past.
    if ((await deps.reads.activate(projection.name, view, seen)) === 'activated') return;
    if (options.signal?.aborted)
      throw new BuildRefused('build_unfinished', `${view} was stopped before it had caught up`);
  }
  throw new BuildRefused(
    'build_unfinished',
    `${view} does not catch up with the live view; try again when there is less to do`,
  );
};

export type Switched = Readonly<{ view: View; previous: View | undefined }>;

/**
 * Brings the build that was begun to where the live view is and switches all readers to it at once. The one
 * before is kept for `rollBack`, older builds are dropped. Throws BuildRefused ('no_build').
 */
export const activateBuild = async <D>(
  deps: BuildDeps,
  projection: Projection<D>,
  view?: View,
  options: BuildOptions = {},
): Promise<Switched> => {
  const { reads } = deps;
  const build = view ?? (await unfinishedBuild(reads, projection));
  if (build === undefined)
    throw new BuildRefused('no_build', `${projection.name} has no build to switch to: rebuild it first`);
  await switchTo(deps, projection, build, options);
  const active = await reads.active(projection.name);
  for (const other of await reads.builds(projection.name))
    if (other.view !== active?.view && other.view !== active?.previous) await reads.drop(other.view);
  return { view: build, previous: active?.previous };
};

/** Brings the build that was live before up to the live one and switches back to it. Throws BuildRefused. */
export const rollBack = async <D>(
  deps: BuildDeps,
  projection: Projection<D>,
  options: BuildOptions = {},
): Promise<Switched> => {
  const active = await deps.reads.active(projection.name);
  if (active?.previous === undefined)
    throw new BuildRefused('no_previous_build', `${projection.name} has no build to go back to.`);
  const { previous } = active;
  if (!isBuildOf(projection, previous))
    throw new BuildRefused(
      'version_gone',
      `${previous} was built by code that this version does not have: start the version that has it, which goes back by itself.`,
    );
  await switchTo(deps, projection, previous, options);
  return { view: previous, previous: active.view };
};

/**
 * Brings the live view to the tail; where there is none that this code can read, builds it and switches to
 * it.
 */
export const catchUp = async <D>(
  deps: BuildDeps,
  projection: Projection<D>,
  options: BuildOptions = {},
): Promise<View> => {
  const { reads } = deps;
  for (;;) {
    const active = await reads.active(projection.name);
    if (!active || !isBuildOf(projection, active.view))
      return (await activateBuild(deps, projection, await nextBuild(reads, projection), options)).view;
    try {
      await fill(deps, projection, active.view, options);
      return active.view;
    } catch (error) {
      // The server that keeps this view has moved it on; go on from there.
      if (!(error instanceof BuildTaken)) throw error;
    }
  }
};

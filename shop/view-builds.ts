/** Views as operators see and switch them: what each is, the build beside it, and who did what to it. */
import type { Actor, EventEnvelope, Position } from '../domain/kernel.ts';
import type { Projection } from '../ports/projection.ts';
import type { Log } from '../ports/system.ts';
import type { Presence } from '../runtime/presence.ts';
import type { Pacer } from '../runtime/view/pacer.ts';
import {
  activateBuild,
  BuildRefused,
  fill,
  nextBuild,
  rollBack,
  unfinishedBuild,
  type BuildDeps,
  type BuildProgress,
  type Switched,
} from '../runtime/view/rebuild.ts';
import type { RecordOperation } from './operations-log.ts';
import { isBuildOf } from '../runtime/view/read.ts';
import { viewIn } from './overview.ts';

/**
 * A build that is neither live nor kept to go back to. `begun`: by another process, or left by one that was
 * killed. `share`: of the way, 0 to 1.
 */
export type BuildReport = Readonly<{
  view: string;
  state: 'building' | 'ready' | 'failed' | 'begun';
  position: string | null;
  share: number | null;
  eventsPerSecond: number | null;
  secondsLeft: number | null;
  error?: string;
}>;
/**
 * How one view is doing. `view`: the build that readers see, null until there is one; `previous`: what a
 * roll-back goes to.
 */
export type ViewReport = Readonly<{
  name: string;
  view: string | null;
  previous: string | null;
  state: 'standby' | 'building' | 'running' | 'failed' | 'stopped';
  position: string | null;
  lag: Readonly<{ events: number; seconds: number }>;
  failed?: Readonly<{ position: string; type: string; stream: string; error: string }>;
  build?: BuildReport;
}>;
export type SwitchedView = Readonly<{ name: string; view: string; previous: string | null }>;

/**
 * Each answers undefined for a name that no view has; throws BuildRefused where the builds do not allow it.
 * Audited by whoever implements this.
 */
export interface ViewOperations {
  list(): Promise<readonly ViewReport[]>;
  /** Begins to fill the next build, or goes on with the one that was begun; answers at once. */
  rebuild(name: string, actor: Actor): Promise<BuildReport | undefined>;
  activate(name: string, actor: Actor): Promise<SwitchedView | undefined>;
  rollBack(name: string, actor: Actor): Promise<SwitchedView | undefined>;
}
export type ViewBuildsDeps = BuildDeps &
  Readonly<{
    projections: readonly Projection<never>[];
    /** What every process does. */
    present(): Promise<readonly Presence[]>;
    record: RecordOperation;
    newId(): string;
    pacer: Pacer;
    log: Log;
  }>;
export type ViewBuilds = ViewOperations & Readonly<{ close(): Promise<void> }>;

type Filling = { report: BuildReport; readonly stop: AbortController; done: Promise<void> };

/** A build that has this much still to read is not near enough to be brought up while somebody waits. */
const NEAR_EVENTS = 20_000;
const WHY = 'asked for by an operator';

const reportOf = ({
  view,
  position,
  total,
  left,
  eventsPerSecond,
  secondsLeft,
}: BuildProgress): BuildReport => ({
  view,
  state: 'building',
  position: position ?? null,
  eventsPerSecond: Math.round(eventsPerSecond),
  secondsLeft: secondsLeft === undefined ? null : Math.ceil(secondsLeft),
  share: total === undefined || left === undefined || total === 0 ? null : (total - left) / total,
});

export const createViewBuilds = (deps: ViewBuildsDeps): ViewBuilds => {
  const { store, reads, clock, distance, projections, present, record, newId, pacer, log } = deps;
  const filling = new Map<string, Filling>();
  const named = (name: string): Projection<never> | undefined =>
    projections.find((projection) => projection.name === name);

  const lagOf = async (
    position: Position | undefined,
    categories: readonly string[],
  ): Promise<ViewReport['lag']> => {
    const {
      events: [first],
      scanned,
    } = await store.readAll(position, { categories, limit: 1 });
    if (!first) return { events: 0, seconds: 0 };
    const tail = (await store.tail()) ?? scanned;
    return { events: distance && tail !== undefined ? distance(position, tail) : 1, seconds: ageOf(first) };
  };
  const ageOf = (event: EventEnvelope): number =>
    Math.max(0, (clock.now().getTime() - Date.parse(event.meta.recordedAt)) / 1000);

  const buildReport = async (projection: Projection<never>): Promise<BuildReport | undefined> => {
    const here = filling.get(projection.name);
    const view = await unfinishedBuild(reads, projection);
    if (
      here &&
      (here.report.state === 'building' || here.report.state === 'failed' || here.report.view === view)
    )
      return here.report;
    if (view === undefined) return undefined;
    const [position, tail] = [await reads.checkpoint(view), await store.tail()];
    const share =
      distance && position !== undefined && tail !== undefined
        ? Math.min(1, distance(undefined, position) / distance(undefined, tail))
        : null;
    return {
      view,
      state: 'begun',
      position: position ?? null,
      share,
      eventsPerSecond: null,
      secondsLeft: null,
    };
  };

  const reportView = async (
    projection: Projection<never>,
    processes: readonly Presence[],
  ): Promise<ViewReport> => {
    const { name, categories } = projection;
    const here = viewIn(processes, name);
    const active = await reads.active(name);
    const readable = active && isBuildOf(projection, active.view) ? active : undefined;
    const position = here?.position ?? (readable ? await reads.checkpoint(readable.view) : undefined);
    const build: BuildReport | undefined =
      here?.state === 'building' && here.building ? reportOf(here.building) : await buildReport(projection);
    return {
      name,
      view: readable?.view ?? null,
      previous: readable?.previous ?? null,
      state: here?.state ?? 'stopped',
      position: position ?? null,
      lag: await lagOf(position, categories),
      ...(here?.failed ? { failed: here.failed } : {}),
      ...(build ? { build } : {}),
    };
  };

  const begin = async (projection: Projection<never>, actor: Actor): Promise<BuildReport> => {
    const view = await nextBuild(reads, projection);
    const stop = new AbortController();
    const mine: Filling = {
      report: {
        view,
        state: 'building',
        position: (await reads.checkpoint(view)) ?? null,
        share: null,
        eventsPerSecond: null,
        secondsLeft: null,
      },
      stop,
      done: Promise.resolve(),
    };
    filling.set(projection.name, mine);
    await record({ type: 'ViewRebuildStarted', data: { view, why: WHY } }, actor, newId());
    mine.done = fill(deps, projection, view, {
      pacer,
      signal: stop.signal,
      onProgress: (progress) => void (mine.report = reportOf(progress)),
    }).then(
      (position) =>
        void (mine.report = stop.signal.aborted
          ? { ...mine.report, state: 'begun' }
          : { ...mine.report, state: 'ready', position: position ?? null, share: 1, secondsLeft: 0 }),
      (error: unknown) => {
        mine.report = {
          ...mine.report,
          state: 'failed',
          error: error instanceof Error ? error.message : String(error),
        };
        log.error({ view, error: String(error) }, 'a build of a view was given up');
      },
    );
    return mine.report;
  };

  const switched = async (
    name: string,
    actor: Actor,
    type: 'ViewActivated' | 'ViewRolledBack',
    work: (projection: Projection<never>) => Promise<Switched>,
  ) => {
    const projection = named(name);
    if (!projection) return undefined;
    const { view, previous } = await work(projection);
    const data = { view, why: WHY };
    await record(
      type === 'ViewActivated'
        ? { type, data: { ...data, ...(previous === undefined ? {} : { previous }) } }
        : { type, data: { ...data, previous: previous ?? '' } },
      actor,
      newId(),
    );
    return { name, view, previous: previous ?? null };
  };

  return {
    async list() {
      const processes = await present();
      return Promise.all(projections.map((projection) => reportView(projection, processes)));
    },
    async rebuild(name, actor) {
      const projection = named(name);
      if (!projection) return undefined;
      const here = filling.get(name);
      return here?.report.state === 'building' ? here.report : begin(projection, actor);
    },
    activate: (name, actor) =>
      switched(name, actor, 'ViewActivated', async (projection) => {
        if (filling.get(name)?.report.state === 'building')
          throw new BuildRefused(
            'build_running',
            `${name} is still being built: GET /ops/projections says how long it takes.`,
          );
        const view = await unfinishedBuild(reads, projection);
        const [position, tail] = view === undefined ? [] : [await reads.checkpoint(view), await store.tail()];
        if (distance && tail !== undefined && distance(position, tail) > NEAR_EVENTS)
          throw new BuildRefused(
            'build_unfinished',
            `${view} has ${distance(position, tail)} events still to read: rebuild goes on with it.`,
          );
        const done = await activateBuild(deps, projection, view);
        filling.delete(name);
        return done;
      }),
    rollBack: (name, actor) =>
      switched(name, actor, 'ViewRolledBack', (projection) => rollBack(deps, projection)),
    async close() {
      for (const { stop } of filling.values()) stop.abort();
      await Promise.all([...filling.values()].map(({ done }) => done));
    },
  };
};

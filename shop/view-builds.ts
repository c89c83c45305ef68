/** Views as operators see and steer them: what each is, the build beside it, and who did what to it. */
import type { EventEnvelope, Position } from '../domain/kernel.ts';
import type { Control, Controls } from '../ports/controls.ts';
import type { Projection } from '../ports/projection.ts';
import { askFor } from '../runtime/control.ts';
import { derivedUuid } from '../runtime/command/identity.ts';
import type { By } from '../runtime/deliver/parked.ts';
import type { Presence } from '../runtime/presence.ts';
import { buildState, buildTarget, type BuildEntry, type BuildRequest } from '../runtime/view/builder.ts';
import type { ViewComparison } from '../runtime/view/compare.ts';
import { isBuildOf } from '../runtime/view/read.ts';
import {
  BuildRefused,
  unfinishedBuild,
  type BuildDeps,
  type BuildProgress,
} from '../runtime/view/rebuild.ts';
import type { RecordOperation } from './operations-log.ts';
import { viewIn } from './overview.ts';

/**
 * What is being done, or was done last, about a view's builds. 'begun': a build that nobody is at. `share`: of the way,
 * 0 to 1; `rows`: compared so far.
 */
export type BuildReport = Readonly<{
  view: string | null;
  state: 'asked' | 'building' | 'comparing' | 'switching' | 'ready' | 'failed' | 'begun';
  position: string | null;
  share: number | null;
  eventsPerSecond: number | null;
  secondsLeft: number | null;
  rows?: number;
  comparison?: ViewComparison;
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
 * Asked of whoever keeps views up, and audited there. Each answers undefined for a name that no view has; throws
 * BuildRefused where the builds do not allow it, or something else is being done about them.
 */
export interface ViewOperations {
  list(): Promise<readonly ViewReport[]>;
  /** Begins to fill the next build, or goes on with the one that was begun; answers at once. */
  rebuild(name: string, options: Pick<BuildRequest, 'compare'>, by: By): Promise<BuildReport | undefined>;
  /** 'asked': it takes longer than some seconds, or nobody runs who could. */
  activate(name: string, by: By): Promise<SwitchedView | 'asked' | undefined>;
  rollBack(name: string, by: By): Promise<SwitchedView | 'asked' | undefined>;
  /** Ends what is being done; a build that was begun stays. */
  stop(name: string, by: By): Promise<ViewReport | undefined>;
  /** Takes the build away that readers do not see, and ends what is being done about it. */
  drop(name: string, by: By): Promise<ViewReport | undefined>;
}
/** The same for a script, which has a view's code at hand and waits for as long as it takes. */
export interface ViewBuilds extends ViewOperations {
  /** Asks for it, or finds it where the same is asked for already. Throws BuildRefused ('build_running'). */
  ask(projection: Projection<never>, request: BuildRequest, by: By): Promise<Control>;
}
export type ViewBuildsDeps = BuildDeps &
  Readonly<{
    controls: Controls;
    projections: readonly Projection<never>[];
    /** What every process does. */
    present(): Promise<readonly Presence[]>;
    record: RecordOperation;
    newId(): string;
  }>;

const ANSWER_MS = 5_000;

/** Writes what was done about a view's builds; the same entry again has no effect. */
export const auditBuilds =
  (record: RecordOperation) =>
  async ({ control: { id, actor, reason: why }, ...entry }: BuildEntry): Promise<void> => {
    const { type, view } = entry;
    const commandId = derivedUuid('view', id, type, view);
    if (entry.type === 'started')
      return record({ type: 'ViewRebuildStarted', data: { view, why } }, actor, commandId);
    const { previous } = entry;
    if (entry.type === 'rolled back')
      return record(
        { type: 'ViewRolledBack', data: { view, previous: previous ?? '', why } },
        actor,
        commandId,
      );
    const data = { view, ...(previous === undefined ? {} : { previous }), why };
    return record({ type: 'ViewActivated', data }, actor, commandId);
  };

const progressOf = ({ position, total, left, eventsPerSecond, secondsLeft }: BuildProgress) => ({
  position: position ?? null,
  eventsPerSecond: Math.round(eventsPerSecond),
  secondsLeft: secondsLeft === undefined ? null : Math.ceil(secondsLeft),
  share: total === undefined || left === undefined || total === 0 ? null : (total - left) / total,
});
const NOWHERE = { position: null, share: null, eventsPerSecond: null, secondsLeft: null };
const sameRequest = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export const createViewBuilds = (deps: ViewBuildsDeps): ViewBuilds => {
  const { store, reads, controls, clock, distance, projections, present, record, newId } = deps;
  const named = (name: string): Projection<never> | undefined =>
    projections.find((projection) => projection.name === name);
  const now = (): string => clock.now().toISOString();
  const openOf = async (projection: Projection<never>): Promise<Control | undefined> =>
    (await controls.open([buildTarget(projection)], 1))[0];

  const ageOf = (event: EventEnvelope): number =>
    Math.max(0, (clock.now().getTime() - Date.parse(event.meta.recordedAt)) / 1000);
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

  /** Of a build that nobody is at. */
  const left = async (view: string): Promise<BuildReport> => {
    const [position, tail] = [await reads.checkpoint(view), await store.tail()];
    const share =
      distance && position !== undefined && tail !== undefined
        ? Math.min(1, distance(undefined, position) / distance(undefined, tail))
        : null;
    return { ...NOWHERE, view, state: 'begun', position: position ?? null, share };
  };
  const buildReport = async (projection: Projection<never>): Promise<BuildReport | undefined> => {
    const [control] = await controls.latest([buildTarget(projection)], 1);
    const begun = await unfinishedBuild(reads, projection);
    const {
      state,
      view = null,
      filling,
      rows,
      comparison,
      why,
    } = control ? buildState(control) : { state: 'stopped' as const };
    const about = {
      ...(filling ? progressOf(filling) : NOWHERE),
      view,
      ...(rows === undefined ? {} : { rows }),
      ...(comparison ? { comparison } : {}),
    };
    switch (state) {
      case 'asked':
      case 'building':
      case 'comparing':
      case 'switching':
        return { ...about, state };
      case 'failed':
        return { ...about, state, error: why?.sentence ?? '' };
      case 'refused':
      case 'stopped':
        break;
      case 'done':
        if (begun !== undefined && begun === view)
          return { ...about, state: 'ready', share: 1, secondsLeft: 0 };
    }
    return begun === undefined ? undefined : left(begun);
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
    const first = here?.state === 'building' ? here.building : undefined;
    const build: BuildReport | undefined = first
      ? { ...progressOf(first), view: first.view, state: 'building' }
      : await buildReport(projection);
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

  const ask: ViewBuilds['ask'] = async (projection, request, { actor, reason }) => {
    const open = await openOf(projection);
    if (open && sameRequest(open.what, request)) return open;
    if (open)
      throw new BuildRefused(
        'build_running',
        `Something else is being done about ${projection.name}: GET /ops/projections says how far it is, and /stop ends it.`,
      );
    const target = buildTarget(projection);
    const control = { id: newId(), target, what: request, actor, reason, askedAt: now() };
    await controls.ask(control);
    return control;
  };
  const switched = async (
    name: string,
    request: BuildRequest,
    by: By,
  ): Promise<SwitchedView | 'asked' | undefined> => {
    const projection = named(name);
    if (!projection) return undefined;
    const control = await ask(projection, request, by);
    const [answer] = await askFor(deps, [control], ANSWER_MS);
    const state = buildState(answer ?? control);
    if (state.why?.code === 'failed') throw new Error(state.why.sentence);
    if (state.why) throw new BuildRefused(state.why.code, state.why.sentence);
    return state.switched
      ? { name, view: state.switched.view, previous: state.switched.previous ?? null }
      : 'asked';
  };
  const end = async (projection: Projection<never>, { actor, reason: why }: By): Promise<void> => {
    const open = await openOf(projection);
    if (!open) return;
    const state = buildState(open);
    const data = { view: state.view ?? projection.name, why };
    await record({ type: 'ViewBuildStopped', data }, actor, derivedUuid('view', open.id, 'stopped'));
    await controls.report(open.id, { progress: { ...state, state: 'stopped' }, endedAt: now() });
  };

  return {
    ask,
    async list() {
      const processes = await present();
      return Promise.all(projections.map((projection) => reportView(projection, processes)));
    },
    async rebuild(name, { compare }, by) {
      const projection = named(name);
      if (!projection) return undefined;
      const request = { do: 'rebuild', ...(compare ? { compare } : {}) } as const;
      const control = await ask(projection, request, by);
      const { view = null } = buildState(control);
      return (await buildReport(projection)) ?? { ...NOWHERE, view, state: 'asked' };
    },
    activate: (name, by) => switched(name, { do: 'activate' }, by),
    rollBack: (name, by) => switched(name, { do: 'roll back' }, by),
    async stop(name, by) {
      const projection = named(name);
      if (!projection) return undefined;
      await end(projection, by);
      return reportView(projection, await present());
    },
    async drop(name, by) {
      const projection = named(name);
      if (!projection) return undefined;
      const { actor, reason: why } = by;
      await end(projection, by);
      const view = await unfinishedBuild(reads, projection);
      if (view === undefined)
        throw new BuildRefused(
          'no_build',
          `${name} has no build that readers do not see, or could go back to.`,
        );
      await record({ type: 'ViewBuildDropped', data: { view, why } }, actor, newId());
      await reads.drop(view);
      return reportView(projection, await present());
    },
  };
};

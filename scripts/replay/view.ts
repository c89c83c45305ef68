/** A view built beside the live one, compared, switched to, gone back from. */
import { systemClock } from '../../adapters/system.ts';
import type { Control } from '../../ports/controls.ts';
import type { Projection } from '../../ports/projection.ts';
import { buildState, type BuildRequest, type BuildState } from '../../runtime/view/builder.ts';
import type { ViewComparison } from '../../runtime/view/compare.ts';
import { BuildRefused, type BuildProgress } from '../../runtime/view/rebuild.ts';
import { wholeNumber, WrongUse } from '../cli/command-line.ts';
import { ACTOR, type Given } from './given.ts';

export type ViewOptions = Readonly<{
  view: string;
  version?: string | undefined;
  compare?: boolean | undefined;
  activate?: boolean | undefined;
  rollback?: boolean | undefined;
  restart?: boolean | undefined;
  stop?: boolean | undefined;
  share?: string | undefined;
}>;

const count = (value: number): string => value.toLocaleString('en');

/** Throws WrongUse. */
const shareIn = ({ share }: ViewOptions): number | undefined => {
  if (share === undefined) return undefined;
  const number = Number(share);
  if (!(number > 0 && number <= 1))
    throw new WrongUse(`--share must be more than 0 and at most 1, not ${JSON.stringify(share)}.`);
  return number;
};

const tellDifferences = (
  { print }: Given,
  { live, build, rows, differences, unsettled, first }: ViewComparison,
): void => {
  for (const { id, kind, paths } of first) {
    print(`${id}: ${kind}`);
    for (const { path, before, after } of paths)
      print(`    ${path}: ${before ?? 'nothing'} in ${live}, ${after ?? 'nothing'} in ${build}`);
  }
  if (differences > first.length) print(`… and ${count(differences - first.length)} more`);
  print(
    `${count(rows)} rows of ${live} and ${build} compared: ${differences === 0 ? 'no difference' : `${count(differences)} differ`}${unsettled > 0 ? `; ${count(unsettled)} changed at every look` : ''}`,
  );
};

const LOOK_MS = 100;

const requestOf = (options: ViewOptions, share: number | undefined): BuildRequest => {
  if (options.rollback) return { do: 'roll back' };
  const { restart = false, compare = false, activate = false } = options;
  return {
    do: 'rebuild',
    restart,
    compare,
    activate,
    drop: compare && !activate,
    ...(share === undefined ? {} : { share }),
  };
};

/** Shows how far it is until it has ended, and has it ended where this process is told to. */
const follow = async (
  { parts: { controls }, progress, print }: Given,
  asked: Control,
  stop: () => Promise<unknown>,
): Promise<BuildState> => {
  const interrupted = new AbortController();
  const interrupt = (): void => {
    print('Stopping; once more ends this at once.');
    interrupted.abort();
  };
  process.once('SIGINT', interrupt);
  let ended = false;
  try {
    for (;;) {
      const control = (await controls.get(asked.id)) ?? asked;
      const state = buildState(control);
      if (control.endedAt !== undefined) return state;
      if (interrupted.signal.aborted && !ended) {
        await stop();
        ended = true;
        continue;
      }
      showProgress(progress, state);
      await systemClock.sleep(LOOK_MS, interrupted.signal);
    }
  } finally {
    process.off('SIGINT', interrupt);
    progress.end();
  }
};
const showProgress = (progress: Given['progress'], state: BuildState): void => {
  const { view, filling, rows } = state;
  if (state.state === 'comparing') progress.report(`comparing ${view}`, rows ?? 0, undefined);
  else if (filling) {
    const label = `${state.state === 'building' && filling.view === view ? 'building' : 'catching up'} ${filling.view}`;
    progress.report(label, passedOf(filling), filling.total);
  }
};
const passedOf = ({ events, total, left }: BuildProgress): number =>
  total === undefined || left === undefined ? events : total - left;

/** Exit status 1 when a comparison found differences, or it was stopped. Throws BuildRefused. */
export const replayView = async (given: Given, options: ViewOptions): Promise<number> => {
  const { parts, shop, environment, print, json, why } = given;
  const projection: Projection<never> | undefined = shop.projections.find(
    ({ name }) => name === options.view,
  );
  if (!projection)
    throw new WrongUse(
      `No view is called ${options.view}; there are ${shop.projections.map(({ name }) => name).join(', ')}.`,
    );
  const { name } = projection;
  const version = wholeNumber('version', options.version, 1);
  if (version !== undefined && version !== projection.version)
    throw new WrongUse(
      `This code has version ${projection.version} of ${name}, not ${version}: run the release that has it.`,
    );
  if (options.rollback && (options.compare || options.activate || options.restart))
    throw new WrongUse('--rollback goes alone.');
  const share = shareIn(options);
  const by = { actor: ACTOR, reason: why };
  if (options.stop) {
    await shop.viewBuilds.stop(name, by);
    print(`Nothing is done about builds of ${name} any more; one that was begun is kept.`);
    return 0;
  }

  const control = await shop.viewBuilds.ask(projection, requestOf(options, share), by);
  const beside = Boolean((await parts.leases.read(`view:${name}`))?.holder);
  // Whoever holds the lease does it: a server, or this process, or each of them in turn.
  const stopBuilding = shop.buildViews([projection], beside ? environment.REBUILD_SHARE : 1);
  const startedMs = systemClock.now().getTime();
  const state = await follow(given, control, () => shop.viewBuilds.stop(name, by)).finally(stopBuilding);
  const seconds = (systemClock.now().getTime() - startedMs) / 1000;

  const { view, built, comparison, switched } = state;
  if (state.why?.code === 'failed') throw new Error(state.why.sentence);
  if (state.why) throw new BuildRefused(state.why.code, state.why.sentence);
  if (state.state === 'stopped') {
    print(`Stopped; ${view ?? 'no build'} is kept as far as it is.`);
    return 1;
  }
  const events = built?.events ?? 0;
  const eventsPerSecond = Math.round(built?.eventsPerSecond ?? 0);
  if (options.rollback)
    print(`Readers of ${name} see ${switched?.view} again (before: ${switched?.previous}).`);
  else print(`${view} is built: ${count(events)} events, ${count(eventsPerSecond)} a second.`);
  if (comparison) tellDifferences(given, comparison);
  if (options.activate && switched)
    print(
      `Readers of ${name} now see ${switched.view}${switched.previous === undefined ? '' : `; ${switched.previous} is kept for --rollback`}.`,
    );
  else if (options.activate)
    print(
      `Not switched, since they differ: ${view} is kept; --activate without --compare switches all the same.`,
    );
  else if (!options.rollback && !comparison) print('Switch readers to it with --activate.');
  if (json)
    print(
      JSON.stringify({
        view: options.rollback ? switched?.view : view,
        ...(options.rollback ? {} : { events, eventsPerSecond, activated: switched !== undefined }),
        ...(switched?.previous === undefined ? {} : { previous: switched.previous }),
        ...(comparison
          ? { rows: comparison.rows, differences: comparison.differences, unsettled: comparison.unsettled }
          : {}),
        seconds,
        where: parts.where,
      }),
    );
  return comparison && comparison.differences > 0 ? 1 : 0;
};

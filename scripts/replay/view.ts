/** A view built beside the live one, compared, switched to, gone back from. */
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import type { OperationsEvent } from '../../domain/operations/operations.ts';
import type { View } from '../../ports/read-store.ts';
import { compareViews, type ViewComparison } from '../../runtime/view/compare.ts';
import { createPacer } from '../../runtime/view/pacer.ts';
import {
  activateBuild,
  catchUp,
  fill,
  nextBuild,
  rollBack,
  type BuildProgress,
} from '../../runtime/view/rebuild.ts';
import { wholeNumber, WrongUse } from '../cli/command-line.ts';
import { ACTOR, type Given } from './given.ts';

export type ViewOptions = Readonly<{
  view: string;
  version?: string | undefined;
  compare?: boolean | undefined;
  activate?: boolean | undefined;
  rollback?: boolean | undefined;
  restart?: boolean | undefined;
  share?: string | undefined;
}>;

const count = (value: number): string => value.toLocaleString('en');

const shareOf = async ({ parts, environment }: Given, { share, view }: ViewOptions): Promise<number> => {
  if (share === undefined)
    return (await parts.leases.read(`view:${view}`))?.holder ? environment.REBUILD_SHARE : 1;
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

/** Exit status 1 when a comparison found differences. Throws BuildRefused, BuildTaken, ProjectionFailed. */
export const replayView = async (given: Given, options: ViewOptions): Promise<number> => {
  const { parts, shop, progress, print, json, why } = given;
  const { projections, builds: deps } = shop;
  const { reads } = deps;
  const projection = projections.find(({ name }) => name === options.view);
  if (!projection)
    throw new WrongUse(
      `No view is called ${options.view}; there are ${projections.map(({ name }) => name).join(', ')}.`,
    );
  const version = wholeNumber('version', options.version, 1);
  if (version !== undefined && version !== projection.version)
    throw new WrongUse(
      `This code has version ${projection.version} of ${projection.name}, not ${version}: run the release that has it.`,
    );
  if (options.rollback && (options.compare || options.activate || options.restart))
    throw new WrongUse('--rollback goes alone.');

  const record = (event: OperationsEvent): Promise<void> =>
    shop.record(event, ACTOR, systemRandomness.uuid());
  const pacer = createPacer(systemClock, await shareOf(given, options));
  const startedMs = systemClock.now().getTime();
  let last: BuildProgress | undefined;
  const following = (label: string) => ({
    pacer,
    onProgress(now: BuildProgress): void {
      last = now;
      progress.report(
        label,
        now.total === undefined || now.left === undefined ? now.events : now.total - now.left,
        now.total,
      );
    },
  });
  const finish = (result: Readonly<Record<string, unknown>>): void => {
    const seconds = (systemClock.now().getTime() - startedMs) / 1000;
    if (json) print(JSON.stringify({ ...result, seconds, where: parts.where }));
  };

  if (options.rollback) {
    const { view, previous } = await rollBack(deps, projection, following(`catching up ${options.view}`));
    await record({ type: 'ViewRolledBack', data: { view, previous: previous ?? '', why } });
    progress.end();
    print(`Readers of ${projection.name} see ${view} again (before: ${previous}).`);
    finish({ view, previous });
    return 0;
  }

  const live: View | undefined = options.compare
    ? await catchUp(deps, projection, following(`catching up ${projection.name}`))
    : undefined;
  const build = await nextBuild(reads, projection, options.restart === true);
  await record({ type: 'ViewRebuildStarted', data: { view: build, why } });
  const to = live === undefined ? undefined : await reads.checkpoint(live);
  await fill(deps, projection, build, {
    ...following(`building ${build}`),
    ...(to === undefined ? {} : { to }),
  });
  const events = last?.events ?? 0;
  const eventsPerSecond = Math.round(last?.eventsPerSecond ?? 0);
  progress.end();
  print(`${build} is built: ${count(events)} events in this run, ${count(eventsPerSecond)} a second.`);

  let comparison: ViewComparison | undefined;
  if (live !== undefined) {
    comparison = await compareViews(deps, projection, live, build, {
      pacer,
      onProgress: (rows) => progress.report(`comparing ${live} with ${build}`, rows, undefined),
    });
    progress.end();
    tellDifferences(given, comparison);
    if (!options.activate) await reads.drop(build);
  }
  const same = comparison === undefined || comparison.differences === 0;
  let switched: Readonly<{ view: View; previous: View | undefined }> | undefined;
  if (options.activate && same) {
    switched = await activateBuild(deps, projection, build, following(`catching up ${build}`));
    await record({
      type: 'ViewActivated',
      data: {
        view: switched.view,
        ...(switched.previous === undefined ? {} : { previous: switched.previous }),
        why,
      },
    });
    progress.end();
    print(
      `Readers of ${projection.name} now see ${switched.view}${switched.previous === undefined ? '' : `; ${switched.previous} is kept for --rollback`}.`,
    );
  } else if (options.activate)
    print(
      `Not switched, since they differ: ${build} is kept; --activate without --compare switches all the same.`,
    );
  else if (comparison === undefined) print('Switch readers to it with --activate.');
  finish({
    view: build,
    events,
    eventsPerSecond,
    activated: switched !== undefined,
    ...(switched?.previous === undefined ? {} : { previous: switched.previous }),
    ...(comparison
      ? { rows: comparison.rows, differences: comparison.differences, unsettled: comparison.unsettled }
      : {}),
  });
  return same ? 0 : 1;
};

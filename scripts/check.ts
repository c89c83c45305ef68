/** `npm run check`: walks every stream of the store and says what is wrong with it. */
import { system, systemClock } from '../adapters/system.ts';
import { assemble } from '../compose/assemble.ts';
import { readEnvironment } from '../compose/environment.ts';
import { openParts } from '../compose/parts.ts';
import { checkStore } from './check/check-store.ts';
import { print, readArguments, runCommand } from './cli/command-line.ts';
import { progressOnTerminal } from './cli/progress.ts';

const HELP = `npm run check [-- --json]

Reads every stream of the store that the environment names (DATA_DIR), also beside a running server, and checks
after every event: revisions without gaps, the hash chain, times that never go back, data as its schema has it,
and the rules of its order (units and money add up), stock or product; and that no consumer and no view is past the
end of the events.

  --json    the last line is one JSON object: { streams, events, violations, misfits, ... }

Exit status: 0 when all is well, 1 when something is not, 2 for wrong use.`;

const main = async (): Promise<number> => {
  const { values } = readArguments({
    strict: true,
    options: { help: { type: 'boolean', short: 'h' }, json: { type: 'boolean' } },
  } as const);
  if (values.help) {
    print(HELP);
    return 0;
  }
  const environment = readEnvironment(process.env);
  const parts = await openParts(environment, system);
  try {
    const progress = progressOnTerminal(systemClock);
    const startedMs = systemClock.now().getTime();
    const misfits = await assemble(parts, environment).misfits();
    const { first, ...report } = await checkStore(parts.store, progress);
    const seconds = (systemClock.now().getTime() - startedMs) / 1000;
    for (const sentence of misfits) print(sentence);
    for (const { stream, revision, sentence } of first) print(`${stream}@${revision}: ${sentence}`);
    if (report.violations > first.length) print(`… and ${report.violations - first.length} more`);
    print(
      `${report.streams.toLocaleString('en')} streams, ${report.events.toLocaleString('en')} events, ${report.violations.toLocaleString('en')} violations (${parts.where}, ${seconds.toFixed(1)} s)`,
    );
    if (values.json)
      print(JSON.stringify({ ...report, misfits: misfits.length, seconds, where: parts.where }));
    return report.violations + misfits.length > 0 ? 1 : 0;
  } finally {
    await parts.close();
  }
};

await runCommand('check', main, ['EnvironmentError']);

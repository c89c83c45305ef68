/** `npm run replay`: views built again from the log, consumers set back, an order told event by event. */
import { system, systemClock } from '../adapters/system.ts';
import { readEnvironment } from '../compose/environment.ts';
import { assemble } from '../compose/assemble.ts';
import { openParts } from '../compose/parts.ts';
import { print, readArguments, runCommand, WrongUse } from './cli/command-line.ts';
import { progressOnTerminal } from './cli/progress.ts';
import { replayConsumer } from './replay/consumer.ts';
import { tellOrder } from './replay/order.ts';
import { replayToKafka } from './replay/to-kafka.ts';
import { replayView } from './replay/view.ts';

const HELP = `npm run replay -- --view NAME [--version N] [--compare] [--activate] [--rollback] [--restart] [--share S] [--stop]
npm run replay -- --consumer NAME --from TIME|POSITION|beginning [--order ID] [--type T] [--rate N] [--name TEXT] [--wait]
                  [--dry-run] [--with-side-effects]
npm run replay -- --to-kafka TOPIC --from TIME|POSITION|beginning [--to TIME|POSITION] [--type T] [--dry-run]
npm run replay -- --order ID [--at TIME | --revision N]

Works on the data folder that the environment names (DATA_DIR), also beside a running server.

--view fills the next build of a view beside the live one and goes on where it was killed. A server that keeps views up does
it where one runs; \`GET /ops/projections\` shows how far it is.
  --compare            go through both row by row and name the differences; alone, the build is dropped afterwards
  --activate           switch all readers to it at once (after --compare: if nothing differs); the one before is kept
  --rollback           switch back to the build before
  --restart            drop a build that was begun, and begin anew
  --share S            of the time of the process that does it (0 < S <= 1); REBUILD_SHARE, or 1 where no server runs
  --stop               end what is being done; a build that was begun is kept
  --version N          refuse unless this is the version of the code

--consumer has whoever runs a consumer hand it again what it has handled before, from a time or a position on (both
included), beside what is new and in the same lanes. It goes on where it was if that process dies.
  --order ID, --type T of these events alone (--type can be repeated)
  --rate N             events a second at most
  --name TEXT          what it is called at GET /ops/replays, which shows how far it is; it can be stopped there
  --wait               until it is done
  --dry-run            say what would be handed to it, and what it does with that, and do nothing
  --with-side-effects  needed for a consumer that does what others notice: it finds most of it done already

--to-kafka publishes events to a topic of the Kafka that the environment names (KAFKA_BROKERS) once more; one that is
missing is made. From a time or position on and up to a position (included) or a time (not included), else to the end.
  --type T            of these events alone (can be repeated); to a topic that consumers follow, those of its category
  --dry-run           say how many events that are, and do nothing
  --with-side-effects needed for a topic that consumers follow: all of them are handed the events again

--order prints each event of an order: who and why, what it changed, what the customer was told before and after.
  --at TIME, --revision N   as it was then

  --why TEXT  goes into the audit trail        --json  the last line is one JSON object

Exit status: 0 done, 1 a comparison found differences, 2 wrong use.`;

const main = async (): Promise<number> => {
  const { values } = readArguments({
    options: {
      view: { type: 'string' },
      version: { type: 'string' },
      compare: { type: 'boolean' },
      activate: { type: 'boolean' },
      rollback: { type: 'boolean' },
      restart: { type: 'boolean' },
      stop: { type: 'boolean' },
      share: { type: 'string' },
      consumer: { type: 'string' },
      'to-kafka': { type: 'string' },
      to: { type: 'string' },
      from: { type: 'string' },
      order: { type: 'string' },
      type: { type: 'string', multiple: true },
      rate: { type: 'string' },
      name: { type: 'string' },
      wait: { type: 'boolean' },
      'dry-run': { type: 'boolean' },
      'with-side-effects': { type: 'boolean' },
      at: { type: 'string' },
      revision: { type: 'string' },
      why: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  } as const);
  if (values.help) {
    print(HELP);
    return 0;
  }
  const { view, consumer, order, 'to-kafka': topic } = values;
  const kinds = { view, consumer, 'to-kafka': topic };
  const [kind, second] = Object.entries(kinds).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  );
  if (second !== undefined)
    throw new WrongUse(`--${kind} and --${second} are two different things; give one.`);
  if (kind === undefined && order === undefined)
    throw new WrongUse('Give --view, --consumer, --to-kafka or --order (--help says how).');
  const misplaced = (options: readonly (keyof typeof values)[], belongs: string, ...to: unknown[]): void => {
    for (const option of options)
      if (values[option] !== undefined && !to.includes(kind))
        throw new WrongUse(`--${option} goes with ${belongs}.`);
  };
  misplaced(['version', 'compare', 'activate', 'rollback', 'restart', 'share', 'stop'], '--view', 'view');
  misplaced(
    ['from', 'type', 'dry-run', 'with-side-effects'],
    '--consumer or --to-kafka',
    'consumer',
    'to-kafka',
  );
  misplaced(['to'], '--to-kafka', 'to-kafka');
  misplaced(['rate', 'name', 'wait'], '--consumer', 'consumer');
  misplaced(['at', 'revision'], '--order alone', undefined);
  misplaced(['order'], '--consumer, or alone', 'consumer', undefined);

  const environment = readEnvironment(process.env);
  const parts = await openParts(environment, system);
  const progress = progressOnTerminal(systemClock);
  const given = {
    parts,
    shop: assemble(parts, environment),
    environment,
    progress,
    print,
    json: values.json === true,
    why: values.why ?? 'npm run replay',
  };
  try {
    if (view !== undefined) return await replayView(given, { ...values, view });
    if (topic !== undefined) return await replayToKafka(given, { ...values, topic });
    if (consumer !== undefined) return await replayConsumer(given, { ...values, consumer });
    return await tellOrder(given, { order: order ?? '', at: values.at, revision: values.revision });
  } finally {
    progress.end();
    await parts.close();
  }
};

await runCommand('replay', main, ['EnvironmentError', 'DataFolderError', 'BuildRefused']);

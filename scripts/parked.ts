/**
 * Parked events from the command line: list, retry, discard. Works beside a running server, which notices
 * within a second.
 */
import { system } from '../adapters/system.ts';
import { assemble } from '../compose/assemble.ts';
import { readEnvironment } from '../compose/environment.ts';
import { openParts } from '../compose/parts.ts';
import { print, readArguments, runCommand, WrongUse } from './cli/command-line.ts';

const HELP = `npm run parked -- [list] [--consumer NAME] [--stream STREAM] [--type EVENT] [--json]
npm run parked -- retry ID | --consumer NAME | --stream STREAM | --type EVENT | --all [--json]
npm run parked -- discard ID --reason TEXT [--json]

Lists what could not be handled (what Kafka users call dead-letter), tries it again, or drops it for good. An order's later
events wait behind the parked one and follow in order. What is done here is audited as the operator "cli".`;

const ACTOR = { id: 'cli', role: 'operator' } as const;
const PAGE = 200;

const main = async (): Promise<number> => {
  const { values, positionals } = readArguments({
    allowPositionals: true,
    options: {
      consumer: { type: 'string' },
      stream: { type: 'string' },
      type: { type: 'string' },
      all: { type: 'boolean' },
      reason: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    print(HELP);
    return 0;
  }
  if (positionals.length > 2) throw new WrongUse('parked takes an action and an id.');
  const [action = 'list', id] = positionals;
  const filter = Object.fromEntries(
    Object.entries({ consumer: values.consumer, stream: values.stream, type: values.type }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  if (!['list', 'retry', 'discard'].includes(action))
    throw new WrongUse(`${action} is none of list, retry, discard.`);
  if (action === 'retry' && id === undefined && Object.keys(filter).length === 0 && !values.all)
    throw new WrongUse('retry needs an ID, a filter, or --all.');
  if (action === 'discard' && (id === undefined || !values.reason))
    throw new WrongUse('discard needs an ID and --reason TEXT.');

  const environment = readEnvironment(process.env);
  const parts = await openParts(environment, system);
  try {
    const { parked } = assemble(parts, environment);
    if (action === 'retry') {
      const count =
        id === undefined ? await parked.retryMatching(filter, ACTOR) : Number(await parked.retry(id, ACTOR));
      print(values.json ? JSON.stringify({ retried: count }) : `${count} will be tried again.`);
      return id !== undefined && count === 0 ? 1 : 0;
    }
    if (action === 'discard') {
      const done = await parked.discard(id ?? '', { actor: ACTOR, reason: values.reason ?? '' });
      print(
        values.json
          ? JSON.stringify({ discarded: Number(done) })
          : done
            ? 'Discarded; what waited behind it goes on.'
            : `Nothing is parked under ${id}.`,
      );
      return done ? 0 : 1;
    }
    let count = 0;
    for (let after: string | undefined; ;) {
      const { items, next } = await parked.find(filter, {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      });
      for (const { id: parkedId, consumer, stream, event, error, attempts, firstAt, queued } of items)
        if (!values.json)
          print(
            `${parkedId}  ${consumer}  ${stream}  ${event.type}@${event.revision}  ${attempts} attempts since ${firstAt}, ${queued} waiting: ${error.message}`,
          );
      count += items.length;
      if (next === null) break;
      after = next;
    }
    print(values.json ? JSON.stringify({ parked: count }) : `${count} parked.`);
    return 0;
  } finally {
    await parts.close();
  }
};

await runCommand('parked', main, ['EnvironmentError', 'DataFolderError']);

/**
 * Parked events from the command line: list, retry, discard. Whoever runs the consumer does it, within a second or so.
 */
import { system } from '../adapters/system.ts';
import { assemble } from '../compose/assemble.ts';
import { readEnvironment } from '../compose/environment.ts';
import { openParts } from '../compose/parts.ts';
import type { Carried } from '../runtime/deliver/parked.ts';
import { print, readArguments, runCommand, WrongUse } from './cli/command-line.ts';

const HELP = `npm run parked -- [list] [--consumer NAME] [--stream STREAM] [--type EVENT] [--json]
npm run parked -- retry ID | --consumer NAME | --stream STREAM | --type EVENT | --all [--json]
npm run parked -- discard ID --reason TEXT [--json]

Lists what could not be handled (what Kafka users call dead-letter), tries it again, or drops it for good. An order's later
events wait behind the parked one and follow in order. It is done by whoever runs the consumer, at its next start if nobody
does now, and audited as the operator "cli".`;

const ACTOR = { id: 'cli', role: 'operator' } as const;
const PAGE = 200;

const NOTHING: Carried = { done: 0, asked: 0 };

/** Says what came of it. Answers the exit status. */
const told = (
  what: string,
  sentence: string,
  { done, asked }: Carried,
  json: boolean | undefined,
  id: string | undefined,
): number => {
  if (json) print(JSON.stringify({ [what]: done, asked }));
  else if (id !== undefined && done + asked === 0) print(`Nothing is parked under ${id}.`);
  else {
    print(`${done} ${sentence}.`);
    if (asked > 0)
      print(`${asked} asked for: nobody runs their consumer now, and who does next carries it out.`);
  }
  return id !== undefined && done + asked === 0 ? 1 : 0;
};

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
      const carried =
        id === undefined ? await parked.retryMatching(filter, ACTOR) : await parked.retry(id, ACTOR);
      return told('retried', 'will be tried again', carried ?? NOTHING, values.json, id);
    }
    if (action === 'discard') {
      const carried = await parked.discard(id ?? '', { actor: ACTOR, reason: values.reason ?? '' });
      return told('discarded', 'dropped; what waited behind goes on', carried ?? NOTHING, values.json, id);
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

/** `npm run copy`: moves a shop from its data folder to an EventStoreDB, and what is beside its orders to a MongoDB. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { existingDataFolder } from '../adapters/data-folder.ts';
import { hostsOf } from '../adapters/hosts.ts';
import { openBookkeepingToCarry } from '../adapters/sqlite/carry-over.ts';
import { closeStore, reopenStore } from '../adapters/sqlite/moved.ts';
import { system, systemClock } from '../adapters/system.ts';
import { assemble } from '../compose/assemble.ts';
import { readEnvironment } from '../compose/environment.ts';
import { openParts, openStoreServer } from '../compose/parts.ts';
import { consumers } from '../consumers/index.ts';
import { copyEvents, CopyRefused, placeInCopy } from '../runtime/feed/copy.ts';
import { print, readArguments, runCommand, WrongUse } from './cli/command-line.ts';
import { progressOnTerminal } from './cli/progress.ts';
import { moveBeside } from './copy/beside.ts';
import { runningOn, shortOf } from './copy/running.ts';

const HELP = `npm run copy -- --to URL [--prefix PREFIX] [--json]
npm run copy -- --reopen
npm run copy -- --beside [--json]

Moves a shop from its data folder (DATA_DIR) to an EventStoreDB (esdb://user:password@host:2113?tls=true).

Events are copied in their order, with ids and all that they carry. That may be done beside running servers, and again
after whatever broke it off: it goes on where it was. Once no server runs on the folder any more, the store in it takes
no more orders, the rest is copied, and with it goes what consumers have finished and what is blocked or parked. Views are
built again at the next start.

Then start the servers with EVENT_STORE_URL (and EVENT_STORE_PREFIX), and with Kafka under another KAFKA_PREFIX: topics
hold the places of their events in the old store. DATA_DIR stays: views, bookkeeping and keys are in it.

  --to URL         may be left to EVENT_STORE_URL, since others may see what a command is given
  --prefix PREFIX  before the names of streams, where shops share a server (EVENT_STORE_PREFIX)
  --reopen         lets the folder's own store take orders again, when the move is given up before it is done
  --beside         moves what is kept beside the orders, wherever they are, to MONGODB_URL (and MONGODB_KEYS_URL): keys,
                   what consumers have finished, what is scheduled, blocked or parked. Servers must be stopped; start them
                   with these variables then. Orders move to an EventStoreDB before that, or not at all
  --json           the last line is one JSON object: { done, copied, groups, lanes, events }, with --beside { done, keys,
                   checkpoints, scheduled, lanes, events, asked }

Exit status: 0 done, 1 servers run still, 2 wrong use.`;

const VIEWS = ['views.db', 'views.db-wal', 'views.db-shm'];

const beside = async (json: boolean | undefined): Promise<number> => {
  const { place, running, counts } = await moveBeside();
  const done = running === undefined;
  print(
    running === undefined
      ? `Keys and bookkeeping are on ${place}. Start the servers with MONGODB_URL.`
      : `Servers run on the data folder (${running}): stop them, and run this again.`,
  );
  if (json) print(JSON.stringify({ done, ...counts }));
  return done ? 0 : 1;
};

const main = async (): Promise<number> => {
  const { values } = readArguments({
    options: {
      to: { type: 'string' },
      prefix: { type: 'string' },
      reopen: { type: 'boolean' },
      beside: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  } as const);
  if (values.help) {
    print(HELP);
    return 0;
  }
  if (values.beside) return beside(values.json);
  const { EVENT_STORE_URL, EVENT_STORE_PREFIX, ...variables } = process.env;
  const environment = readEnvironment(variables);
  if (environment.MONGODB_URL !== undefined)
    throw new WrongUse(
      'With MONGODB_URL the bookkeeping is not in the folder, and cannot go along with orders.',
    );
  const folder = existingDataFolder(environment.DATA_DIR);
  const eventsFile = join(folder, 'events.db');
  if (!existsSync(eventsFile)) throw new WrongUse(`${folder} has no orders of its own to be moved.`);
  const books = openBookkeepingToCarry(join(folder, 'bookkeeping.db'));
  const open: { close(): Promise<void> }[] = [books];
  const progress = progressOnTerminal(systemClock);
  try {
    const parts = await openParts(environment, system);
    open.push(parts);
    const { store: from } = parts;
    const carried = books.carriedTo(from.id);
    if (values.reopen) {
      if (carried !== undefined)
        throw new WrongUse('The shop has moved, and goes on where it is now; its old store stays closed.');
      reopenStore(eventsFile);
      print(`${folder} takes orders again.`);
      return 0;
    }
    const target = readEnvironment({
      ...variables,
      EVENT_STORE_URL: values.to ?? EVENT_STORE_URL,
      EVENT_STORE_PREFIX: values.prefix ?? EVENT_STORE_PREFIX,
    });
    const { EVENT_STORE_URL: url, EVENT_STORE_PREFIX: prefix } = target;
    const to = await openStoreServer(target, system);
    if (!to || url === undefined)
      throw new WrongUse('--to needs the URL of an EventStoreDB (--help says how).');
    open.push(to);
    const place = `the EventStoreDB at ${hostsOf(url)}${prefix === undefined ? '' : ` (EVENT_STORE_PREFIX=${prefix})`}`;
    if (carried !== undefined && carried !== to.id)
      throw new CopyRefused(`the shop has moved to the event store ${carried}, and ${place} is ${to.id}`);
    const told = (done: boolean, sentence: string, counts: Readonly<Record<string, number>>): number => {
      progress.end();
      print(sentence);
      if (values.json) print(JSON.stringify({ done, ...counts }));
      return done ? 0 : 1;
    };
    if (carried !== undefined) return told(true, `The shop has moved to ${place}.`, { copied: 0 });

    let copied = 0;
    const copy = async (): Promise<void> => {
      const tail = await from.tail();
      const total = tail === undefined ? 0 : parts.distance?.(undefined, tail);
      copied += await copyEvents({
        from,
        to,
        onProgress: (at) => progress.report('copying events', parts.distance?.(undefined, at) ?? 0, total),
      });
    };
    const unfinished = (running: readonly string[]): number =>
      told(
        false,
        `${copied.toLocaleString('en')} events copied. Servers run on ${folder} (${shortOf(running)}): stop them, and run this again.`,
        { copied },
      );
    await copy();
    const running = await runningOn({ held: books.held, controls: parts.controls }, environment.LEASE_MS);
    if (running.length > 0) return unfinished(running);
    closeStore(eventsFile, place);
    await copy();
    const { feed } = assemble(parts, environment);
    await parts.reads.close();
    for (const name of VIEWS) rmSync(join(folder, name), { force: true });
    const moved = await books.carryOver({
      from: from.id,
      to: to.id,
      groups: consumers.map(({ name }) => name),
      reached: feed.reached,
      placeOf: (position) => placeInCopy(from, to, position),
    });
    if (moved === 'moved') return unfinished(['somebody who saves how far it has come']);
    return told(
      true,
      `Moved to ${place}: ${copied.toLocaleString('en')} events now, ${moved.groups} consumers, ${moved.lanes} blocked lanes. Start the servers with EVENT_STORE_URL.`,
      { copied, ...moved },
    );
  } finally {
    progress.end();
    for (let part = open.pop(); part; part = open.pop()) await part.close();
  }
};

await runCommand('copy', main, ['EnvironmentError', 'DataFolderError', 'CopyRefused']);

/**
 * The audit log from the command line: all events as lines to verify elsewhere, or a search for who did what
 * and when.
 */
import { system, systemClock } from '../adapters/system.ts';
import { TimeQuery } from '../api/schemas/common.ts';
import { readEnvironment } from '../compose/environment.ts';
import { assemble, type Shop } from '../compose/assemble.ts';
import { openParts } from '../compose/parts.ts';
import type { Position } from '../domain/kernel.ts';
import { auditLog, type AuditRow } from '../projections/audit-log.ts';
import { exportEvents, searchAudit, type AuditFilters, type Export } from '../shop/audit.ts';
import { catchUp } from '../runtime/view/rebuild.ts';
import { exportToFile, exportToStream } from './audit/export-to.ts';
import { searchLine } from './audit/search-line.ts';
import { print, readArguments, runCommand, wholeNumber, WrongUse } from './cli/command-line.ts';
import { progressOnTerminal, type Progress } from './cli/progress.ts';

const HELP = `npm run audit -- export [--to FILE] [--after POSITION] [--json]
npm run audit -- search [--actor ID] [--type EVENT] [--order ID] [--stream STREAM] [--from TIME] [--to TIME] [--limit N] [--json]

Works on the store that the environment names (DATA_DIR), also beside a running server.

export writes each event as a line of JSON { position, stream, revision, id, type, schema, data, meta, hash }, in the order
of commit, to FILE (which is there once it is whole) or to standard output.

  --after POSITION  goes on behind the last line of an earlier export
  --json            the last line is { events, last, file }; needs --to

search lists events, newest first: when, who, what, where (stream@revision), why.

  --actor, --type, --order, --stream  an actor's or an order's id, a type of event, a stream, each as it is stored
  --from, --to      ISO 8601 times, or days (UTC); what happened at --to is left out
  --limit N         events at most (100)
  --json            the last line is { events }

Exit status: 0 when done, 1 when it could not be done, 2 for wrong use.`;

const MOST_EVENTS = 100;
const PAGE = 200;

const time = (name: string, text: string | undefined): string | undefined => {
  if (text === undefined) return undefined;
  const parsed = TimeQuery.safeParse(text);
  if (!parsed.success)
    throw new WrongUse(
      `--${name} must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or a day, not ${JSON.stringify(text)}.`,
    );
  return parsed.data;
};

const search = async (
  { read, builds }: Shop,
  filters: AuditFilters,
  limit: number,
  progress: Progress,
): Promise<number> => {
  // A view of nothing has come nowhere, so there would be none to read.
  if ((await builds.store.tail()) === undefined) return 0;
  await catchUp(builds, auditLog, {
    onProgress: ({ events, total }) => progress.report('bringing the audit log up to date', events, total),
  });
  progress.end();
  const deps = { store: builds.store, auditLog: read<AuditRow>(auditLog) };
  let count = 0;
  for (let cursor: string | undefined; count < limit;) {
    const { events, next } = await searchAudit(deps, filters, {
      limit: Math.min(PAGE, limit - count),
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const event of events) print(searchLine(event));
    count += events.length;
    if (next === null) break;
    cursor = next;
  }
  return count;
};

const begin = async ({ builds: { store } }: Shop, after: string | undefined): Promise<Export> => {
  try {
    return await exportEvents(store, after as Position | undefined);
  } catch (error) {
    if (error instanceof RangeError) throw new WrongUse(`--after: ${error.message}.`);
    throw error;
  }
};

const main = async (): Promise<number> => {
  const text = { type: 'string' } as const;
  const { values, positionals } = readArguments({
    allowPositionals: true,
    options: {
      actor: text,
      type: text,
      order: text,
      stream: text,
      from: text,
      to: text,
      limit: text,
      after: text,
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    print(HELP);
    return 0;
  }
  const [action, ...surplus] = positionals;
  if (action !== 'export' && action !== 'search')
    throw new WrongUse('Name what to do: export or search (--help says how).');
  if (surplus.length > 0) throw new WrongUse(`${action} takes options alone, not ${surplus.join(' ')}.`);
  const { actor, type, order, stream, from, to, limit, after, json = false } = values;
  const foreign = Object.entries(
    action === 'export' ? { actor, type, order, stream, from, limit } : { after },
  ).find(([, value]) => value !== undefined);
  if (foreign) throw new WrongUse(`--${foreign[0]} is no option of ${action}.`);
  if (action === 'export' && json && to === undefined)
    throw new WrongUse('--json needs --to FILE: standard output holds the events.');
  const most = wholeNumber('limit', limit, 1) ?? MOST_EVENTS;
  const filters: AuditFilters =
    action === 'export' ? {} : { actor, type, order, stream, from: time('from', from), to: time('to', to) };

  const environment = readEnvironment(process.env);
  const parts = await openParts(environment, system);
  try {
    const shop = assemble(parts, environment);
    const progress = progressOnTerminal(systemClock);
    if (action === 'search') {
      const events = await search(shop, filters, most, progress);
      if (json) print(JSON.stringify({ events }));
      return 0;
    }
    const exported = await begin(shop, after);
    if (to === undefined) {
      await exportToStream(exported, process.stdout, progress);
      return 0;
    }
    const { events, last } = await exportToFile(exported, to, progress);
    print(
      json
        ? JSON.stringify({ events, last: last ?? null, file: to })
        : `${events.toLocaleString('en')} events${last === undefined ? '' : ` up to position ${last}`} in ${to}`,
    );
    return 0;
  } finally {
    await parts.close();
  }
};

await runCommand('audit', main, ['EnvironmentError', 'DataFolderError']);

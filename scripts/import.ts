/** `npm run import -- FILE.csv[.gz]`: brings a shop's history in. */
import { realpathSync, existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { openScratch } from '../adapters/sqlite/scratch.ts';
import { system, systemClock } from '../adapters/system.ts';
import { readEnvironment } from '../compose/environment.ts';
import { assemble } from '../compose/assemble.ts';
import { openParts } from '../compose/parts.ts';
import { catchUp } from '../runtime/view/rebuild.ts';
import { print, readArguments, runCommand, WrongUse } from './cli/command-line.ts';
import { progressOnTerminal } from './cli/progress.ts';
import { importHistory, type Summary } from './import/import-history.ts';

const HELP = `npm run import -- FILE.csv[.gz] [--reject FILE] [--source NAME] [--timezone ZONE] [--json]

Brings in orders of the past. Columns, by name and in any order: InvoiceNo, StockCode, Description,
Quantity, InvoiceDate (YYYY-MM-DD HH:mm:ss), UnitPrice, CustomerID, Country.
Each invoice becomes a delivered order on its own date; an invoice that begins with C is matched to the
customer's earlier orders as returns and refunds; catalogue and stock follow from both. Nobody acts on it:
no mail, no charge, no shipment. Doing it again changes nothing; after a kill, do it again.

  --reject FILE     where rows go that cannot be taken, and why (default: NAME.rejected.csv in the data folder)
  --source NAME     whose invoice numbers these are; another name makes other orders (default: import)
  --timezone ZONE   of the file's dates, as IANA names it (default: SHOP_TIMEZONE)
  --json            the last line is one JSON object

Exit status: 0 when the file was taken (also with rejected rows), 1 when the store failed, 2 for wrong use
or a file that cannot be taken as a whole; of such a file nothing is taken.`;

const ORDER_CACHE_LINES = 50_000;

const summary = (result: Summary, rejectFile: string): string => {
  const count = (value: number) => value.toLocaleString('en');
  const why = Object.entries(result.rejectedBy)
    .sort(([, a], [, b]) => b - a)
    .map(([code, rows]) => `  ${count(rows).padStart(9)}  ${code}`);
  return [
    `${count(result.rows)} rows: ${count(result.accepted)} accepted, ${count(result.rejected)} rejected${result.rejected > 0 ? ` (see ${rejectFile})` : ''}`,
    ...why,
    `${count(result.orders)} orders, ${count(result.products)} products, ${count(result.adjustments)} adjustments of stock`,
    `${count(result.cancellations)} rows of cancellations, ${count(result.matched)} of them matched to earlier orders`,
    ...(result.stockLeftAlone > 0
      ? [`the stock of ${count(result.stockLeftAlone)} SKUs was left alone: others have written it`]
      : []),
    `${count(result.events)} events newly stored in ${result.seconds.toFixed(1)} s`,
  ].join('\n');
};

const main = async (): Promise<number> => {
  const { values, positionals } = readArguments({
    allowPositionals: true,
    strict: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      reject: { type: 'string' },
      source: { type: 'string' },
      timezone: { type: 'string' },
    },
  } as const);
  if (values.help) {
    print(HELP);
    return 0;
  }
  const [given, ...others] = positionals;
  if (given === undefined || others.length > 0)
    throw new WrongUse('Name one file: npm run import -- FILE.csv[.gz] (--help says more).');
  const environment = readEnvironment({
    ...process.env,
    ...(values.timezone === undefined ? {} : { SHOP_TIMEZONE: values.timezone }),
  });
  const file = resolve(given);
  if (!existsSync(file)) throw new WrongUse(`${file}: there is no such file.`);
  const rejectFile = resolve(
    values.reject ??
      join(
        environment.DATA_DIR,
        `${basename(file)
          .replace(/\.gz$/i, '')
          .replace(/\.csv$/i, '')}.rejected.csv`,
      ),
  );
  if (existsSync(rejectFile) && realpathSync(rejectFile) === realpathSync(file))
    throw new WrongUse('--reject names the file itself; it would be overwritten.');
  const decimals =
    new Intl.NumberFormat('en', { style: 'currency', currency: environment.CURRENCY }).resolvedOptions()
      .maximumFractionDigits ?? 2;

  const parts = await openParts(environment, system);
  const scratch = openScratch();
  try {
    const { executor, projections, builds } = assemble(parts, environment, {
      cacheWeight: ORDER_CACHE_LINES,
    });
    const progress = progressOnTerminal(systemClock);
    const result = await importHistory({
      file,
      rejectFile,
      source: values.source ?? 'import',
      timezone: environment.SHOP_TIMEZONE,
      currency: environment.CURRENCY,
      decimals,
      store: parts.store,
      executor,
      scratch,
      clock: systemClock,
      progress,
    });
    print(summary(result, rejectFile));
    // Here nobody waits for an answer meanwhile; a server that starts on the folder then has its views at
    // once.
    for (const projection of projections) {
      await catchUp(builds, projection, {
        onProgress: ({ events, total, left }) =>
          progress.report(
            `building the view ${projection.name}`,
            total === undefined || left === undefined ? events : total - left,
            total,
          ),
      });
      progress.end();
    }
    if (values.json) print(JSON.stringify({ ...result, rejectFile, where: parts.where }));
    return 0;
  } finally {
    await scratch.close();
    await parts.close();
  }
};

await runCommand('import', main, ['BadFile', 'EnvironmentError']);

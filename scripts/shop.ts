/**
 * `npm run shop -- FILE --url URL --speed N`: plays a file's orders against a running server as live
 * checkouts.
 */
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock, systemRandomness } from '../adapters/system.ts';
import { readEnvironment } from '../compose/environment.ts';
import { print, readArguments, runCommand, wholeNumber, WrongUse } from './cli/command-line.ts';
import { progressOnTerminal } from './cli/progress.ts';
import { complaint, createClient } from './shop/client.ts';
import { plannedOrders, surveyPlan, type PlanOptions } from './shop/plan.ts';
import { playOrders } from './shop/play.ts';
import { prepareShop } from './shop/prepare.ts';
import { reportLines, reportOf } from './shop/report.ts';

const HELP = `npm run shop -- FILE.csv[.gz] --url URL --speed N [--limit ORDERS] [--from-order N] [--wait SECONDS] [--out FILE]
                [--operator-token TOKEN] [--json]

Plays the orders of a file (as npm run import takes it) against a running server with dev authentication. First
the catalogue lists what they order, and the stock has it; then each order is checked out at its time, the spacing
divided by --speed, whether or not those before it have been answered. A checkout is tried again under its key for
two minutes when there is no answer, or a 429 or 503.

  --url URL              of the server, such as http://127.0.0.1:3000
  --speed N              how many times faster than it was (3600: an hour in a second)
  --limit ORDERS         how many at most (default: all)
  --from-order N         begins behind the first N
  --wait SECONDS         how long to wait, at the end, for orders to be confirmed (default: 60)
  --out FILE             appends a line of JSON for each order, once it is acknowledged
  --operator-token TOKEN for catalogue and stock, instead of a session
  --json                 the last line is one JSON object

Exit status: 0 when every order was acknowledged, 1 when one was not, 2 for wrong use.`;

const TOLD_FAILURES = 20;

const main = async (): Promise<number> => {
  const text = { type: 'string' } as const;
  const { values, positionals } = readArguments({
    allowPositionals: true,
    strict: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      url: text,
      speed: text,
      limit: text,
      'from-order': text,
      wait: text,
      out: text,
      'operator-token': text,
    },
  } as const);
  if (values.help) {
    print(HELP);
    return 0;
  }
  const [given, ...others] = positionals;
  if (given === undefined || others.length > 0)
    throw new WrongUse('Name one file: npm run shop -- FILE --url URL --speed N (--help says more).');
  const { url } = values;
  if (url === undefined || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new WrongUse('--url must name the server, such as http://127.0.0.1:3000.');
  const speed = Number(values.speed);
  if (values.speed === undefined || !Number.isFinite(speed) || speed <= 0)
    throw new WrongUse('--speed must be a number above 0: how many times faster than it was.');
  const file = resolve(given);
  if (!existsSync(file)) throw new WrongUse(`${file}: there is no such file.`);
  const limit = wholeNumber('limit', values.limit, 1) ?? Number.POSITIVE_INFINITY;
  const from = wholeNumber('from-order', values['from-order'], 0) ?? 0;
  const waitMs = (wholeNumber('wait', values.wait, 0) ?? 60) * 1000;
  const out = values.out === undefined ? undefined : resolve(values.out);
  // Says at once when it cannot be written.
  if (out !== undefined) writeFileSync(out, '', { flag: 'a' });

  const { SHOP_TIMEZONE: timezone, CURRENCY: currency } = readEnvironment(process.env);
  const decimals =
    new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  const [clock, randomness] = [systemClock, systemRandomness];
  const warn = (sentence: string): void => void process.stderr.write(`shop: ${sentence}\n`);
  const progress = progressOnTerminal(systemClock);
  const plan: PlanOptions = { file, timezone, decimals, from, limit, warn };
  const { orders, needs } = await surveyPlan(plan);
  const client = createClient({ url, clock, randomness });

  let token = values['operator-token'];
  if (token === undefined) {
    const session = await client.call({ method: 'POST', path: '/session', body: { role: 'operator' } });
    if (!session.answered || session.reply.status !== 200)
      throw new Error(complaint('POST /session for an operator', session));
    ({ token } = session.reply.body as { token: string });
  }
  const delivered = await prepareShop({ client, token, currency, needs, randomness, progress });
  progress.end();
  print(`${orders} orders of ${needs.length} SKUs, of which ${delivered} got a delivery first`);

  let failures = 0;
  const played = await playOrders(plannedOrders({ ...plan, warn: () => undefined }), {
    client,
    clock,
    randomness,
    speed,
    total: orders,
    waitMs,
    progress,
    acknowledged: (order) => out !== undefined && appendFileSync(out, `${JSON.stringify(order)}\n`),
    failed: (sentence) => ++failures <= TOLD_FAILURES && warn(sentence),
  });
  const report = reportOf(played);
  for (const line of reportLines(report)) print(line);
  if (values.json) print(JSON.stringify(report));
  return report.failed > 0 ? 1 : 0;
};

await runCommand('shop', main, ['BadFile', 'EnvironmentError']);

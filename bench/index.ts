/**
 * `npm run bench`: how fast the way of an order is, every figure a ratio of two things measured in the same
 * run.
 */
import { availableParallelism, cpus } from 'node:os';
import { print, readArguments, runCommand, wholeNumber } from '../scripts/cli/command-line.ts';
import { systemClock } from '../adapters/system.ts';
import { compareCheckout } from './checkout.ts';
import type { Comparison } from './compare.ts';
import { compareOrders } from './orders.ts';

const HELP = `npm run bench -- [--seconds N] [--orders N] [--json]

  --seconds N  of each round of checkouts (4)
  --orders N   of each round of whole orders (1000)
  --json       one JSON object as the last line`;

const row = (name: string, { ratio, perSecond, baselinePerSecond }: Comparison): string =>
  [
    name.padEnd(46),
    ratio.median.toFixed(2).padStart(6),
    `${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)}`.padStart(12),
    Math.round(perSecond.median).toString().padStart(9),
    Math.round(baselinePerSecond.median).toString().padStart(9),
  ].join('');

await runCommand('bench', async () => {
  const { values } = readArguments({
    options: {
      seconds: { type: 'string' },
      orders: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    print(HELP);
    return 0;
  }
  const seconds = wholeNumber('seconds', values.seconds, 1) ?? 4;
  const orders = wholeNumber('orders', values.orders, 1) ?? 1000;
  const machine = {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);

  const checkout = await compareCheckout(seconds, tell);
  const wholeOrders = await compareOrders(orders, tell);

  print('');
  print(
    [
      'ratio of'.padEnd(46),
      'median'.padStart(6),
      'min–max'.padStart(12),
      '/s'.padStart(9),
      'other /s'.padStart(9),
    ].join(''),
  );
  for (const [connections, comparison] of Object.entries(checkout))
    print(row(`durable checkout : bare route, ${connections} connections`, comparison));
  print(row('whole order : durable checkout alone', wholeOrders));
  print(`${machine.cores} cores (${machine.cpu}), Node ${machine.node}, ${machine.platform}`);
  if (values.json)
    print(
      JSON.stringify({
        at: systemClock.now().toISOString(),
        machine,
        secondsARound: seconds,
        ordersARound: orders,
        checkout,
        wholeOrders,
      }),
    );
  return 0;
});

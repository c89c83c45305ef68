/**
 * `npm run bench`: how fast the way of an order is, every figure a ratio of two things measured in the same
 * run.
 */
import { availableParallelism, cpus } from 'node:os';
import { print, readArguments, runCommand, wholeNumber, WrongUse } from '../scripts/cli/command-line.ts';
import { systemClock } from '../adapters/system.ts';
import { compareCheckout } from './checkout.ts';
import type { Comparison } from './compare.ts';
import { compareConfirmed, compareForward, compareHanging, placeOn, type Servers } from './kafka.ts';
import { compareOrders } from './orders.ts';
import { compareBesideRebuild, compareRebuild } from './rebuild.ts';
import { measureRoles } from './sizing.ts';

const CONFIRMED_ORDERS = 200;

const HELP = `npm run bench -- [--seconds N] [--orders N] [--kafka HOST:PORT,… [--event-store URL --mongodb URL]] [--json]
npm run bench -- --sizing [--orders N] [--kafka … [--event-store URL --mongodb URL]] [--json]

  --sizing     what each role takes of a processor, instead of the ratios; on Linux
  --seconds N  of each round of checkouts (4)
  --orders N   of each round of whole orders (1000)
  --kafka …    what goes through Kafka, too: on these brokers, under topics that are deleted afterwards
  --event-store URL, --mongodb URL
               from checkout to confirmed on all three, too: in a database that is dropped afterwards (the URL names
               none), and in streams under a prefix, which stay
  --json       one JSON object as the last line`;

/** Throws WrongUse. */
const serversOf = (
  kafka: string | undefined,
  eventStore: string | undefined,
  mongodb: string | undefined,
): Servers | undefined => {
  if (eventStore === undefined && mongodb === undefined) return undefined;
  if (kafka === undefined || eventStore === undefined || mongodb === undefined)
    throw new WrongUse('--event-store and --mongodb go together, and with --kafka.');
  if (!/^mongodb(\+srv)?:\/\/[^/?]+\/?(\?.*)?$/.test(mongodb))
    throw new WrongUse('--mongodb must be such as mongodb://127.0.0.1:27017, without a database.');
  return { eventStore, mongodb };
};

const row = (name: string, { ratio, ours, baseline }: Comparison, unit = '/s'): string =>
  [
    name.padEnd(54),
    ratio.median.toFixed(2).padStart(6),
    `${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)}`.padStart(12),
    `${Math.round(ours.median)} ${unit}`.padStart(12),
    `${Math.round(baseline.median)} ${unit}`.padStart(12),
  ].join('');

/** Each role beside the checkout, of which the machine matters less than of the figures. */
const printSizing = ({ roles, views }: Awaited<ReturnType<typeof measureRoles>>): void => {
  const [checkout] = roles;
  const line = (name: string, ...figures: readonly string[]): void =>
    print([name.padEnd(24), ...figures.map((figure) => figure.padStart(18))].join(''));
  line('role', 'of a checkout', 'ms an order', 'events an order', 'events/s a core');
  for (const { role, msPerOrder, events, perSecond } of roles)
    line(
      role,
      (msPerOrder / checkout!.msPerOrder).toFixed(2),
      msPerOrder.toFixed(2),
      events.toFixed(1),
      String(Math.round(perSecond)),
    );
  if (views.length > 0) line('view, built again', 'events/s');
  for (const { view, perSecond } of views) line(view, String(Math.round(perSecond)));
};

await runCommand('bench', async () => {
  const { values } = readArguments({
    options: {
      seconds: { type: 'string' },
      orders: { type: 'string' },
      kafka: { type: 'string' },
      'event-store': { type: 'string' },
      mongodb: { type: 'string' },
      sizing: { type: 'boolean' },
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
  const servers = serversOf(values.kafka, values['event-store'], values.mongodb);
  const machine = {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
  const machineLine = `${machine.cores} cores (${machine.cpu}), Node ${machine.node}, ${machine.platform}`;
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  if (values.sizing) {
    const place = values.kafka === undefined ? undefined : placeOn(values.kafka.split(','), servers);
    const sizing = await measureRoles(orders, place?.variables ?? {}, tell).finally(() => place?.clear());
    printSizing(sizing);
    print(machineLine);
    if (values.json) print(JSON.stringify({ at: systemClock.now().toISOString(), machine, ...sizing }));
    return 0;
  }

  const checkout = await compareCheckout(seconds, tell);
  const wholeOrders = await compareOrders(orders, tell);
  const rebuild = await compareRebuild(tell);
  const besideRebuild = await compareBesideRebuild(orders, tell);
  const whileKafkaHangs = await compareHanging(seconds, tell);
  const brokers = values.kafka?.split(',');
  const kafka = brokers && {
    forward: await compareForward(brokers, orders, tell),
    confirmed: await compareConfirmed(brokers, undefined, CONFIRMED_ORDERS, tell),
    onServers: servers && (await compareConfirmed(brokers, servers, CONFIRMED_ORDERS, tell)),
  };

  print('');
  print(
    [
      'ratio of'.padEnd(54),
      'median'.padStart(6),
      'min–max'.padStart(12),
      'ours'.padStart(12),
      'other'.padStart(12),
    ].join(''),
  );
  for (const [connections, comparison] of Object.entries(checkout))
    print(row(`durable checkout : bare route, ${connections} connections`, comparison));
  print(row('whole order : durable checkout alone', wholeOrders));
  print(row('durable checkout, Kafka hangs : without Kafka', whileKafkaHangs));
  print(row('order-status built again : events read', rebuild.speed));
  print(row('built from 1,000,000 events : from 100,000', rebuild.memory, 'MB'));
  print(row('checkout beside a rebuild : alone (median)', besideRebuild, 'ms'));
  if (kafka) {
    print(row('events forwarded : bare kafkajs producer', kafka.forward));
    print(row('checkout to confirmed, Kafka : embedded feed', kafka.confirmed, 'ms'));
    if (kafka.onServers) print(row('checkout to confirmed, all servers : embedded', kafka.onServers, 'ms'));
  }
  print(machineLine);
  if (values.json)
    print(
      JSON.stringify({
        at: systemClock.now().toISOString(),
        machine,
        secondsARound: seconds,
        ordersARound: orders,
        checkout,
        wholeOrders,
        whileKafkaHangs,
        rebuild,
        besideRebuild,
        ...kafka,
      }),
    );
  return 0;
});

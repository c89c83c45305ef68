/** A consumer handed again what it has handled before. */
import { systemClock } from '../../adapters/system.ts';
import { consumers } from '../../consumers/index.ts';
import { orderStream } from '../../domain/order/events.ts';
import { wholeNumber, WrongUse } from '../cli/command-line.ts';
import { ACTOR, type Given } from './given.ts';
import { behind } from './range.ts';

export type ConsumerOptions = Readonly<{
  consumer: string;
  from?: string | undefined;
  order?: string | undefined;
  type?: readonly string[] | undefined;
  name?: string | undefined;
  rate?: string | undefined;
  'dry-run'?: boolean | undefined;
  'with-side-effects'?: boolean | undefined;
  wait?: boolean | undefined;
}>;

const LOOK_MS = 250;
const count = (value: number): string => value.toLocaleString('en');

/** Exit status 1 when it was stopped while this waited. */
export const replayConsumer = async (given: Given, options: ConsumerOptions): Promise<number> => {
  const {
    parts: { store, leases, where },
    shop: { replays },
    progress,
    print,
    json,
    why,
  } = given;
  const consumer = consumers.find(({ name }) => name === options.consumer);
  if (!consumer)
    throw new WrongUse(
      `No consumer is called ${options.consumer}; there are ${consumers.map(({ name }) => name).join(', ')}.`,
    );
  if (options.from === undefined)
    throw new WrongUse('--consumer needs --from TIME, --from POSITION or --from beginning.');
  const perSecond = wholeNumber('rate', options.rate, 1);
  const after = await behind(store, 'from', options.from);
  const replayed = await replays.start(
    {
      consumer,
      after,
      dryRun: options['dry-run'] === true,
      withSideEffects: options['with-side-effects'] === true,
      ...(options.order === undefined ? {} : { stream: orderStream(options.order) }),
      ...(options.type === undefined ? {} : { types: options.type }),
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(perSecond === undefined ? {} : { perSecond }),
      onProgress: (events) => progress.report('counting events', events, undefined),
    },
    { actor: ACTOR, reason: why },
  );
  progress.end();
  if (!replayed.ok) throw new WrongUse(replayed.sentence);

  const { id, plan } = replayed;
  print(
    `${consumer.name} ${id === undefined ? 'would be' : 'is'} handed ${count(plan.events)} events${plan.firstAt === null ? '' : ` from ${plan.firstAt} to ${plan.lastAt}`}${plan.imported > 0 ? `; it passes over ${count(plan.imported)} imported ones` : ''}:`,
  );
  for (const [type, events] of Object.entries(plan.byType).sort(([, a], [, b]) => b - a))
    print(`  ${count(events).padStart(10)}  ${type}`);
  if (id === undefined) {
    for (const effect of consumer.effects)
      print(`It ${effect}: what it has done before it finds done, under the keys that it used then.`);
    print('Nothing was done; to do it, leave --dry-run out and say --with-side-effects.');
    if (json) print(JSON.stringify({ ...plan, done: false, where }));
    return 0;
  }
  const runs = Boolean((await leases.read(`consume:${consumer.name}`))?.holder);
  print(
    `Replay ${id}${runs ? ' is' : ', once a server runs that consumer, is'} taken up within a second; GET /ops/replays shows how far it is, and POST /ops/replays/${id}/stop ends it.`,
  );
  let state = 'running';
  while (options.wait && state === 'running') {
    const report = await replays.get(id);
    state = report?.state ?? 'stopped';
    progress.report('handed over', report?.handed ?? 0, plan.events);
    if (state === 'running') await systemClock.sleep(LOOK_MS);
  }
  progress.end();
  if (options.wait) print(`It is ${state}.`);
  if (json) print(JSON.stringify({ ...plan, id, state, where }));
  return state === 'stopped' ? 1 : 0;
};

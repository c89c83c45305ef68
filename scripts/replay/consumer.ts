/** A consumer handed again what it has handled before. */
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { consumers } from '../../consumers/index.ts';
import { orderStream } from '../../domain/order/events.ts';
import { replayToConsumer } from '../../runtime/deliver/replay.ts';
import { WrongUse } from '../cli/command-line.ts';
import { ACTOR, type Given } from './given.ts';
import { behind } from './range.ts';

export type ConsumerOptions = Readonly<{
  consumer: string;
  from?: string | undefined;
  order?: string | undefined;
  type?: readonly string[] | undefined;
  'dry-run'?: boolean | undefined;
  'with-side-effects'?: boolean | undefined;
}>;

export const replayConsumer = async (given: Given, options: ConsumerOptions): Promise<number> => {
  const {
    parts: { store, blockedLanes, leases, where },
    shop,
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
  const after = await behind(store, 'from', options.from);
  const replayed = await replayToConsumer(
    { store, blockedLanes, feed: shop.feed, clock: systemClock },
    {
      consumer,
      after,
      dryRun: options['dry-run'] === true,
      withSideEffects: options['with-side-effects'] === true,
      ...(options.order === undefined ? {} : { stream: orderStream(options.order) }),
      ...(options.type === undefined ? {} : { types: options.type }),
      onProgress: (events) => progress.report('counting events', events, undefined),
    },
  );
  progress.end();
  if (!replayed.ok) throw new WrongUse(replayed.sentence);

  const { done, plan } = replayed;
  const count = (value: number): string => value.toLocaleString('en');
  print(
    `${consumer.name} ${done ? 'is' : 'would be'} handed ${count(plan.events)} events${plan.firstAt === null ? '' : ` from ${plan.firstAt} to ${plan.lastAt}`}${plan.imported > 0 ? `; it passes over ${count(plan.imported)} imported ones` : ''}:`,
  );
  for (const [type, events] of Object.entries(plan.byType).sort(([, a], [, b]) => b - a))
    print(`  ${count(events).padStart(10)}  ${type}`);
  if (done) {
    const filter = {
      ...(options.order === undefined ? {} : { order: options.order }),
      ...(options.type === undefined ? {} : { type: options.type.join(',') }),
    };
    const event =
      plan.way === 'set back'
        ? { type: 'ConsumerSetBack' as const, data: { consumer: consumer.name, to: after ?? '', why } }
        : {
            type: 'EventsReplayed' as const,
            data: { consumer: consumer.name, after: after ?? '', events: plan.events, filter, why },
          };
    await shop.record(event, ACTOR, systemRandomness.uuid());
    print(
      (await leases.read(`consume:${consumer.name}`))?.holder
        ? 'The running server takes them up within seconds; GET /ops/consumers shows its lag.'
        : 'It takes them up when a server starts.',
    );
  } else
    print(
      `Nothing was done${consumer.sideEffects ? '; to do it, leave --dry-run out and say --with-side-effects, since it acts on the outside' : ''}.`,
    );
  if (json) print(JSON.stringify({ ...plan, done, where }));
  return 0;
};

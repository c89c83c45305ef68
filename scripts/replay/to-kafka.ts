/** A range of the store published to a topic again: for a partner, for a group that lost some, or to fill another topic. */
import { systemRandomness } from '../../adapters/system.ts';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import { WrongUse } from '../cli/command-line.ts';
import { ACTOR, type Given } from './given.ts';
import { behind, isPosition } from './range.ts';

export type ToKafkaOptions = Readonly<{
  topic: string;
  from?: string | undefined;
  to?: string | undefined;
  type?: readonly string[] | undefined;
  'dry-run'?: boolean | undefined;
  'with-side-effects'?: boolean | undefined;
}>;

const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;

export const replayToKafka = async (given: Given, options: ToKafkaOptions): Promise<number> => {
  const {
    parts: { store, eventLog },
    progress,
    print,
    json,
    why,
  } = given;
  const { topic, from, to, type: types } = options;
  if (!eventLog) throw new WrongUse('--to-kafka needs KAFKA_BROKERS.');
  if (!TOPIC.test(topic))
    throw new WrongUse(`A topic's name is of letters, digits, dots, dashes and underscores, not ${topic}.`);
  if (from === undefined)
    throw new WrongUse('--to-kafka needs --from TIME, --from POSITION or --from beginning.');
  const after = await behind(store, 'from', from);
  const through =
    to === undefined ? await store.tail() : isPosition(to) ? (to as Position) : await behind(store, 'to', to);
  const dryRun = options['dry-run'] === true;
  const category = eventLog.categoryOf(topic);
  if (category !== undefined && !dryRun && options['with-side-effects'] !== true)
    throw new WrongUse(
      `Every consumer follows ${topic} and would be handed these events again: it finds most of them done already, but some act on the outside. Say --with-side-effects, or name another topic.`,
    );
  const filter = {
    ...(category === undefined ? {} : { categories: [category] }),
    ...(types === undefined ? {} : { types }),
  };
  const publisher = dryRun ? undefined : await eventLog.publisherTo(topic);
  const byType = new Map<string, number>();
  let events = 0;
  let last = after;
  const publish = async (some: readonly EventEnvelope[]): Promise<void> => {
    if (some.length === 0) return;
    await publisher?.publish(some);
    for (const { type } of some) byType.set(type, (byType.get(type) ?? 0) + 1);
    events += some.length;
    last = some.at(-1)!.position;
    progress.report('publishing events', events, undefined);
  };
  try {
    for (let at = after, ended = through === undefined; !ended;) {
      const page = await store.readAll(at, filter);
      await publish(page.events.filter(({ position }) => position <= through!));
      at = page.scanned;
      ended = page.atTail || at === undefined || at >= through!;
    }
  } catch (error) {
    progress.end();
    if (last !== after) print(`Published up to position ${last}: --from ${last} goes on from there.`);
    throw error;
  }
  progress.end();
  const count = (value: number): string => value.toLocaleString('en');
  print(`${count(events)} events ${dryRun ? 'would be' : 'are'} published to ${topic} again:`);
  for (const [type, n] of [...byType].sort(([, a], [, b]) => b - a))
    print(`  ${count(n).padStart(10)}  ${type}`);
  if (publisher)
    await given.shop.record(
      {
        type: 'EventsPublished',
        data: { topic, after: after ?? '', through: last ?? '', events, types: [...(types ?? [])], why },
      },
      ACTOR,
      systemRandomness.uuid(),
    );
  if (json) print(JSON.stringify({ topic, events, byType: Object.fromEntries(byType), done: !dryRun }));
  return 0;
};

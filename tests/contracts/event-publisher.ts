import * as assert from 'uvu/assert';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { EventFeed, From } from '../../ports/event-feed.ts';
import type { EventPublisher } from '../../ports/event-publisher.ts';
import { newEvent } from './event-store.ts';
import { contract, type Make } from './making.ts';

/** A publisher, and the feed of what it fills. `advanceUntil`: lets time pass until the condition holds. */
export type Published = Readonly<{
  publisher: EventPublisher;
  feed: EventFeed;
  advanceUntil(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
}>;

const event = (stream: string, revision: number): EventEnvelope => ({
  ...newEvent(`${stream}/${revision}`, 'OrderPlaced'),
  data: { text: 'a “quoted” name\n☃', amountMinor: 1, nothing: null },
  stream,
  revision,
  position: String(revision + 1).padStart(16, '0') as Position,
});

/** What every adapter that fills a log must do. */
export const eventPublisherContract = (name: string, make: Make<Published>): void => {
  const { test, run } = contract(`event publisher: ${name}`, make);
  const follow = async ({ feed }: Published, from: From = 'beginning') => {
    const seen: EventEnvelope[] = [];
    const { close } = await feed.subscribe(
      'tester',
      { categories: ['order'], from, batchSize: 10 },
      {
        onAssigned: async () => undefined,
        onBatch: async ({ deliveries }) => void seen.push(...deliveries.map((one) => one.event)),
      },
    );
    return { seen, close };
  };

  test('what is published comes as it was, each stream in order', async (world) => {
    const streams = ['order-a', 'order-b', 'order-c'];
    const events = [0, 1, 2].flatMap((revision) => streams.map((stream) => event(stream, revision)));
    await world.publisher.publish(events.slice(0, 4));
    await world.publisher.publish([]);
    await world.publisher.publish(events.slice(4));
    const { seen, close } = await follow(world);
    await world.advanceUntil('all', () => seen.length === 9);
    for (const stream of streams)
      assert.equal(
        seen.filter((one) => one.stream === stream),
        events.filter((one) => one.stream === stream),
      );
    await close();
  });

  test('published again it comes again, under its id', async (world) => {
    const { seen, close } = await follow(world);
    await world.publisher.publish([event('order-a', 0)]);
    await world.publisher.publish([event('order-a', 0), event('order-a', 1)]);
    await world.advanceUntil('all', () => seen.length === 3);
    assert.equal(
      seen.map(({ id }) => id),
      ['order-a/0', 'order-a/0', 'order-a/1'],
    );
    await close();
  });

  test('what is published in a sequence stands in its order, though nobody waits for it', async (world) => {
    const { seen, close } = await follow(world);
    const { publish } = world.publisher.sequence();
    const revisions = Array.from({ length: 40 }, (_, revision) => revision);
    await Promise.all(revisions.map((n) => publish([event('order-a', n), event(`order-${n}`, 0)])));
    const ofA = (): readonly EventEnvelope[] => seen.filter(({ stream }) => stream === 'order-a');
    await world.advanceUntil('all', () => seen.length === 80);
    assert.equal(
      ofA().map(({ revision }) => revision),
      revisions,
    );
    await close();
  });

  test('what a group begins behind is left out, also when it is published later', async (world) => {
    const { seen, close } = await follow(world, { behind: event('order-a', 1).position });
    await world.publisher.publish([0, 1, 2, 3].map((revision) => event('order-a', revision)));
    await world.advanceUntil('the rest', () => seen.length === 2);
    assert.equal(
      seen.map(({ id }) => id),
      ['order-a/2', 'order-a/3'],
    );
    await close();
  });
  run();
};

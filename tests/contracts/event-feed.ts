import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Position } from '../../domain/kernel.ts';
import type { Assignment, Batch, EventFeed, From, Member } from '../../ports/event-feed.ts';

/**
 * What is followed, and time. `partitions`: how many the feed has. `feed`: as another process has it. `happen`: appends
 * (and publishes) the next event of each stream named, `stream/n` its id, and answers its position; `other-…` streams
 * have events of type Other, all others Happened. `advanceUntil`: lets time pass until the condition holds.
 */
export type FeedWorld = Readonly<{
  partitions: number;
  feed(): EventFeed;
  happen(...streams: readonly string[]): Promise<readonly Position[]>;
  advanceUntil(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}>;

const GROUP = 'tester';
const STREAMS = ['order-a', 'order-b', 'order-c', 'order-d', 'order-e', 'order-f'];

/** A member that commits what it is handed unless told, and writes down what it sees. */
const join = async (
  feed: EventFeed,
  how: Partial<Readonly<{ from: From; commit: boolean; onBatch: Member['onBatch'] }>> = {},
) => {
  const seen: string[] = [];
  const assigned: Assignment[] = [];
  const batches: Batch[] = [];
  const told: string[] = [];
  let [open, commit] = [(): void => undefined, how.commit ?? true];
  const subscribed = new Promise<void>((resolve) => (open = resolve));
  const subscription = await feed.subscribe(
    GROUP,
    { categories: ['order'], types: ['Happened'], from: how.from ?? 'beginning', batchSize: 10 },
    {
      async onAssigned(assignment) {
        assigned.push(assignment);
        told.push(`given ${assignment.partition}`);
      },
      async onBatch(batch) {
        await subscribed;
        batches.push(batch);
        told.push(`batch of ${batch.partition}`);
        seen.push(...batch.deliveries.map(({ event }) => event.id));
        await how.onBatch?.(batch);
        if (commit) await subscription.commit(batch.partition, batch.through);
      },
    },
  );
  open();
  const holds = (): string[] =>
    assigned.filter(({ signal }) => !signal.aborted).map(({ partition }) => partition);
  return { ...subscription, seen, assigned, batches, told, holds, commitNoMore: () => void (commit = false) };
};
const of = (seen: readonly string[], stream: string): readonly string[] =>
  seen.filter((id) => id.startsWith(`${stream}/`));
const upTo = (stream: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, n) => `${stream}/${n}`);

/** What every adapter for event feeds must do, by itself or over the store or log that it follows. */
export const eventFeedContract = (name: string, make: () => Promise<FeedWorld>): void => {
  const cases = suite(`event feed: ${name}`);
  const test = (what: string, act: (world: FeedWorld) => Promise<void>): void =>
    cases(what, async () => {
      const world = await make();
      try {
        await act(world);
      } finally {
        await world.close();
      }
    });
  const eventsBehind = async (feed: EventFeed): Promise<number> =>
    (await feed.lag(GROUP)).reduce((sum, { events }) => sum + events, 0);

  test('each stream comes in order, in its one partition, what was there and what comes', async (w) => {
    for (let n = 0; n < 12; n++) await w.happen(...STREAMS);
    const feed = w.feed();
    const member = await join(feed);
    await w.advanceUntil('what is there', () => member.seen.length === 72);
    await w.happen('order-a', 'order-new');
    await w.advanceUntil('what comes', () => member.seen.length === 74);
    for (const stream of STREAMS)
      assert.equal(of(member.seen, stream), upTo(stream, stream === 'order-a' ? 13 : 12));
    for (const { deliveries, partition } of member.batches) {
      assert.ok(deliveries.length <= 10);
      for (const { event } of deliveries) assert.is(feed.partitionOf(event.stream), partition);
    }
    await member.close();
    await member.ended;
  });

  test('a member is told of each partition before its first batch, also of one without events', async (w) => {
    await w.happen('order-a');
    const member = await join(w.feed());
    await w.advanceUntil('all of them', () => member.holds().length === w.partitions);
    assert.equal(member.holds().sort(), [...w.feed().partitionsOf(['order'])].sort());
    await w.advanceUntil('its event', () => member.seen.length === 1);
    const [batch] = member.batches;
    assert.ok(
      member.told.indexOf(`given ${batch?.partition}`) < member.told.indexOf(`batch of ${batch?.partition}`),
    );
    assert.is(member.assigned.find(({ partition }) => partition === batch?.partition)?.signal, batch?.signal);
    await member.close();
    assert.ok(
      member.assigned.every(({ signal }) => signal.aborted),
      'who has left holds none',
    );
  });

  test('a group goes on behind what it has committed, also past what a filter leaves out', async (w) => {
    await w.happen('order-a', 'other-a', 'stock-a', 'order-a', 'order-b', 'stock-a');
    const first = await join(w.feed());
    await w.advanceUntil('it is seen', () => first.seen.length === 3);
    await w.advanceUntil('all is finished', async () => (await eventsBehind(w.feed())) === 0);
    first.commitNoMore();
    await w.happen('order-a');
    await w.advanceUntil('one that is not committed', () => first.seen.length === 4);
    await first.close();
    const second = await join(w.feed());
    await w.happen('order-b');
    await w.advanceUntil('the rest', () => second.seen.length === 2);
    assert.equal(second.seen.slice().sort(), ['order-a/2', 'order-b/1']);
    await second.close();
  });

  test('a group begins from now, and remembers it', async (w) => {
    await w.happen('order-a', 'order-a', 'order-b');
    const now = await join(w.feed(), { from: 'now' });
    await w.advanceUntil('it has its partitions', () => now.holds().length === w.partitions);
    await now.close();
    await w.happen('order-a', 'order-b');
    const again = await join(w.feed(), { from: 'now' });
    await w.advanceUntil('what came since', () => again.seen.length === 2);
    assert.equal(again.seen.slice().sort(), ['order-a/2', 'order-b/1']);
    await again.close();
  });

  test('a new group begins behind a position', async (w) => {
    const [, second] = await w.happen('order-a', 'order-b', 'order-a', 'order-b');
    const member = await join(w.feed(), { from: { behind: second! } });
    await w.advanceUntil('what stands behind it', () => member.seen.length === 2);
    assert.equal(member.seen.slice().sort(), ['order-a/1', 'order-b/1']);
    await member.close();
  });

  test('the next batch of a partition waits for the one before', async (w) => {
    for (let n = 0; n < 12; n++) await w.happen('order-a', 'order-b');
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const member = await join(w.feed(), { onBatch: () => gate });
    const partitions = new Set(['order-a', 'order-b'].map((stream) => w.feed().partitionOf(stream)));
    await w.advanceUntil('the first of each', () => member.batches.length === partitions.size);
    await w.happen('order-a', 'order-b');
    assert.is(member.batches.length, partitions.size);
    go();
    await w.advanceUntil('the rest', () => member.seen.length === 26);
    await member.close();
  });

  test('each partition has one member, and goes over with what is not finished when that one leaves', async (w) => {
    const [one, other] = [await join(w.feed()), await join(w.feed())];
    const all = (): string[] => [...one.holds(), ...other.holds()];
    await w.advanceUntil('all are held', () => all().length === w.partitions);
    assert.is(new Set(all()).size, w.partitions);
    if (w.partitions > 1) {
      await w.advanceUntil('both hold some', () => one.holds().length * other.holds().length > 0);
      await w.advanceUntil('and all are held', () => all().length === w.partitions);
    }
    await w.happen(...STREAMS, ...STREAMS);
    await w.advanceUntil('everything', () => one.seen.length + other.seen.length === 12);
    const [stays, leaves] = one.holds().length > 0 ? [other, one] : [one, other];
    leaves.commitNoMore();
    await w.happen(...STREAMS);
    await w.advanceUntil('everything', () => one.seen.length + other.seen.length === 18);
    const finished = stays.seen.length;
    await leaves.close();
    await w.advanceUntil('the other one holds all', () => stays.holds().length === w.partitions);
    await w.happen(...STREAMS);
    await w.advanceUntil('all are seen by somebody who finished them', () =>
      STREAMS.every((stream) => stays.seen.includes(`${stream}/3`)),
    );
    assert.ok(stays.seen.length > finished);
    for (const stream of STREAMS) {
      const last = of(stays.seen, stream).slice(-2);
      assert.equal(
        last,
        [`${stream}/2`, `${stream}/3`],
        'what the one that left had not finished comes again',
      );
    }
    await stays.close();
  });

  test('who has lost a partition commits nothing in it', async (w) => {
    await w.happen('order-a', 'order-a');
    const first = await join(w.feed(), { commit: false });
    await w.advanceUntil('it is seen', () => first.seen.length === 2);
    await first.close();
    const { partition, through } = first.batches[0]!;
    await first.commit(partition, through);
    const second = await join(w.feed());
    await w.advanceUntil('it comes again', () => second.seen.length === 2);
    await second.close();
  });

  test('lag: events that are not finished, and how old the oldest of them is', async (w) => {
    const feed = w.feed();
    const member = await join(feed, { commit: false });
    await w.happen('order-a', 'order-a', 'order-b');
    await w.advanceUntil('they are seen', () => member.seen.length === 3);
    assert.is(await eventsBehind(feed), 3);
    await w.advanceUntil('they grow old', async () =>
      (await feed.lag(GROUP)).some(({ seconds }) => seconds >= 1),
    );
    for (const { partition, through } of member.batches) await member.commit(partition, through);
    await w.advanceUntil('they are finished', async () => (await eventsBehind(feed)) === 0);
    assert.ok((await feed.lag(GROUP)).every(({ seconds }) => seconds === 0));
    await member.close();
  });

  test('a group that runs tells how far it has come', async (w) => {
    const positions = await w.happen('order-a', 'order-b', 'order-a', 'order-b');
    const feed = w.feed();
    assert.is(await feed.reached(GROUP), undefined);
    const member = await join(feed);
    await w.advanceUntil('all', () => member.seen.length === 4);
    await w.advanceUntil('all is saved', async () => (await feed.reached(GROUP)) === positions[3]);
    await member.close();
  });

  test('a member that breaks ends its subscription with what it threw', async (w) => {
    await w.happen('order-a');
    const member = await join(w.feed(), {
      async onBatch() {
        throw new TypeError('broken');
      },
    });
    let thrown: unknown;
    member.ended.catch((error: unknown) => (thrown = error));
    await w.advanceUntil('the end', () => thrown !== undefined);
    assert.instance(thrown, TypeError);
    await member.close();
  });
  cases.run();
};

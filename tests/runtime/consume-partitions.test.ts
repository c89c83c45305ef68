/** A log of several partitions (Kafka) that come and go while the consumer runs. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { Assignment, EventFeed, Member } from '../../ports/event-feed.ts';
import { blockedBy, laneId } from '../../runtime/deliver/blocked.ts';
import { until } from '../fake-clock.ts';
import { latch, newEvent, of, world } from './world.ts';

const test = suite('consume: partitions');

/** `assign` and `deliver` hand a partition and its events over; `commits` is what came back. */
const handFeed = () => {
  let member: Member | undefined;
  const commits: string[] = [];
  const feed: EventFeed = {
    async subscribe(_group, _options, joined) {
      member = joined;
      const ended = latch();
      return {
        commit: async (partition, cursor) => void commits.push(`${partition}:${cursor}`),
        close: async () => ended.open(),
        ended: ended.opened,
      };
    },
    partitionOf: () => '0',
    partitionsOf: () => ['0'],
    homeOf: (partition) => partition,
    lag: async () => [],
    reached: async () => undefined,
  };
  const assign = async (partition: string, signal = new AbortController().signal): Promise<Assignment> => {
    await member?.onAssigned({ partition, signal });
    return { partition, signal };
  };
  const deliver = async (assignment: Assignment, ...events: readonly EventEnvelope[]): Promise<void> =>
    member?.onBatch({
      ...assignment,
      atTail: true,
      through: String(events.at(-1)?.revision ?? 0),
      deliveries: events.map((event) => ({ event, cursor: String(event.revision) })),
    });
  return { feed, commits, assign, deliver };
};
const event = (stream: string, revision: number): EventEnvelope => ({
  ...newEvent(stream, revision),
  stream,
  revision,
  position: String(revision) as Position,
});

test('partitions are committed each on its own', async () => {
  const w = world();
  const slow = latch();
  w.steering.handle = ({ stream }) => (stream === 'order-slow' ? slow.opened : Promise.resolve());
  const { feed, commits, assign, deliver } = handFeed();
  const running = await w.start({ feed });
  await deliver(await assign('0'), event('order-slow', 1), event('order-a', 2));
  await deliver(await assign('1'), event('order-b', 7));
  await until('the fast ones', () => w.handled.length === 2 && commits.length > 0);
  assert.equal(commits, ['1:7']);
  slow.open();
  await running.idle();
  assert.equal(commits, ['1:7', '0:2']);
  await running.close();
});

test('a partition that is taken away is worked on no more and committed no more', async () => {
  const w = world({ concurrency: 1 });
  const told: boolean[] = [];
  w.steering.handle = (_event, signal) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject((told.push(true), new Error('stopped')))),
    );
  const { feed, commits, assign, deliver } = handFeed();
  const running = await w.start({ feed });
  const assignment = new AbortController();
  const given = await assign('0', assignment.signal);
  await deliver(given, event('order-a', 1), event('order-a', 2), event('order-b', 3));
  await until('it runs', () => w.tried.length === 1);
  assignment.abort();
  await until('it is over', () => running.status().inFlight === 0);
  assert.equal([w.tried, told, commits, w.failures], [['order-a@1'], [true], [], []]);
  assert.is(running.status().unfinished, 0);

  w.steering.handle = async () => undefined;
  await deliver(await assign('0'), event('order-a', 1), event('order-a', 2), event('order-b', 3));
  await running.idle();
  assert.equal(of(w.handled, 'order-a'), ['order-a@1', 'order-a@2']);
  assert.is(w.handled.length, 3);
  assert.is(commits.at(-1), '0:3');
  await running.close();
});

test('what another member left blocked is known before a partition`s first event, and goes with the partition', async () => {
  const w = world();
  const { feed, assign, deliver } = handFeed();
  const running = await w.start({ feed });
  await deliver(await assign('1'), event('order-z', 1));
  const lane = (partition: string) => ({ consumer: 'tester', partition, key: 'order-a' });
  for (const partition of ['0', '2'])
    await w.blockedLanes.block(
      blockedBy(
        lane(partition),
        event('order-a', 1),
        new Error('x'),
        { attempts: 1, firstAtMs: 0, pausedMs: 0 },
        w.clock.now(),
        { state: 'parked' },
      ),
    );
  const assignment = new AbortController();
  await deliver(await assign('0', assignment.signal), event('order-a', 2));
  await running.idle();
  assert.equal(w.handled, ['order-z@1']);
  assert.is((await w.blockedLanes.get(laneId(lane('0'))))?.queued, 2);
  assert.is((await w.blockedLanes.get(laneId(lane('2'))))?.queued, 1, 'another partition`s');
  assert.is(running.status().blocked, 1, 'a partition that brings no events is known as well');
  assignment.abort();
  assert.is(running.status().blocked, 0);
  await running.close();
});

test('what is written as blocked while its partition is taken away is the next holder`s, and is tried by it', async () => {
  const w = world();
  const [writing, slow] = [latch(), latch()];
  const blockedLanes: typeof w.blockedLanes = {
    ...w.blockedLanes,
    async block(blocked, fence) {
      const done = await w.blockedLanes.block(blocked, fence);
      writing.open();
      await slow.opened;
      return done;
    },
  };
  w.steering.onFailure = () => ({ do: 'retry', afterMs: 5_000 });
  w.steering.handle = async () => {
    throw new Error('not yet');
  };
  const { feed, assign, deliver } = handFeed();
  const running = await w.start({ feed, blockedLanes });
  const assignment = new AbortController();
  await deliver(await assign('0', assignment.signal), event('order-a', 1));
  await writing.opened;
  assignment.abort();
  slow.open();
  await w.clock.advance(10_000);
  assert.equal(w.tried, ['order-a@1'], 'it is not this holder`s any more');
  w.steering.handle = async () => undefined;
  await deliver(await assign('0'), event('order-a', 1), event('order-a', 2));
  await w.advanceUntil('both are handled', () => w.handled.includes('order-a@2'));
  // The first one was tried again at once, and may have been done when it was delivered again.
  assert.equal([...new Set(w.handled)], ['order-a@1', 'order-a@2']);
  await running.close();
});

test('a consumer that names its lanes keeps the order within them, whatever the stream', async () => {
  const w = world({ laneOf: ({ stream }) => stream.slice(0, 'order-a'.length) });
  const slow = latch();
  w.steering.handle = ({ stream }) => (stream === 'order-a1' ? slow.opened : Promise.resolve());
  const { feed, assign, deliver } = handFeed();
  const running = await w.start({ feed });
  await deliver(await assign('0'), event('order-a1', 1), event('order-a2', 2), event('order-b1', 3));
  await until('the other lane', () => w.handled.length === 1);
  assert.equal(w.tried, ['order-a1@1', 'order-b1@3']);
  slow.open();
  await running.idle();
  assert.equal(w.handled, ['order-b1@3', 'order-a1@1', 'order-a2@2']);
  await running.close();
});

test.run();

/** A log of several partitions (Kafka) that come and go while the consumer runs. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { Batch, EventLog } from '../../ports/event-log.ts';
import { blockedBy, blockedId } from '../../runtime/deliver/blocked.ts';
import { until } from '../fake-clock.ts';
import { latch, newEvent, of, world } from './world.ts';

const test = suite('consume: partitions');

/** `deliver` hands a batch over as one assignment's partition; `commits` is what came back. */
const handLog = () => {
  let onBatch: (batch: Batch) => Promise<void> = async () => undefined;
  const commits: string[] = [];
  const eventLog: EventLog = {
    publish: async () => undefined,
    async subscribe(_group, _options, take) {
      onBatch = take;
      const ended = latch();
      return {
        commit: async (partition, cursor) => void commits.push(`${partition}:${cursor}`),
        close: async () => ended.open(),
        ended: ended.opened,
      };
    },
    lag: async () => ({ events: 0, seconds: 0 }),
    reached: async () => undefined,
    seek: async () => undefined,
  };
  const deliver = (
    partition: string,
    signal: AbortSignal,
    ...events: readonly EventEnvelope[]
  ): Promise<void> =>
    onBatch({
      partition,
      signal,
      atTail: true,
      through: String(events.at(-1)?.revision ?? 0),
      deliveries: events.map((event) => ({ event, cursor: String(event.revision) })),
    });
  return { eventLog, commits, deliver };
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
  const { eventLog, commits, deliver } = handLog();
  const running = await w.start({ eventLog });
  const { signal } = new AbortController();
  await deliver('0', signal, event('order-slow', 1), event('order-a', 2));
  await deliver('1', signal, event('order-b', 7));
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
  const { eventLog, commits, deliver } = handLog();
  const running = await w.start({ eventLog });
  const assignment = new AbortController();
  await deliver('0', assignment.signal, event('order-a', 1), event('order-a', 2), event('order-b', 3));
  await until('it runs', () => w.tried.length === 1);
  assignment.abort();
  await running.idle();
  assert.equal([w.tried, told, commits, w.failures], [['order-a@1'], [true], [], []]);
  assert.is(running.status().unfinished, 0);

  w.steering.handle = async () => undefined;
  await deliver(
    '0',
    new AbortController().signal,
    event('order-a', 1),
    event('order-a', 2),
    event('order-b', 3),
  );
  await running.idle();
  assert.equal(of(w.handled, 'order-a'), ['order-a@1', 'order-a@2']);
  assert.is(w.handled.length, 3);
  assert.is(commits.at(-1), '0:3');
  await running.close();
});

test('what another process left blocked is known before a partition`s first event; what went with it is left alone', async () => {
  const w = world();
  const { eventLog, deliver } = handLog();
  const running = await w.start({ eventLog });
  const assignment = new AbortController();
  await deliver('1', new AbortController().signal, event('order-z', 1));
  await w.books.block(
    blockedBy(
      'tester',
      event('order-a', 1),
      new Error('x'),
      { attempts: 1, firstAtMs: 0, pausedMs: 0 },
      w.clock.now(),
      { state: 'parked' },
    ),
  );
  await deliver('0', assignment.signal, event('order-a', 2));
  await running.idle();
  assert.equal(w.handled, ['order-z@1']);
  assert.is((await w.books.blocked(blockedId('tester', 'order-a')))?.queued, 2);
  assert.is(running.status().blocked.parked, 1);
  assignment.abort();
  assert.is(running.status().blocked.parked, 0);
  await running.close();
});

test.run();

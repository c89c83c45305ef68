import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventLog } from '../../adapters/memory/event-log.ts';
import type { OperationsEvent } from '../../domain/operations/operations.ts';
import type { EventFeed } from '../../ports/event-feed.ts';
import type { Clock } from '../../ports/system.ts';
import { createReplays, type ReplayWish } from '../../shop/replays.ts';
import { process } from './process.ts';
import { LEASE_MS, name, newEvent, of, world } from './world.ts';

const test = suite('consume: handed over again');
const BY = { actor: { id: 'olga', role: 'operator' }, reason: 'the outage' } as const;

const replayable = (w: ReturnType<typeof world>, feed: EventFeed = w.feed()) => {
  let ids = 0;
  const recorded: OperationsEvent[] = [];
  const replays = createReplays({
    store: w.store,
    feed,
    controls: w.controls,
    clock: w.clock,
    newId: () => `replay-${(ids += 1)}`,
    record: async (event) => void recorded.push(event),
    consumers: [w.consumer],
  });
  /** Answers its id. */
  const start = async (wish: Partial<ReplayWish> = {}): Promise<string> => {
    const started = await replays.start(
      { consumer: w.consumer, after: undefined, withSideEffects: true, ...wish },
      BY,
    );
    if (!started.ok || started.id === undefined) throw new Error(JSON.stringify(started));
    return started.id;
  };
  const ended = (id: string): Promise<void> =>
    w.advanceUntil('it has ended', async () => (await replays.get(id))?.state !== 'running');
  /** Resolves once it is saved that everything is handled. */
  const settled = async (): Promise<void> => {
    const tail = await w.store.tail();
    await w.advanceUntil('it is saved', async () => ((await feed.reached('tester')) ?? '') >= tail!);
  };
  return { replays, recorded, start, ended, settled };
};

test('all that was handled is handled again, in order in its lane, beside what is new', async () => {
  const w = world();
  const { replays, recorded, start, ended, settled } = replayable(w);
  const running = await w.start();
  await w.happen('order-a', 'order-b', 'other-c', 'order-a');
  await w.store.append('order-old', 'none', [newEvent('order-old', 0, 'import')]);
  await w.advanceUntil('they are handled', () => w.handled.length === 3);
  await settled();
  await w.happen('order-a');
  const id = await start({ name: 'again' });
  await w.advanceUntil('what is new is handled', () => w.handled.includes('order-a@2'));
  await ended(id);
  assert.equal(
    of(w.handled, 'order-a').filter((one) => one !== 'order-a@2'),
    ['order-a@0', 'order-a@1', 'order-a@0', 'order-a@1'],
  );
  assert.equal(of(w.handled, 'order-b'), ['order-b@0', 'order-b@0']);
  assert.equal(of(w.handled, 'order-old'), []);
  const [report] = await replays.list();
  assert.equal([report?.state, report?.name, report?.events, report?.handed], ['done', 'again', 3, 3]);
  assert.ok(report?.endedAt);
  assert.equal(
    recorded.map(({ type, data }) => [type, data.why]),
    [['ConsumerReplayStarted', 'the outage']],
  );
  await running.close();
});

test('of one stream, of some types, from a place on, at a rate; a dry run counts and does nothing', async () => {
  const w = world({ handles: { categories: ['order'], types: ['Happened', 'Never'] } });
  const { replays, start, ended, settled } = replayable(w);
  const running = await w.start();
  const [, second] = await w.happen('order-a', 'order-b', 'order-a', 'order-b', 'order-a', 'order-b');
  await w.advanceUntil('they are handled', () => w.handled.length === 6);
  await settled();
  w.handled.splice(0);

  const dry = await replays.start({ consumer: w.consumer, after: second, dryRun: true }, BY);
  assert.ok(dry.ok && dry.id === undefined);
  assert.equal([dry.plan.events, dry.plan.byType], [4, { Happened: 4 }]);
  await w.clock.advance(5_000);
  assert.equal([w.handled, await replays.list()], [[], []]);

  await ended(await start({ stream: 'order-b', after: second! }));
  assert.equal(w.handled, ['order-b@1', 'order-b@2']);
  w.handled.splice(0);
  await ended(await start({ types: ['Never'] }));
  assert.equal(w.handled, []);
  const startedMs = w.clock.now().getTime();
  await ended(await start({ types: ['Happened'], perSecond: 2 }));
  const tookMs = w.clock.now().getTime() - startedMs;
  assert.is(w.handled.length, 6);
  assert.ok(tookMs >= 2_500 && tookMs < 6_000, `six at two a second took ${tookMs} ms`);
  await running.close();
});

test('it is refused for what others notice unless asked for, for a type that is not handled, and before anything was', async () => {
  const w = world();
  const { replays, start, settled } = replayable(w);
  const codes = async (wish: Partial<ReplayWish>): Promise<unknown> => {
    const answer = await replays.start({ consumer: w.consumer, after: undefined, ...wish }, BY);
    return answer.ok ? 'started' : answer.code;
  };
  assert.is(await codes({}), 'side_effects');
  assert.is(await codes({ withSideEffects: true }), 'nothing_handled');
  assert.is(await codes({ withSideEffects: true, types: ['Other'] }), 'unknown_type');
  const running = await w.start();
  await w.happen('order-a');
  await w.advanceUntil('it is handled', () => w.handled.length === 1);
  await settled();
  await running.close();
  // Nobody is at them now.
  for (let i = 0; i < 5; i++) await start();
  assert.is(await codes({ withSideEffects: true }), 'too_many');
});

test('a process that dies leaves it to the next, which goes on where it was', async () => {
  const w = world({ concurrency: 2 });
  const log = memoryEventLog(1);
  const feed = (clock: Clock = w.clock): EventFeed => log.feed({ clock, sessionMs: LEASE_MS });
  const { replays, start, settled } = replayable(w, feed());
  for (let i = 0; i < 60; i++) await w.happen(`order-${i}`);
  await log.publisher.publish((await w.store.readAll(undefined)).events);
  const first = process('the first', w.clock);
  await w.start({
    clock: first.clock,
    feed: feed(first.clock),
    controls: first.of(w.controls, 'ask', 'get', 'open', 'report'),
    consumer: {
      ...w.consumer,
      async handle(event) {
        await first.clock.sleep(100);
        w.handled.push(name(event));
      },
    },
  });
  await w.advanceUntil('they are handled', () => w.handled.length === 60);
  await settled();
  w.handled.splice(0);
  const id = await start();
  await w.advanceUntil('half are handled again', () => w.handled.length >= 30);
  first.kill();
  const before = w.handled.length;
  const second = await w.start({ feed: feed() });
  await w.advanceUntil('it is done', async () => (await replays.get(id))?.state === 'done', 60_000);
  assert.is(new Set(w.handled).size, 60, 'each again');
  assert.ok(w.handled.length - before < 55, `${w.handled.length - before} by the second`);
  await second.close();
});

test('stopped, it hands over nothing more; one that has ended stays as it is', async () => {
  const w = world();
  const { replays, recorded, start, ended, settled } = replayable(w);
  const running = await w.start();
  for (let i = 0; i < 100; i++) await w.happen(`order-${i}`);
  await w.advanceUntil('they are handled', () => w.handled.length === 100);
  await settled();
  const id = await start({ perSecond: 10 });
  await w.advanceUntil('some are handled again', () => w.handled.length >= 120);
  const report = await replays.stop(id, BY);
  assert.is(report?.state, 'stopped');
  await w.clock.advance(1_500);
  const then = w.handled.length;
  await w.clock.advance(60_000);
  assert.is(w.handled.length, then);
  assert.ok(then < 150);
  assert.is((await replays.get(id))?.state, 'stopped');
  assert.equal(await w.controls.open(['replay part'], 9), []);
  assert.is((await replays.stop(id, BY))?.state, 'stopped');
  assert.is(await replays.stop('never', BY), undefined);
  assert.is(recorded.filter(({ type }) => type === 'ConsumerReplayStopped').length, 1);

  const whole = await start();
  await ended(whole);
  assert.is((await replays.stop(whole, BY))?.state, 'done');
  assert.equal(
    (await replays.list()).map(({ state }) => state),
    ['done', 'stopped'],
  );
  await running.close();
});

test('in a lane that is parked it waits in front of what is', async () => {
  const w = world();
  const { start, ended, settled } = replayable(w);
  const fault = { on: true };
  w.steering.handle = async (event) => {
    if (fault.on && name(event) === 'order-a@1') throw new Error('broken');
  };
  const running = await w.start();
  await w.happen('order-a', 'order-a', 'order-a', 'order-b');
  await w.advanceUntil('one is parked', () => running.status().blocked === 1 && w.handled.length === 2);
  await settled();
  const id = await start();
  await ended(id);
  assert.equal(of(w.handled, 'order-b'), ['order-b@0', 'order-b@0']);
  assert.equal(of(w.handled, 'order-a'), ['order-a@0'], 'its lane waits');
  await running.close();

  // What waits in front does not make the next process try what is parked.
  const [tried, again] = [w.tried.length, await w.start()];
  await w.clock.advance(5_000);
  assert.is(w.tried.length, tried);
  fault.on = false;
  const [parked] = (await w.blockedLanes.find({ state: 'parked' }, { limit: 1 })).items;
  assert.is(parked?.event.revision, 1);
  const asked = w.operate('retry', parked!.id);
  await w.advanceUntil('all are handled', () => of(w.handled, 'order-a').length === 4);
  assert.is(await asked, true);
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@0', 'order-a@1', 'order-a@2']);
  await again.close();
});

test('what fails again waits in its lane and follows, as ever', async () => {
  const w = world();
  const { start, ended, settled } = replayable(w);
  const running = await w.start();
  await w.happen('order-a', 'order-a');
  await w.advanceUntil('they are handled', () => w.handled.length === 2);
  await settled();
  const fault = { on: true };
  w.steering.handle = async (event) => {
    if (fault.on && name(event) === 'order-a@0') throw new Error('broken');
  };
  w.steering.onFailure = () => ({ do: 'retry', afterMs: 5_000 });
  const id = await start();
  await ended(id);
  fault.on = false;
  await w.advanceUntil('both are handled', () => w.handled.length === 4, 10_000);
  assert.equal(w.handled.slice(2), ['order-a@0', 'order-a@1']);
  await running.close();
});

test('each member hands over what is in its partitions', async () => {
  const w = world();
  const log = memoryEventLog(3);
  const feed = (): EventFeed => log.feed({ clock: w.clock, sessionMs: LEASE_MS });
  const { replays, start, settled } = replayable(w, feed());
  const by = new Map<string, Set<string>>();
  const members = await Promise.all(
    ['one', 'two'].map((member) =>
      w.start({
        feed: feed(),
        consumer: {
          ...w.consumer,
          async handle(event) {
            by.set(event.stream, (by.get(event.stream) ?? new Set()).add(member));
            w.handled.push(name(event));
          },
        },
      }),
    ),
  );
  const streams = Array.from({ length: 12 }, (_, i) => `order-${i}`);
  await w.advanceUntil('both have some', () => members.every((one) => one.status().state === 'running'));
  await w.happen(...streams, ...streams);
  await log.publisher.publish((await w.store.readAll(undefined)).events);
  await w.advanceUntil('they are handled', () => w.handled.length === 24);
  await settled();
  w.handled.splice(0);
  const id = await start();
  await w.advanceUntil('it is done', async () => (await replays.get(id))?.state === 'done');
  assert.is(w.handled.length, 24);
  for (const stream of streams) {
    assert.equal(of(w.handled, stream), [`${stream}@0`, `${stream}@1`]);
    assert.is(by.get(stream)?.size, 1, `${stream} was handled where its partition is`);
  }
  assert.is((await replays.get(id))?.handed, 24);
  for (const member of members) await member.close();
});

test.run();

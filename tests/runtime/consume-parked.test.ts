import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UNREADABLE } from '../../ports/event-feed.ts';
import { laneId } from '../../runtime/deliver/blocked.ts';
import { until } from '../fake-clock.ts';
import { brokenWorld as broken, of, world } from './world.ts';

const test = suite('consume: what is parked');
const ID = laneId({ consumer: 'tester', partition: 'all', key: 'order-a' });

test('a parked event is audited, keeps its stream behind it, and a retry runs all of it in order', async () => {
  const w = broken({ do: 'park', why: 'a bug' });
  await w.happen('order-a', 'order-a', 'order-a', 'order-b');
  const running = await w.start();
  await running.idle();
  await w.happen('order-a');
  await running.idle();
  await w.clock.advance(60_000);
  assert.equal(of(w.handled, 'order-a'), ['order-a@0']);
  assert.equal(w.errors, ['an event is parked; its lane waits for an operator']);
  const parked = await w.blockedLanes.get(ID);
  assert.equal(
    [parked?.state, parked?.attempts, parked?.error.message, parked?.queued],
    ['parked', 1, 'broken', 3],
  );
  assert.equal(await w.blockedLanes.tally('tester'), {
    retrying: 0,
    parked: 1,
    oldest: { id: ID, stream: 'order-a', firstAt: '2026-01-05T09:00:00.000Z' },
  });
  assert.is(running.status().blocked, 1);

  w.fault.on = false;
  assert.is(await w.operate('retry', ID), true);
  await running.idle();
  assert.equal(of(w.handled, 'order-a'), ['order-a@0', 'order-a@1', 'order-a@2', 'order-a@3']);
  assert.equal(
    w.audited.map(({ type, eventId, actor, why }) => [type, eventId, actor.id, why]),
    [
      ['EventParked', 'order-a/1', 'consumer-runtime', 'a bug'],
      ['ParkedEventRetried', 'order-a/1', 'olga', 'sold by phone'],
    ],
  );
  assert.is(await w.operate('retry', ID), false);
  await running.close();
});

test('what is none of our events is shown to no handler: it is parked, and its lane waits', async () => {
  const w = world({ laneOf: ({ data }) => String((data as { n: number }).n.toFixed()) });
  w.steering.onFailure = () => ({ do: 'stop', why: 'no policy is asked' });
  await w.happen('order-a', 'order-a', 'order-b');
  const feed = w.feed();
  const running = await w.start({
    feed: {
      ...feed,
      subscribe: (group, options, member) =>
        feed.subscribe(group, options, {
          ...member,
          onBatch: ({ deliveries, ...rest }) =>
            member.onBatch({
              ...rest,
              deliveries: deliveries.map(({ event, cursor }) =>
                event.id === 'order-a/0'
                  ? { event: { ...event, type: UNREADABLE, data: { why: 'its data is not JSON' } }, cursor }
                  : { event, cursor },
              ),
            }),
        }),
    },
  });
  await running.idle();
  assert.is(running.status().state, 'running');
  const parked = await w.blockedLanes.get(ID);
  assert.equal([parked?.state, parked?.event.type, parked?.attempts], ['parked', UNREADABLE, 1]);
  assert.match(parked?.error.message ?? '', 'its data is not JSON');
  assert.is(await w.operate('retry', ID), true);
  await running.idle();
  const again = await w.blockedLanes.get(ID);
  assert.is(again?.state, 'parked', 'trying again does not make it one');
  assert.equal(w.tried, ['order-a@1', 'order-b@0'], 'in lanes of their own');
  await running.close();
});

test('an operator`s retry counts anew, and parks again when it fails again', async () => {
  const w = broken({ do: 'park', why: 'a bug' });
  await w.happen('order-a', 'order-a');
  const running = await w.start();
  await running.idle();
  await w.clock.advance(7_200_000);
  assert.is(await w.operate('retry', ID), true);
  await until(
    'parked again',
    async () => w.failures.length === 2 && (await w.blockedLanes.tally('tester')).parked === 1,
  );
  assert.equal(
    w.failures.map(({ attempt, sinceFirstMs }) => [attempt, sinceFirstMs]),
    [
      [1, 0],
      [1, 0],
    ],
  );
  await running.close();
});

test('discarding drops the head, for a reason, and what waits behind it goes on', async () => {
  const w = broken({ do: 'park', why: 'a bug' });
  await w.happen('order-a', 'order-a', 'order-a');
  const running = await w.start();
  await running.idle();
  assert.is(await w.operate('discard', ID), true);
  await running.idle();
  assert.equal(w.handled, ['order-a@0', 'order-a@2']);
  assert.equal(
    w.audited.map(({ type, why }) => [type, why]),
    [
      ['EventParked', 'a bug'],
      ['ParkedEventDiscarded', 'sold by phone'],
    ],
  );
  assert.is(await w.blockedLanes.get(ID), undefined);
  await w.happen('order-a');
  await running.idle();
  assert.equal(w.handled, ['order-a@0', 'order-a@2', 'order-a@3']);
  assert.is(await w.operate('discard', ID), false);
  await running.close();
});

/** Controls that another process writes to: they are found by looking. */
const asElsewhere = ({ controls }: ReturnType<typeof world>) => ({
  ...controls,
  onChange: () => () => undefined,
});

test('a retry that another process asks for is carried out within about a second', async () => {
  const w = broken({ do: 'park', why: 'a bug' });
  await w.happen('order-a', 'order-a', 'order-a');
  const running = await w.start({ controls: asElsewhere(w) });
  await running.idle();
  w.fault.on = false;
  const asked = w.operate('retry', ID);
  await w.clock.advance(1_100);
  assert.is(await asked, true);
  await running.idle();
  assert.equal(w.handled, ['order-a@0', 'order-a@1', 'order-a@2']);
  assert.is(running.status().blocked, 0);
  await running.close();
});

test('a discard that another process asks for, also when the next event comes first', async () => {
  for (const behind of [0, 1, 2]) {
    const w = broken({ do: 'park', why: 'a bug' });
    await w.happen('order-a', 'order-a', ...Array<string>(behind).fill('order-a'));
    const running = await w.start({ controls: asElsewhere(w) });
    await running.idle();
    const asked = w.operate('discard', ID);
    await w.happen('order-a');
    await w.advanceUntil('all others are handled', () => w.handled.length === 2 + behind, 5_000);
    assert.is(await asked, true);
    await running.idle();
    assert.equal(
      w.handled,
      [0, ...Array.from({ length: behind + 1 }, (_, i) => i + 2)].map((revision) => `order-a@${revision}`),
    );
    assert.is(await w.blockedLanes.get(ID), undefined);
    await running.close();
  }
});

test('what is asked for while nobody runs the consumer is carried out by who does next, once', async () => {
  const w = broken({ do: 'park', why: 'a bug' });
  await w.happen('order-a', 'order-a', 'order-a');
  const first = await w.start();
  await first.idle();
  await first.close();
  const asked = w.operate('discard', ID);
  await w.clock.advance(6_000);
  assert.is(await asked, false, 'asked, and not done yet');
  assert.is((await w.blockedLanes.get(ID))?.state, 'parked');
  const second = await w.start();
  await until('it is done', async () => (await w.blockedLanes.get(ID)) === undefined);
  await second.idle();
  assert.equal(w.handled, ['order-a@0', 'order-a@2']);
  await second.close();
  const third = await w.start();
  await third.idle();
  assert.is(w.audited.filter(({ type }) => type === 'ParkedEventDiscarded').length, 1);
  await third.close();
});

test('what a newer version asks for is refused in so many words', async () => {
  const w = world();
  const running = await w.start();
  await running.idle();
  await w.controls.ask({
    id: 'x',
    target: 'consumer:tester/all',
    what: { do: 'dance' },
    actor: { id: 'olga', role: 'operator' },
    reason: 'why not',
    askedAt: w.clock.now().toISOString(),
  });
  await until('an answer', async () => (await w.controls.get('x'))?.endedAt !== undefined);
  assert.equal((await w.controls.get('x'))?.progress, {
    refused: 'this version does not know what is asked',
  });
  await running.close();
});

test('what is parked is read when a partition is assigned, a page at a time, and not again while nobody asks', async () => {
  const w = world();
  w.steering.handle = async () => {
    throw new Error('broken');
  };
  const PARKED = 1_200;
  for (let i = 0; i < PARKED; i++) await w.happen(`order-${i}`);
  const first = await w.start();
  await first.idle();
  await first.close();
  assert.is((await w.blockedLanes.tally('tester')).parked, PARKED);

  const reads: string[] = [];
  const counted = (read: 'find' | 'get' | 'head') =>
    ((...given: [never, never]) => {
      reads.push(read);
      return w.blockedLanes[read](...given);
    }) as never;
  const blockedLanes = {
    ...w.blockedLanes,
    find: counted('find'),
    get: counted('get'),
    head: counted('head'),
  };
  let turns = 0;
  const running = await w.start({ blockedLanes });
  const turn = (): void => {
    turns += 1;
    if (running.status().state === 'standby') setImmediate(turn);
  };
  turn();
  await running.idle();
  assert.is(reads.filter((read) => read === 'find').length, 3);
  assert.ok(turns > 2, `others had ${turns} turns meanwhile`);
  assert.is(running.status().blocked, PARKED);
  reads.length = 0;
  await w.clock.advance(60_000);
  await w.happen('order-new');
  await w.clock.advance(60_000);
  assert.equal(reads, []);
  await running.close();
});

test.run();

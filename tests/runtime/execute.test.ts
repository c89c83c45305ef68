/** Load, decide, append: together, in order, once, and bounded. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { orderStream } from '../../domain/order/events.ts';
import { stockStream, stocks, type StockCommand } from '../../domain/stock/stock.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { orders } from '../../domain/order/order.ts';
import { ConflictError, createExecutor, Overloaded } from '../../runtime/command/execute.ts';
import { hashOf } from '../../runtime/command/chain.ts';
import { eventIdOf } from '../../runtime/command/identity.ts';
import { ORDER_ID, placing } from '../domain/scenario.ts';
import { fakeClock } from '../fake-clock.ts';
import { as, receive, STREAM, world } from './execute-world.ts';

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const together = suite('commands of one stream');

together('that wait are stored with one append, each with its own answer', async () => {
  const w = world();
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => w.give(`c${n}`)));
  assert.is(w.counts.appends, 1);
  assert.equal(
    answers.map((a) => a.revision),
    Array.from({ length: 50 }, (_, n) => n),
  );
  assert.is(new Set(answers.map((a) => a.ok && a.position)).size, 1);
  assert.is((await w.stored()).length, 50);
  assert.equal(
    (await w.stored()).map((event) => event.id),
    (await w.stored()).map(({ type, data, meta }, n) =>
      eventIdOf(STREAM, `c${n}`, n, JSON.stringify([type, data, meta])),
    ),
  );
});

together(
  'a command that is not remembered and does something else again leads to events of their own',
  async () => {
    const w = world();
    await w.give('goods', receive(5));
    await w.give('a', {
      type: 'ReserveUnits',
      data: { reservationId: 'a/1', quantity: 4, onShortage: 'none' },
    });
    for (const keep of [3, 1])
      await w.give('less', { type: 'ReleaseUnits', data: { reservationId: 'a/1', keep } });
    const events = await w.stored();
    assert.equal(
      events.map(({ type }) => type),
      ['GoodsReceived', 'UnitsReserved', 'UnitsReleased', 'UnitsReleased'],
    );
    assert.is(
      new Set(events.map(({ id }) => id)).size,
      4,
      'who handles events tells them apart by their ids',
    );
  },
);

together('see what those before them did', async () => {
  const w = world();
  const reserve = (id: string): StockCommand => ({
    type: 'ReserveUnits',
    data: { reservationId: id, quantity: 2, onShortage: 'none' },
  });
  const [, first, second, third] = await Promise.all([
    w.give('r', receive(3)),
    w.give('a', reserve('a/1')),
    w.give('b', reserve('b/1')),
    w.give('g', receive(1)),
  ]);
  assert.ok(first?.ok && third?.ok);
  assert.ok(second && !second.ok && second.reason.code === 'out_of_stock');
  assert.is(second?.revision, 1);
});

together('of different streams do not wait for one another', async () => {
  const w = world();
  await Promise.all([w.give('a'), w.executor.execute(stocks, stockStream('LAMP'), receive(), as('b'))]);
  assert.is(w.counts.appends, 2);
});

together('are decided a bounded number at a time', async () => {
  const w = world({ batch: 10 });
  await Promise.all(Array.from({ length: 25 }, (_, n) => w.give(`c${n}`)));
  assert.is(w.counts.appends, 3);
  assert.is((await w.stored()).length, 25);
});

together('are refused when too many wait', async () => {
  const w = world({ waiting: 5 });
  const answers = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => w.give(`c${n}`)));
  const refused = answers.filter((a) => a.status === 'rejected');
  assert.is(refused.length, 3);
  assert.ok(refused.every((a) => a.reason instanceof Overloaded && a.reason.retriable));
  assert.is((await w.stored()).length, 5);
});

together('fail alone when one has a bug', async () => {
  const w = world();
  const broken = {
    ...stocks,
    decider: {
      ...stocks.decider,
      decide: (...[command, state]: Parameters<typeof stocks.decider.decide>) => {
        if (command.meta.commandId === 'bad') throw new TypeError('a bug');
        return stocks.decider.decide(command, state);
      },
    },
  };
  const run = (id: string) => w.executor.execute(broken, STREAM, receive(), as(id));
  const [first, bad, last] = await Promise.allSettled([run('a'), run('bad'), run('b')]);
  assert.equal([first?.status, bad?.status, last?.status], ['fulfilled', 'rejected', 'fulfilled']);
  assert.is((await w.stored()).length, 2);
});
together.run();

const conflicts = suite('another process');

conflicts('that was first is read and decided upon anew', async () => {
  const w = world();
  const other = createExecutor({ store: w.store, clock: w.clock });
  await w.give('r', receive(3));
  let times = 0;
  w.races(async () => {
    if (times++ === 0)
      await other.execute(
        stocks,
        STREAM,
        { type: 'ReserveUnits', data: { reservationId: 'x/1', quantity: 3, onShortage: 'none' } },
        as('x'),
      );
  });
  const late = await w.give('y', {
    type: 'ReserveUnits',
    data: { reservationId: 'y/1', quantity: 1, onShortage: 'none' },
  });
  assert.ok(!late.ok && late.reason.code === 'out_of_stock');
  assert.is(w.counts.appends, 2);
});

conflicts('that carried the same command out first leaves nothing to do', async () => {
  const w = world();
  const other = createExecutor({ store: w.store, clock: w.clock });
  w.races(async () => {
    w.races(undefined);
    await other.execute(stocks, STREAM, receive(), as('before'));
    await other.execute(stocks, STREAM, receive(), as('same'));
    await other.execute(stocks, STREAM, receive(), as('behind'));
  });
  const answer = await w.give('same');
  assert.ok(answer.ok && answer.events.length === 0);
  assert.is(answer.revision, 1);
  assert.is((await w.stored()).length, 3);
});

conflicts(
  'that was there since the stream was last looked at makes no refusal, and no repeat, wrong',
  async () => {
    const w = world();
    const other = createExecutor({ store: w.store, clock: w.clock });
    const reserve: StockCommand = {
      type: 'ReserveUnits',
      data: { reservationId: 'x/1', quantity: 3, onShortage: 'none' },
    };
    await w.give('one', receive(1));
    await other.execute(stocks, STREAM, receive(2), as('two'));
    assert.ok((await w.give('x', reserve)).ok, 'what is there now is not refused');
    await other.execute(
      stocks,
      STREAM,
      { type: 'ReleaseUnits', data: { reservationId: 'x/1', keep: 0 } },
      as('let-go'),
    );
    await other.execute(stocks, STREAM, receive(1), as('three'));
    const again = await w.give('three', receive(1));
    assert.ok(again.ok && again.events.length === 0, 'another carried it out');
    assert.is((await w.stored()).length, 5);
  },
);

conflicts('that always is first ends in a conflict to be tried later', async () => {
  const w = world({ attempts: 5 });
  const other = createExecutor({ store: w.store, clock: w.clock });
  let n = 0;
  w.races(() => other.execute(stocks, STREAM, receive(), as(`other-${n++}`)));
  const error = await failure(w.give('mine'));
  assert.instance(error, ConflictError);
  assert.is((error as ConflictError).retriable, true);
  assert.is(w.counts.appends, 5);
  w.races(undefined);
  assert.ok((await w.give('mine')).ok);
});
conflicts.run();

const reading = suite('the store');

reading(
  'is not read for a stream that was looked at just now, nor for a new one: the append tells',
  async () => {
    const w = world();
    const order = () =>
      w.executor.execute(orders, orderStream(ORDER_ID), { type: 'PlaceOrder', data: placing() }, as('place'));
    assert.ok((await order()).ok);
    assert.equal(w.counts, { appends: 1, reads: 0, events: 0 });
    await w.give('a');
    await w.give('b');
    assert.equal(w.counts, { appends: 3, reads: 1, events: 0 }, 'of a stock there may be a snapshot');
    await w.clock.advance(1_000);
    await w.give('c');
    assert.equal(w.counts, { appends: 4, reads: 2, events: 0 });
    assert.ok((await order()).ok);
    assert.equal(w.counts, { appends: 4, reads: 3, events: 0 }, 'nothing to append tells nothing');
  },
);
reading.run();

const repeats = suite('a repeat');

repeats('answers the revision that it led to then', async () => {
  const w = world();
  await w.executor.execute(
    orders,
    orderStream(ORDER_ID),
    { type: 'PlaceOrder', data: placing() },
    as('place'),
  );
  const held = await w.executor.execute(
    orders,
    orderStream(ORDER_ID),
    { type: 'HoldOrder', data: { hold: 'h', reason: 'r' } },
    as('hold'),
  );
  await w.executor.execute(
    orders,
    orderStream(ORDER_ID),
    { type: 'CancelOrder', data: { reason: 'r' } },
    as('cancel'),
  );
  const again = await w.executor.execute(
    orders,
    orderStream(ORDER_ID),
    { type: 'HoldOrder', data: { hold: 'h', reason: 'r' } },
    as('hold'),
  );
  assert.ok(again.ok && again.events.length === 0);
  assert.is(again.revision, held.revision);
  assert.ok(again.ok && again.position !== undefined);
});

repeats('in the same batch is one effect, answered once it is durable', async () => {
  const w = world();
  const [first, second] = await Promise.all([w.give('same'), w.give('same')]);
  assert.equal([first.revision, second.revision], [0, 0]);
  assert.equal(
    first.ok && second.ok && [first.events.length, second.events.length, first.position === second.position],
    [1, 0, true],
  );
  assert.is((await w.stored()).length, 1);
});

repeats('after an answer that was lost is recognised', async () => {
  const w = world();
  w.breaks('after');
  assert.instance(await failure(w.give('lost')), StoreUnavailable);
  w.breaks(undefined);
  const again = await w.give('lost');
  assert.ok(again.ok && again.events.length === 0 && again.revision === 0);
  assert.is((await w.stored()).length, 1);
});

repeats(
  'by another process at once, at its own time, hears what is stored, and goes on behind that',
  async () => {
    const w = world();
    const other = createExecutor({ store: w.store, clock: fakeClock('2030-01-01T00:00:07.000Z') });
    let answered: Awaited<ReturnType<typeof w.give>> | undefined;
    w.races(async () => void (answered ??= await other.execute(stocks, STREAM, receive(), as('same'))));
    const second = await w.give('same');
    assert.is(second.revision, 0);
    assert.ok(second.ok && second.events.length === 0 && answered?.ok && answered.events.length === 1);
    w.races(undefined);
    await w.give('next');
    const [first, next] = await w.stored();
    assert.is(first?.meta.recordedAt, '2030-01-01T00:00:07.000Z');
    assert.is(next?.meta.previousHash, hashOf(first!), 'the chain holds');
  },
);

repeats('of what has no events in an empty stream answers -1', async () => {
  const w = world();
  const none = await w.give('n', { type: 'ReleaseUnits', data: { reservationId: 'x/1', keep: 1 } });
  assert.is(none.revision, -1);
  assert.is(w.counts.appends, 0);
});
repeats.run();

const failing = suite('a store that is away');

failing('rejects all that waited, keeps nothing, and is asked anew', async () => {
  const w = world();
  await w.give('a');
  w.breaks('before');
  const errors = await Promise.all([failure(w.give('b')), failure(w.give('c'))]);
  assert.ok(errors.every((error) => error instanceof StoreUnavailable));
  w.breaks(undefined);
  // Another process goes on meanwhile: what was cached is not trusted.
  await createExecutor({ store: w.store, clock: w.clock }).execute(stocks, STREAM, receive(), as('other'));
  const next = await w.give('d');
  assert.is(next.revision, 2);
  assert.is((await w.stored()).length, 3);
});
failing.run();

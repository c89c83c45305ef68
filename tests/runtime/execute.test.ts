/** Load, decide, append: together, in order, once, and bounded. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import { orderStream } from '../../domain/order/events.ts';
import { stockStream, type StockCommand } from '../../domain/stock/stock.ts';
import { StoreUnavailable, type EventStore } from '../../ports/event-store.ts';
import { orders, products, stocks } from '../../runtime/aggregates.ts';
import { hashOf, NO_HASH } from '../../runtime/chain.ts';
import {
  ConflictError,
  createExecutor,
  Overloaded,
  type Context,
  type ExecutorOptions,
} from '../../runtime/execute.ts';
import { eventIdOf } from '../../runtime/identity.ts';
import { fakeClock } from '../fake-clock.ts';
import { ORDER_ID, placing } from '../domain/scenario.ts';

const actor: Actor = { id: 'test', role: 'system' };
const START = '2030-01-01T00:00:00.000Z';
const STREAM = stockStream('MUG');
const receive = (quantity = 1): StockCommand => ({ type: 'ReceiveGoods', data: { quantity } });
const as = (commandId: string, more: Partial<Context> = {}): Context => ({ commandId, actor, ...more });

type Fault = 'before' | 'after' | undefined;
/** A store that counts, loses races and breaks on demand; all in memory. */
const world = (options: Partial<ExecutorOptions> = {}) => {
  const store = memoryEventStore();
  const books = memoryBookkeeping();
  const clock = fakeClock(START);
  const counts = { appends: 0, reads: 0, events: 0 };
  let fault: Fault;
  let race: (() => Promise<unknown>) | undefined;
  const watched: EventStore = {
    ...store,
    async append(stream, expected, events) {
      counts.appends++;
      if (fault === 'before') throw new StoreUnavailable('broken');
      await race?.();
      const answer = await store.append(stream, expected, events);
      if (fault === 'after') throw new StoreUnavailable('the answer was lost');
      return answer;
    },
    async *readStream(stream, range) {
      counts.reads++;
      for await (const event of store.readStream(stream, range)) {
        counts.events++;
        yield event;
      }
    },
  };
  const executor = createExecutor({ store: watched, books, clock, ...options });
  return {
    store,
    books,
    clock,
    counts,
    executor,
    watched,
    breaks: (how: Fault) => void (fault = how),
    /** `work` runs just before each append: another process that is faster. */
    races: (work: (() => Promise<unknown>) | undefined) => void (race = work),
    give: (commandId: string, command: StockCommand = receive(), more: Partial<Context> = {}) =>
      executor.execute(stocks, STREAM, command, as(commandId, more)),
    async stored(stream = STREAM): Promise<EventEnvelope[]> {
      const events: EventEnvelope[] = [];
      for await (const event of store.readStream(stream)) events.push(event);
      return events;
    },
  };
};
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
    Array.from({ length: 50 }, (_, n) => eventIdOf(STREAM, `c${n}`, 0)),
  );
});

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

repeats('of what has no events in an empty stream answers -1', async () => {
  const w = world();
  const none = await w.give('n', { type: 'ReleaseUnits', data: { reservationId: 'x/1', keep: 0 } });
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

const stored = suite('what is stored');

stored('is chained by hashes, also over batches, processes and evictions', async () => {
  const w = world({ cacheLines: 1 });
  for (let n = 0; n < 3; n++)
    await Promise.all([
      w.give(`a${n}`),
      w.give(`b${n}`),
      w.executor.execute(stocks, stockStream(`S${n}`), receive(), as(`s${n}`)),
    ]);
  await createExecutor({ store: w.store, clock: w.clock }).execute(stocks, STREAM, receive(), as('other'));
  await w.give('last');
  const events = await w.stored();
  assert.is(events.length, 8);
  assert.equal(
    events.map((e) => e.meta.previousHash),
    [NO_HASH, ...events.slice(0, -1).map(hashOf)],
  );
});

stored('hashes what is stored, not how it was written down', () => {
  const event = {
    id: 'i',
    type: 'T',
    schema: 1,
    stream: 's-1',
    revision: 0,
    position: '1',
    data: { b: 1, a: [1, { d: undefined, c: 2 }] },
    meta: {},
  } as unknown as EventEnvelope;
  const same = { ...event, position: '2', data: { a: [1, { c: 2 }], b: 1 } } as unknown as EventEnvelope;
  assert.is(hashOf(event), hashOf(same));
  assert.is(hashOf(event), hashOf(JSON.parse(JSON.stringify(event)) as EventEnvelope));
  assert.is.not(hashOf(event), hashOf({ ...event, revision: 1 }));
});

stored('says when it happened, never earlier than what is before it, and when it was recorded', async () => {
  const w = world();
  await w.give('a', receive(), { at: '2029-06-01T00:00:00.000Z', origin: 'import' });
  await Promise.all([w.give('b', receive(), { at: '2029-05-01T00:00:00.000Z' }), w.give('c')]);
  await w.clock.advance(1_000);
  await w.give('d', receive(), { correlationId: 'k', causationId: 'e', traceparent: 't' });
  const metas = (await w.stored()).map(({ meta }) => meta);
  assert.equal(
    metas.map(({ at }) => at),
    ['2029-06-01T00:00:00.000Z', '2029-06-01T00:00:00.000Z', START, '2030-01-01T00:00:01.000Z'],
  );
  assert.equal(
    metas.map(({ recordedAt }) => recordedAt),
    [START, START, START, '2030-01-01T00:00:01.000Z'],
  );
  assert.equal(
    metas.map(({ origin }) => origin),
    ['import', 'live', 'live', 'live'],
  );
  assert.equal(
    [
      metas[0]?.correlationId,
      metas[0]?.causationId,
      metas[3]?.correlationId,
      metas[3]?.causationId,
      metas[3]?.traceparent,
    ],
    [STREAM, 'a', 'k', 'e', 't'],
  );
});
stored('by another process sets the time that later events go by', async () => {
  const w = world();
  await createExecutor({ store: w.store, clock: w.clock }).execute(
    stocks,
    STREAM,
    receive(),
    as('other', { at: '2031-01-01T00:00:00.000Z' }),
  );
  await w.give('mine');
  assert.equal(
    (await w.stored()).map(({ meta }) => meta.at),
    ['2031-01-01T00:00:00.000Z', '2031-01-01T00:00:00.000Z'],
  );
});
stored.run();

const cached = suite('folded states');

cached('are kept, and only what is new is read', async () => {
  const w = world();
  await Promise.all(Array.from({ length: 20 }, (_, n) => w.give(`c${n}`)));
  const before = w.counts.events;
  await w.give('more');
  assert.is(w.counts.events, before);
  await createExecutor({ store: w.store, clock: w.clock }).execute(stocks, STREAM, receive(5), as('other'));
  const { state, revision } = await w.executor.load(stocks, STREAM);
  assert.equal([state.onHand, revision], [26, 21]);
  assert.is(w.counts.events, before + 1);
});

cached('that were evicted are folded again', async () => {
  const w = world({ cacheLines: 15 });
  for (let round = 0; round < 3; round++)
    for (let n = 0; n < 5; n++)
      await w.executor.execute(stocks, stockStream(`S${n}`), receive(), as(`${round}-${n}`));
  for (let n = 0; n < 5; n++) {
    const { state, revision } = await w.executor.load(stocks, stockStream(`S${n}`));
    assert.equal([state.onHand, revision], [3, 2]);
  }
  assert.ok(w.counts.events > 0, 'nothing was ever evicted');
});

cached('are loaded at once while they are changed, and stay right', async () => {
  const w = world();
  const work = Array.from({ length: 30 }, (_, n) =>
    n % 3 === 0 ? w.executor.load(stocks, STREAM) : w.give(`c${n}`),
  );
  await Promise.all(work);
  await w.give('last');
  const events = await w.stored();
  assert.is(events.length, 21);
  assert.equal(
    events.map((e) => e.meta.previousHash),
    [NO_HASH, ...events.slice(0, -1).map(hashOf)],
  );
});

cached('of a stream that is not there are empty', async () => {
  const { state, revision, position } = await world().executor.load(products, 'product-none');
  assert.equal([state.listed, revision, position], [false, -1, undefined]);
});
cached.run();

const snapshots = suite('snapshots');

snapshots('save the fold of a long stream, and losing them changes nothing', async () => {
  const w = world({ snapshotEvery: 10 });
  for (let n = 0; n < 35; n++) await w.give(`c${n}`, receive(n + 1));
  const fresh = createExecutor({ store: w.watched, books: w.books, clock: w.clock, snapshotEvery: 10 });
  w.counts.events = 0;
  const withSnapshot = await fresh.load(stocks, STREAM);
  assert.ok(w.counts.events < 10, `${w.counts.events} events were read`);
  const without = await createExecutor({ store: w.store, clock: w.clock }).load(stocks, STREAM);
  assert.equal(withSnapshot.state, without.state);
  assert.equal(withSnapshot.revision, without.revision);
});

snapshots('carry on the chain of hashes and the time', async () => {
  const w = world({ snapshotEvery: 5 });
  for (let n = 0; n < 5; n++) await w.give(`c${n}`, receive(), { at: '2031-01-01T00:00:00.000Z' });
  const fresh = createExecutor({ store: w.watched, books: w.books, clock: w.clock, snapshotEvery: 5 });
  w.counts.events = 0;
  await fresh.execute(stocks, STREAM, receive(), as('next'));
  assert.is(w.counts.events, 0, 'the snapshot is at the tail');
  const events = await w.stored();
  assert.equal(
    events.map((e) => e.meta.previousHash),
    [NO_HASH, ...events.slice(0, -1).map(hashOf)],
  );
  assert.is(events.at(-1)?.meta.at, '2031-01-01T00:00:00.000Z');
});

snapshots('that cannot be saved stop nothing', async () => {
  const books = { ...memoryBookkeeping(), saveSnapshot: () => Promise.reject(new Error('full')) };
  const w = world({ books, snapshotEvery: 2 });
  for (let n = 0; n < 6; n++) assert.ok((await w.give(`c${n}`)).ok);
});

snapshots('are not kept of short streams', async () => {
  const w = world({ snapshotEvery: 1 });
  await w.executor.execute(
    orders,
    orderStream(ORDER_ID),
    { type: 'PlaceOrder', data: placing() },
    as('place'),
  );
  assert.is(await w.books.snapshot(orderStream(ORDER_ID), 'stock-1'), undefined);
});
snapshots.run();

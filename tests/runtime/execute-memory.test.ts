/** What the executor stores, what it keeps folded, and its snapshots. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memorySnapshots } from '../../adapters/memory/bookkeeping.ts';
import type { EventEnvelope } from '../../domain/kernel.ts';
import { orderStream } from '../../domain/order/events.ts';
import { stockStream, stocks } from '../../domain/stock/stock.ts';
import { orders } from '../../domain/order/order.ts';
import { APPEND_BYTES, AppendTooLarge } from '../../ports/event-store.ts';
import { products } from '../../domain/product/product.ts';
import { hashOf, NO_HASH } from '../../runtime/command/chain.ts';
import { createExecutor } from '../../runtime/command/execute.ts';
import { ORDER_ID, placing } from '../domain/scenario.ts';
import { as, receive, START, STREAM, world } from './execute-world.ts';

const stored = suite('what is stored');

stored('is chained by hashes, also over batches, processes and evictions', async () => {
  const w = world({ cacheWeight: 1 });
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

stored(
  'commands whose events are too much for one append go in several; one that is too much alone is refused',
  async () => {
    const w = world();
    const reason = 'x'.repeat(300_000);
    const goods = (text: string) => ({ type: 'ReceiveGoods', data: { quantity: 1, reason: text } }) as const;
    const given = await Promise.allSettled([
      ...['a', 'b', 'c', 'd', 'e'].map((id) => w.give(id, goods(reason))),
      w.give('all too much', goods('x'.repeat(APPEND_BYTES))),
      w.give('f'),
    ]);
    assert.equal(
      given.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    );
    assert.instance((given[5] as PromiseRejectedResult).reason, AppendTooLarge);
    assert.equal(
      (await w.stored()).map(({ meta }) => meta.commandId),
      ['a', 'b', 'c', 'd', 'e', 'f'],
    );
  },
);

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
  const w = world({ cacheWeight: 15 });
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
  const fresh = createExecutor({
    store: w.watched,
    snapshots: w.snapshots,
    clock: w.clock,
    snapshotEvery: 10,
  });
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
  const fresh = createExecutor({
    store: w.watched,
    snapshots: w.snapshots,
    clock: w.clock,
    snapshotEvery: 5,
  });
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
  const broken = { ...memorySnapshots(), save: () => Promise.reject(new Error('full')) };
  const w = world({ snapshots: broken, snapshotEvery: 2 });
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
  assert.is(await w.snapshots.get(orderStream(ORDER_ID), 'stock-1'), undefined);
});
snapshots.run();

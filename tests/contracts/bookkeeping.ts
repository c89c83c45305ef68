import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { Blocked, Bookkeeping } from '../../ports/bookkeeping.ts';
import { newEvent } from './event-store.ts';

export type Made = Readonly<{ books: Bookkeeping; close(): Promise<void> }>;

const event = (id: string, stream: string, type = 'OrderPlaced'): EventEnvelope => ({
  ...newEvent(id, type),
  stream,
  revision: 0,
  position: '0000000000000001' as Position,
});
const blockedBy = (consumer: string, stream: string, more: Partial<Blocked> = {}): Blocked => ({
  id: `${consumer}-${stream}`,
  consumer,
  stream,
  state: 'parked',
  event: event(`${stream}.0`, stream),
  error: { message: 'no', stack: 'at' },
  attempts: 3,
  firstAt: '2026-01-01T00:00:00.000Z',
  lastAt: '2026-01-01T00:01:00.000Z',
  ...more,
});

/** What every bookkeeping must do. */
export const bookkeepingContract = (name: string, make: () => Promise<Made>): void => {
  const test = suite<{ made: Made; books: Bookkeeping }>(`bookkeeping: ${name}`);
  test.before.each(async (context) => {
    context.made = await make();
    context.books = context.made.books;
  });
  test.after.each(({ made }) => made.close());

  test('moves a checkpoint only from where it is expected', async ({ books }) => {
    assert.is(await books.checkpoint('payment', 'all'), undefined);
    assert.is(await books.saveCheckpoint('payment', 'all', '1', '2'), false);
    assert.is(await books.saveCheckpoint('payment', 'all', undefined, ''), true);
    assert.is(await books.saveCheckpoint('payment', 'all', undefined, '9'), false);
    assert.is(await books.checkpoint('payment', 'all'), '');
    const moved = await Promise.all(
      ['a', 'b', 'c'].map((to) => books.saveCheckpoint('payment', 'all', '', to)),
    );
    assert.equal(moved.filter(Boolean).length, 1);
    assert.is(await books.checkpoint('payment', 'other'), undefined);
    assert.is(await books.checkpoint('mail', 'all'), undefined);
  });

  test('a blocked stream queues events once each, in order, and is free when the queue is empty', async ({
    books,
  }) => {
    const blocked = blockedBy('mail', 'order-1');
    await books.block(blocked);
    for (const id of ['e1', 'e2', 'e1', 'order-1.0'])
      await books.enqueue('mail', 'order-1', event(id, 'order-1'));
    await books.enqueue('mail', 'order-2', event('other', 'order-2'));
    assert.equal(await books.blocked(blocked.id), { ...blocked, queued: 3 });
    assert.equal(await books.head('mail', 'order-1'), blocked.event);
    assert.is(await books.dequeue('mail', 'order-1', 'e1'), 'more', 'not the head: nothing is taken');
    assert.is((await books.blocked(blocked.id))?.queued, 3);
    assert.is(await books.dequeue('mail', 'order-1', 'order-1.0'), 'more');
    assert.is((await books.head('mail', 'order-1'))?.id, 'e1');
    await books.block({ ...blocked, event: event('e1', 'order-1'), attempts: 1 });
    assert.equal(
      [(await books.blocked(blocked.id))?.attempts, (await books.blocked(blocked.id))?.queued],
      [1, 2],
      'replaced, the queue as it was',
    );
    assert.is(await books.dequeue('mail', 'order-1', 'e1'), 'more');
    assert.is(await books.dequeue('mail', 'order-1', 'e2'), 'empty');
    assert.is(await books.blocked(blocked.id), undefined);
    assert.is(await books.head('mail', 'order-1'), undefined);
    assert.is(await books.dequeue('mail', 'order-1', 'e2'), 'empty', 'again');
    assert.is((await books.head('mail', 'order-2'))?.id, 'other');
    await books.block(blocked);
    assert.is((await books.blocked(blocked.id))?.queued, 1, 'blocked anew');
  });

  test('keeps a long queue in order', async ({ books }) => {
    await books.block(blockedBy('mail', 'order-1'));
    const ids = Array.from({ length: 30 }, (_, i) => `e${i}`);
    await Promise.all(ids.map((id) => books.enqueue('mail', 'order-1', event(id, 'order-1'))));
    const left: string[] = [];
    for (let head = await books.head('mail', 'order-1'); head; head = await books.head('mail', 'order-1')) {
      left.push(head.id);
      await books.dequeue('mail', 'order-1', head.id);
    }
    assert.equal(left, ['order-1.0', ...ids]);
  });

  test('finds blocked streams by what they are, in pages', async ({ books }) => {
    for (let i = 0; i < 5; i++) await books.block(blockedBy('mail', `order-${i}`));
    const retrying = blockedBy('payment', 'order-3', {
      state: 'retrying',
      dueAt: '2026-01-01T00:02:00.000Z',
      event: event('p', 'order-3', 'OrderClosed'),
    });
    await books.block(retrying);
    const find = async (
      ...[filter, page]: [
        Parameters<Bookkeeping['findBlocked']>[0],
        Parameters<Bookkeeping['findBlocked']>[1]?,
      ]
    ) => {
      const { items, next } = await books.findBlocked(filter, page ?? { limit: 10 });
      return `${items.map(({ id }) => id).join(' ')} ${next}`;
    };
    assert.is(await find({ stream: 'order-3' }), 'mail-order-3 payment-order-3 null');
    assert.is(
      await find({ consumer: 'mail' }, { limit: 3 }),
      'mail-order-0 mail-order-1 mail-order-2 mail-order-2',
    );
    assert.is(
      await find({ consumer: 'mail' }, { limit: 3, after: 'mail-order-2' }),
      'mail-order-3 mail-order-4 null',
    );
    assert.is(
      await find({ consumer: 'mail' }, { limit: 5 }),
      'mail-order-0 mail-order-1 mail-order-2 mail-order-3 mail-order-4 null',
    );
    assert.is(await find({ type: 'OrderClosed' }), 'payment-order-3 null');
    assert.is(await find({ state: 'parked', stream: 'order-3' }), 'mail-order-3 null');
    assert.equal((await books.findBlocked({ state: 'retrying' }, { limit: 1 })).items, [retrying]);
  });

  test('schedules, moves and forgets what falls due', async ({ books }) => {
    const day = (n: number) => `2026-01-0${n}T00:00:00.000Z`;
    await books.schedule('expiry', 'a', day(3));
    await books.schedule('expiry', 'b', day(1));
    await books.schedule('expiry', 'c', day(2));
    await books.schedule('expiry', 'd', day(9));
    await books.schedule('other', 'a', day(1));
    assert.equal(await books.due('expiry', day(3), 10), [
      { key: 'b', dueAt: day(1) },
      { key: 'c', dueAt: day(2) },
      { key: 'a', dueAt: day(3) },
    ]);
    assert.equal(
      (await books.due('expiry', day(3), 2)).map(({ key }) => key),
      ['b', 'c'],
    );
    await books.schedule('expiry', 'b', day(4));
    await books.unschedule('expiry', 'c');
    await books.unschedule('expiry', 'never');
    assert.equal(
      (await books.due('expiry', day(5), 10)).map(({ key }) => key),
      ['a', 'b'],
    );
    assert.equal(await books.due('expiry', day(1), 10), []);
  });

  test('a snapshot is found under its shape alone', async ({ books }) => {
    const snapshot = {
      revision: 7,
      state: { onHand: 3, list: [1, null] },
      previousHash: 'f'.repeat(64),
      at: '2026-01-01T00:00:00.000Z',
    };
    await books.saveSnapshot('stock-x', 'stock@1', snapshot);
    assert.equal(await books.snapshot('stock-x', 'stock@1'), snapshot);
    await books.saveSnapshot('stock-x', 'stock@1', { ...snapshot, revision: 8 });
    assert.is((await books.snapshot('stock-x', 'stock@1'))?.revision, 8);
    assert.is(await books.snapshot('stock-x', 'stock@2'), undefined);
    assert.is(await books.snapshot('stock-y', 'stock@1'), undefined);
  });

  test.run();
};

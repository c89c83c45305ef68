import * as assert from 'uvu/assert';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { BlockedFilter, BlockedLane, BlockedLanes, BlockedPage } from '../../ports/blocked-lanes.ts';
import { newEvent } from './event-store.ts';
import { contract, type Make } from './making.ts';

const event = (id: string, at: number, stream = 'order-1', type = 'OrderPlaced'): EventEnvelope => ({
  ...newEvent(id, type),
  stream,
  revision: 0,
  position: String(at).padStart(16, '0') as Position,
});
const blockedBy = (consumer: string, key: string, more: Partial<BlockedLane> = {}): BlockedLane => ({
  id: `${consumer}-${key}`,
  consumer,
  partition: 'all',
  key,
  state: 'parked',
  event: event(`${key}.0`, 10, key),
  error: { message: 'no', stack: 'at' },
  attempts: 3,
  firstAt: '2026-01-01T00:00:00.000Z',
  lastAt: '2026-01-01T00:01:00.000Z',
  ...more,
});

/** What every adapter for blocked lanes must do. */
export const blockedLanesContract = (name: string, make: Make<BlockedLanes>): void => {
  const { test, run } = contract(`blocked lanes: ${name}`, make);
  const queue = async (lanes: BlockedLanes, id: string): Promise<readonly string[]> => {
    const left: string[] = [];
    for (let head = await lanes.head(id); head; head = await lanes.head(id)) {
      left.push(head.id);
      await lanes.dequeue(id, head.id);
    }
    return left;
  };

  test('a lane queues events once each, in the order of positions, and is free when nothing waits', async (lanes) => {
    const blocked = blockedBy('mail', 'order-1');
    const { id } = blocked;
    assert.is(await lanes.block(blocked), 'kept');
    for (const [other, at] of [
      ['e2', 12],
      ['e1', 11],
      ['e2', 12],
      ['order-1.0', 10],
    ] as const)
      assert.is(await lanes.enqueue(id, event(other, at)), 'kept');
    await lanes.enqueue('mail-order-2', event('other', 1, 'order-2'));
    assert.equal(await lanes.get(id), { ...blocked, queued: 3 });
    assert.equal(await lanes.head(id), blocked.event);
    assert.is(await lanes.dequeue(id, 'order-1.0'), 'more');
    assert.is(await lanes.dequeue(id, 'order-1.0'), 'more', 'once more');
    assert.is((await lanes.head(id))?.id, 'e1');
    await lanes.block({ ...blocked, event: event('e1', 11), attempts: 1 });
    const replaced = await lanes.get(id);
    assert.equal([replaced?.attempts, replaced?.queued], [1, 2], 'replaced, the queue as it was');
    assert.is(await lanes.dequeue(id, 'e1'), 'more');
    assert.is(await lanes.dequeue(id, 'e2'), 'empty');
    assert.is(await lanes.get(id), undefined);
    assert.is(await lanes.head(id), undefined);
    assert.is(await lanes.dequeue(id, 'e2'), 'empty', 'again');
    assert.is((await lanes.head('mail-order-2'))?.id, 'other');
    await lanes.block(blocked);
    assert.is((await lanes.get(id))?.queued, 1, 'blocked anew');
  });

  test('an event that comes late stands where its position says', async (lanes) => {
    await lanes.block(blockedBy('mail', 'order-1'));
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => lanes.enqueue('mail-order-1', event(`e${i}`, 40 - i))),
    );
    await lanes.enqueue('mail-order-1', event('early', 5));
    assert.equal(await queue(lanes, 'mail-order-1'), [
      'early',
      'order-1.0',
      ...Array.from({ length: 30 }, (_, i) => `e${29 - i}`),
    ]);
  });

  test('a lower token than the highest so far changes nothing', async (lanes) => {
    const by = (token: number) => ({ lease: 'consume:mail', token });
    const blocked = blockedBy('mail', 'order-1');
    assert.is(await lanes.block(blocked, by(2)), 'kept');
    assert.is(await lanes.block({ ...blocked, attempts: 9 }, by(1)), 'fenced');
    assert.is(await lanes.enqueue(blocked.id, event('late', 11), by(1)), 'fenced');
    assert.is(await lanes.dequeue(blocked.id, blocked.event.id, by(1)), 'fenced');
    assert.equal(await lanes.get(blocked.id), { ...blocked, queued: 1 });
    assert.is(await lanes.dequeue(blocked.id, blocked.event.id, by(3)), 'empty');
    assert.is(await lanes.block(blocked, by(2)), 'fenced');
  });

  test('who takes lanes over is guarded from the one before, from then on', async (lanes) => {
    const by = (token: number) => ({ lease: 'consume:mail', token });
    const blocked = blockedBy('mail', 'order-1');
    await lanes.block(blocked, by(1));
    assert.is(await lanes.guard(by(2)), 'kept');
    assert.is(await lanes.enqueue(blocked.id, event('late', 11), by(1)), 'fenced');
    assert.is(await lanes.guard(by(1)), 'fenced');
    assert.is(await lanes.enqueue(blocked.id, event('next', 12), by(2)), 'kept');
    assert.equal(await queue(lanes, blocked.id), ['order-1.0', 'next']);
  });

  test('counts the lanes of a consumer, and knows the one that has waited for longest', async (lanes) => {
    assert.equal(await lanes.tally('mail'), { retrying: 0, parked: 0 });
    const day = (n: number): string => `2026-01-0${n}T00:00:00.000Z`;
    await lanes.block(blockedBy('mail', 'order-1', { firstAt: day(3) }));
    await lanes.block(blockedBy('mail', 'order-2', { firstAt: day(2), state: 'retrying', dueAt: day(9) }));
    await lanes.block(blockedBy('mail', 'order-3', { firstAt: day(4) }));
    await lanes.block(blockedBy('stock', 'order-4', { firstAt: day(1) }));
    assert.equal(await lanes.tally('mail'), {
      retrying: 1,
      parked: 2,
      oldest: { id: 'mail-order-2', stream: 'order-2', firstAt: day(2) },
    });
    await lanes.dequeue('mail-order-2', 'order-2.0');
    assert.equal(await lanes.tally('mail'), {
      retrying: 0,
      parked: 2,
      oldest: { id: 'mail-order-1', stream: 'order-1', firstAt: day(3) },
    });
  });

  test('finds blocked lanes by what they are, in pages', async (lanes) => {
    for (let i = 0; i < 5; i++) await lanes.block(blockedBy('mail', `order-${i}`));
    const retrying = blockedBy('payment', 'order-3', {
      state: 'retrying',
      dueAt: '2026-01-01T00:02:00.000Z',
      event: event('p', 3, 'order-3', 'OrderClosed'),
    });
    await lanes.block(retrying);
    const find = async (filter: BlockedFilter, page: BlockedPage = { limit: 10 }): Promise<string> => {
      const { items, next } = await lanes.find(filter, page);
      return `${items.map(({ id }) => id).join(' ')} ${next}`;
    };
    assert.is(await find({ stream: 'order-3' }), 'mail-order-3 payment-order-3 null');
    const [first, rest] = ['mail-order-0 mail-order-1 mail-order-2', 'mail-order-3 mail-order-4'];
    assert.is(await find({ consumer: 'mail' }, { limit: 3 }), `${first} mail-order-2`);
    assert.is(await find({ consumer: 'mail' }, { limit: 3, after: 'mail-order-2' }), `${rest} null`);
    assert.is(await find({ consumer: 'mail' }, { limit: 5 }), `${first} ${rest} null`);
    assert.is(await find({ type: 'OrderClosed' }), 'payment-order-3 null');
    assert.is(await find({ state: 'parked', stream: 'order-3' }), 'mail-order-3 null');
    assert.is(await find({}, { limit: 9 }), `${first} ${rest} payment-order-3 null`);
    assert.equal((await lanes.find({ state: 'retrying' }, { limit: 1 })).items, [retrying]);
  });
  run();
};

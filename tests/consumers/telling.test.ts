import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analytics } from '../../consumers/analytics/index.ts';
import { deadlines } from '../../consumers/deadlines/index.ts';
import { notification } from '../../consumers/notification/index.ts';
import type { ShopConsumer } from '../../shop/consumer-deps.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { EXPIRES_AT, ORDER_ID, placing } from '../domain/scenario.ts';
import { CONTACT, worldOf } from './world.ts';

const placedIn = async (consumer: ShopConsumer) => {
  const world = worldOf(consumer);
  await world.place();
  return world;
};

const mail = suite('notification consumer');

mail('writes once about an event, and puts it on record', async () => {
  const world = await placedIn(notification);
  const placed = await world.last('OrderPlaced');
  await world.handle(placed);
  await world.handle(placed);
  assert.equal(
    world.mails.map(({ messageId, to }) => [messageId, to]),
    [[`${placed.id}@orderfold`, CONTACT.email]],
  );
  assert.match(world.mails[0]?.text ?? '', /£85\.00[\s\S]*3 × Mug/);
  assert.equal(await world.types(), ['OrderPlaced', 'CustomerNotified']);
});

mail('sent and not on record, for the store broke: sent again as the same message', async () => {
  const world = await placedIn(notification);
  const placed = await world.last('OrderPlaced');
  world.breakNextCommand(new StoreUnavailable('full'));
  await world.handle(placed).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.name, 'StoreUnavailable'),
  );
  await world.handle(placed);
  assert.is(world.mails.length, 2);
  assert.equal(world.mails[0], world.mails[1]);
});

mail('writes nobody whose data was erased, or was never known', async () => {
  const erased = await placedIn(notification);
  await erased.deps.vault.erase('c-1');
  await erased.handle(await erased.last('OrderPlaced'));
  const stranger = worldOf(notification);
  await stranger.command({ type: 'PlaceOrder', data: placing() }, { commandId: ORDER_ID });
  await stranger.handle(await stranger.last('OrderPlaced'));
  for (const world of [erased, stranger]) {
    assert.equal(world.mails, []);
    assert.equal(await world.types(), ['OrderPlaced']);
  }
});

mail('has something to say about each event that it listens to', async () => {
  const world = await placedIn(notification);
  await world.confirm();
  await world.command({
    type: 'CancelLines',
    data: { lines: [{ lineId: '2', quantity: 1 }], reason: 'out_of_stock' },
  });
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  for (const type of ['OrderPlaced', 'OrderConfirmed', 'LinesCancelled', 'OrderCancelled'])
    await world.handle(await world.last(type));
  assert.is(new Set(world.mails.map(({ subject }) => subject)).size, 4);
  assert.is(new Set(world.mails.map(({ messageId }) => messageId)).size, 4);
});
mail.run();

const figures = suite('analytics consumer');

figures('gives a fact that names nobody, under the same id when it is given again', async () => {
  const world = await placedIn(analytics);
  const placed = await world.last('OrderPlaced');
  await world.handle(placed);
  await world.handle(placed);
  const [fact, again] = world.facts;
  assert.equal(fact, again);
  assert.equal(
    [fact?.factId, fact?.type, fact?.orderId, fact?.units, fact?.totalMinor],
    [placed.id, 'OrderPlaced', ORDER_ID, 5, 8_500],
  );
  const text = JSON.stringify(fact);
  // In quotes: an id of an event may end one of its parts in it.
  for (const secret of [CONTACT.name, CONTACT.email, '"c-1"', 'box', 'tok'])
    assert.not.ok(text.includes(secret), `${secret} in ${text}`);
  assert.ok(
    Object.values(fact ?? {}).every((value) => typeof value !== 'object'),
    'it is flat',
  );
});
figures.run();

const clock = suite('deadlines consumer');

clock('an open order has a deadline; held, confirmed or cancelled it has none', async () => {
  const world = await placedIn(deadlines);
  await world.handle(await world.last('OrderPlaced'));
  assert.equal(await world.deadlines(), [[ORDER_ID, EXPIRES_AT]]);

  await world.command({ type: 'HoldOrder', data: { hold: 'operator', reason: 'looks odd' } });
  await world.handle(await world.last('OrderHeld'));
  assert.equal(await world.deadlines(), []);

  await world.clock.advance(600_000);
  await world.command({ type: 'ReleaseOrder', data: { hold: 'operator', reason: 'all is well' } });
  await world.handle(await world.last('OrderReleased'));
  assert.equal(
    await world.deadlines(),
    [[ORDER_ID, '2030-01-01T00:40:00.000Z']],
    'the hold stopped the clock',
  );

  await world.confirm();
  await world.handle(await world.last('OrderConfirmed'));
  assert.equal(await world.deadlines(), []);
  await world.handle(await world.last('OrderPlaced'));
  assert.equal(await world.deadlines(), [], 'an event that comes late sets none');
});

clock('a cancelled order has none', async () => {
  const world = await placedIn(deadlines);
  await world.handle(await world.last('OrderPlaced'));
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  await world.handle(await world.last('OrderCancelled'));
  assert.equal(await world.deadlines(), []);
});
clock.run();

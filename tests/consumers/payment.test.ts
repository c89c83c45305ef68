import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { payment } from '../../consumers/payment/index.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { dispatch, message, ORDER_ID, SHIPMENT } from '../domain/scenario.ts';
import { unknown, worldOf } from './world.ts';

const test = suite('payment consumer');
const AUTHORIZE = `authorize ${ORDER_ID}:authorize:1`;
const AUTHORIZATION = `auth-${ORDER_ID}:authorize:1`;

const thrownBy = async (work: Promise<unknown>): Promise<Error> => {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  return assert.unreachable('nothing was thrown') as never;
};
/** Placed and authorized. */
const authorized = async () => {
  const world = worldOf(payment);
  await world.place();
  await world.handle(await world.last('OrderPlaced'));
  return world;
};
/** Its stock is reserved too, and the warehouse asked for everything. */
const requested = async () => {
  const world = await authorized();
  const { lines } = await world.state();
  await world.command({
    type: 'RecordStock',
    data: {
      lines: lines.map(({ lineId, ordered }) => ({ lineId, reserved: ordered, backordered: 0, short: 0 })),
    },
  });
  await world.command({ type: 'RequestShipment', data: {} });
  return world;
};

test('an order is authorized once, however often its event comes', async () => {
  const world = await authorized();
  await world.handle(await world.last('OrderPlaced'));
  await world.handle(await world.last('PaymentAuthorized'));
  assert.equal(world.gateway.calls, [AUTHORIZE]);
  assert.equal(await world.types(), ['OrderPlaced', 'PaymentAuthorized']);
  const {
    payment: { authorizations },
  } = await world.state();
  assert.equal(
    authorizations.map(({ authorizationId, amountMinor }) => [authorizationId, amountMinor]),
    [[AUTHORIZATION, 8_500]],
  );
});

for (const when of ['before', 'after'] as const)
  test(`a call that broke off ${when} it acted is repeated under its key, and acts once`, async () => {
    const world = worldOf(payment);
    await world.place();
    const placed = await world.last('OrderPlaced');
    world.gateway.breakNext({ when, error: unknown() });
    const error = await thrownBy(world.handle(placed));
    assert.equal(
      world.consumer.onFailure({ event: placed, error, attempt: 1, sinceFirstMs: 0, fraction: 0.5 }),
      { do: 'retry', afterMs: 50 },
    );
    await world.handle(placed);
    assert.equal(world.gateway.calls, [AUTHORIZE, AUTHORIZE]);
    assert.equal(world.gateway.acts, [AUTHORIZE]);
    assert.equal(await world.types(), ['OrderPlaced', 'PaymentAuthorized']);
  });

test('what the provider did and the store could not take is asked for again under the same key', async () => {
  const world = await requested();
  await world.command(message<OrderCommand>(dispatch('P', { 1: 3, 2: 2 })));
  world.breakNextCommand(new StoreUnavailable('full'));
  const sent = await world.last('ShipmentDispatched');
  assert.is((await thrownBy(world.handle(sent))).name, 'StoreUnavailable');
  await world.handle(sent);
  const capture = `capture ${ORDER_ID}:capture:P:${AUTHORIZATION}`;
  assert.equal(world.gateway.calls.slice(1), [capture, capture]);
  assert.equal(world.gateway.acts, [AUTHORIZE, capture]);
  assert.equal(
    (await world.state()).captures.map(({ amountMinor }) => amountMinor),
    [8_500],
  );
});

test('cancelled while it is not known whether the payment was authorized: it was, and is given back', async () => {
  const world = worldOf(payment);
  await world.place();
  world.gateway.breakNext({ when: 'after', error: unknown() });
  await thrownBy(world.handle(await world.last('OrderPlaced')));
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  // The one that failed is tried again first: its stream is in order.
  await world.handle(await world.last('OrderPlaced'));
  await world.handle(await world.last('OrderCancelled'));
  assert.equal(world.gateway.calls.slice(1), [
    `abandon ${ORDER_ID}:authorize:1`,
    `void ${ORDER_ID}:void:${AUTHORIZATION}`,
  ]);
  assert.equal(await world.types(), ['OrderPlaced', 'OrderCancelled', 'PaymentAuthorized', 'PaymentVoided']);
});

test('cancelled while it is not known whether the payment was authorized: it was not, and never will be', async () => {
  const world = worldOf(payment);
  await world.place();
  world.gateway.breakNext({ when: 'before', error: unknown() });
  await thrownBy(world.handle(await world.last('OrderPlaced')));
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  await world.handle(await world.last('OrderPlaced'));
  await world.handle(await world.last('OrderCancelled'));
  assert.equal(await world.types(), ['OrderPlaced', 'OrderCancelled', 'PaymentVoided']);
  assert.equal(world.gateway.acts, []);
  const late = await world.gateway.authorize({
    key: `${ORDER_ID}:authorize:1`,
    orderId: ORDER_ID,
    amountMinor: 8_500,
    currency: 'GBP',
  });
  assert.is(late.outcome, 'declined', 'the call that was under way arrives in vain');
});

test('an authorization that comes after the cancellation is voided', async () => {
  const world = worldOf(payment);
  await world.place();
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  await world.command({
    type: 'RecordAuthorization',
    data: { attempt: 1, authorizationId: 'late', amountMinor: 8_500 },
  });
  await world.handle(await world.last('PaymentAuthorized'));
  assert.equal(world.gateway.calls, [`void ${ORDER_ID}:void:late`]);
  assert.ok((await world.types()).includes('PaymentVoided'));
});

test('a decline is reported; the next attempt has a key of its own', async () => {
  const world = worldOf(payment);
  await world.place();
  world.gateway.answerNext({
    outcome: 'declined',
    code: 'card_declined',
    sentence: 'The card was declined.',
  });
  await world.handle(await world.last('OrderPlaced'));
  await world.handle(await world.last('OrderPlaced'));
  assert.equal(world.gateway.calls, [AUTHORIZE]);
  await world.command({ type: 'RetryPayment', data: { token: 'tok_other' } });
  await world.handle(await world.last('PaymentRetryRequested'));
  assert.equal(world.gateway.calls.slice(1), [`authorize ${ORDER_ID}:authorize:2`]);
  assert.equal(await world.types(), [
    'OrderPlaced',
    'PaymentDeclined',
    'PaymentRetryRequested',
    'PaymentAuthorized',
  ]);
});

test('the bank wants to see the customer: the order waits and nothing more is asked', async () => {
  const world = worldOf(payment);
  await world.place();
  world.gateway.answerNext({
    outcome: 'action_required',
    authorizationId: 'a',
    url: 'https://bank.example/1',
  });
  await world.handle(await world.last('OrderPlaced'));
  await world.handle(await world.last('OrderPlaced'));
  assert.equal(world.gateway.calls, [AUTHORIZE]);
  assert.equal(await world.types(), ['OrderPlaced', 'PaymentActionRequired']);
});

test('each parcel is captured once, what is left is given back', async () => {
  const world = await requested();
  await world.command(message<OrderCommand>(dispatch('P1', { 1: 3 })));
  const first = await world.last('ShipmentDispatched');
  await world.handle(first);
  await world.command({ type: 'RecordShipmentFailure', data: { shipmentId: SHIPMENT, reason: 'broken' } });
  await world.handle(first);
  await world.handle(await world.last('LinesCancelled'));
  assert.equal(world.gateway.acts.slice(1), [
    `capture ${ORDER_ID}:capture:P1:${AUTHORIZATION}`,
    `void ${ORDER_ID}:void:${AUTHORIZATION}`,
  ]);
  const { captures, payment: paid } = await world.state();
  assert.equal(
    captures.map(({ amountMinor }) => amountMinor),
    [3_500],
    'three mugs and the shipping',
  );
  assert.is(paid.authorizations[0]?.state, 'voided');
});

test('a refund is made once; one that fails is said to have failed', async () => {
  const world = await requested();
  await world.command(message<OrderCommand>(dispatch('P', { 1: 3, 2: 2 })));
  await world.handle(await world.last('ShipmentDispatched'));
  const ask = (refundId: string) =>
    world.command({
      type: 'RequestRefund',
      data: { refundId, amountMinor: 100, currency: 'GBP', reason: 'sorry' },
    });
  await ask('r1');
  await world.handle(await world.last('RefundRequested'));
  await world.handle(await world.last('RefundRequested'));
  world.gateway.answerNext({ outcome: 'failed', code: 'account_closed', sentence: 'The account is closed.' });
  await ask('r2');
  await world.handle(await world.last('RefundRequested'));
  assert.equal(
    world.gateway.calls.filter((call) => call.startsWith('refund')),
    [`refund ${ORDER_ID}:refund:r1`, `refund ${ORDER_ID}:refund:r2`],
  );
  assert.equal(
    (await world.state()).refunds.map(({ refundId, state }) => [refundId, state]),
    [
      ['r1', 'refunded'],
      ['r2', 'failed'],
    ],
  );
});

test('nothing to pay is no call', async () => {
  const world = worldOf(payment);
  await world.place({
    lines: [{ lineId: '1', sku: 'GIFT', name: 'Gift', quantity: 1, unitPriceMinor: 0 }],
    shippingMinor: 0,
  });
  await world.handle(await world.last('OrderPlaced'));
  assert.equal(world.gateway.calls, []);
  assert.equal(await world.types(), ['OrderPlaced', 'PaymentAuthorized']);
});

test('a void that the provider refuses is parked, not retried', async () => {
  const world = await authorized();
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  world.gateway.answerNext({ outcome: 'failed', code: 'unknown_authorization', sentence: 'There is none.' });
  const event = await world.last('OrderCancelled');
  const error = await thrownBy(world.handle(event));
  assert.is(world.consumer.onFailure({ event, error, attempt: 1, sinceFirstMs: 0, fraction: 0 }).do, 'park');
});

test.run();

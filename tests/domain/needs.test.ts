/** What an order needs of the outside, and that it needs nothing once it has it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { paymentNeed, stockNeeds, warehouseNeeds } from '../../domain/order/needs.ts';
import {
  authorize,
  captured,
  closed,
  confirmed,
  delivered,
  dispatch,
  placed,
  requested,
  reservedAll,
  SHIPMENT,
} from './scenario.ts';

const needs = suite('needs');

needs('begin with stock and payment at once', () => {
  const { state } = placed();
  assert.equal(stockNeeds(state), [
    { do: 'reserve', lineId: '1', sku: 'MUG', quantity: 3 },
    { do: 'reserve', lineId: '2', sku: 'LAMP', quantity: 2 },
  ]);
  assert.equal(paymentNeed(state), { do: 'authorize', attempt: 1, amountMinor: 8_500, token: 'tok' });
  assert.equal(warehouseNeeds(state), []);
});

needs('of one attempt never change their amount', () => {
  const less = placed().and(['CancelLines', { lines: [{ lineId: '1', quantity: 1 }], reason: 'r' }]);
  assert.equal(paymentNeed(less.state), { do: 'authorize', attempt: 1, amountMinor: 8_500, token: 'tok' });
  const again = less
    .and(['RecordDecline', { attempt: 1, code: 'x', sentence: 'x' }])
    .and(['RetryPayment', {}]);
  assert.equal(paymentNeed(again.state), { do: 'authorize', attempt: 2, amountMinor: 7_500 });
});

needs('of lines that were cancelled before the stock answered: whatever it holds is given back', () => {
  const { state } = placed().and(['CancelOrder', { reason: 'r' }]);
  assert.equal(stockNeeds(state), [
    { do: 'release', lineId: '1', sku: 'MUG', keep: 0 },
    { do: 'release', lineId: '2', sku: 'LAMP', keep: 0 },
  ]);
});

needs('of the warehouse begin with the confirmation and wait for holds', () => {
  assert.equal(warehouseNeeds(placed().and(reservedAll).state), []);
  assert.equal(warehouseNeeds(confirmed().state), [{ do: 'request' }]);
  assert.equal(warehouseNeeds(confirmed().and(['HoldOrder', { hold: 'h', reason: 'r' }]).state), []);
  assert.equal(warehouseNeeds(requested().state), []);
  assert.equal(warehouseNeeds(requested().and(['CancelOrder', { reason: 'r' }]).state), [
    { do: 'cancel', shipmentId: SHIPMENT },
  ]);
});

needs('come in the order capture, void, refund', () => {
  const sent = requested()
    .and(dispatch('P', { 1: 3 }))
    .and(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'lost' }])
    .and(captured('none', 100, 'A', 'odd'));
  assert.is(paymentNeed(sent.state)?.do, 'capture');
  const paid = sent.and(captured('P', 3_500));
  assert.equal(paymentNeed(paid.state), { do: 'void', authorizationId: 'A' });
  const voided = paid.and(['RecordVoid', { authorizationId: 'A' }]);
  assert.is(paymentNeed(voided.state)?.do, 'refund');
});

needs('of an authorization that is left over: it is given back', () => {
  const both = placed()
    .and(reservedAll)
    .and(['RecordDecline', { attempt: 1, code: 'x', sentence: 'x' }])
    .and(['RetryPayment', {}])
    .and(authorize('B', 8_500, 2))
    .and(authorize('A', 8_500, 1));
  assert.equal(paymentNeed(both.state), { do: 'void', authorizationId: 'B' });
});

needs('end with the order', () => {
  const { state } = closed();
  assert.equal([paymentNeed(state), stockNeeds(state), warehouseNeeds(state)], [undefined, [], []]);
  const { state: open } = requested()
    .and(dispatch('P', { 1: 3, 2: 2 }))
    .and(delivered('P'));
  assert.is(open.closedAt, undefined);
});
needs.run();

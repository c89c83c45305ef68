/** Returns, refunds, goodwill, notifications: what comes after the goods have left. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { paymentNeed } from '../../domain/order/needs.ts';
import { capturedMinor, refundedMinor, refundingMinor } from '../../domain/order/state.ts';
import { statusOf, stepsOf } from '../../domain/order/status.ts';
import { captured, closed, delivered, dispatch, line, requested } from './scenario.ts';

const back = (returnId: string, lines: Record<string, number>, restock = true) =>
  [
    'RecordReturnReceived',
    { returnId, lines: Object.entries(lines).map(([lineId, quantity]) => ({ lineId, quantity })), restock },
  ] as const;
const ask = (returnId: string, lines: Record<string, number>) =>
  [
    'RequestReturn',
    {
      returnId,
      lines: Object.entries(lines).map(([lineId, quantity]) => ({ lineId, quantity })),
      reason: 'broken',
    },
  ] as const;
const goodwill = (refundId: string, amountMinor: number, currency = 'GBP') =>
  ['RequestRefund', { refundId, amountMinor, currency, reason: 'sorry' }] as const;
/** Two parcels and two captures: 3 mugs for 3,500 with shipping, 2 lamps for 5,000. */
const twoParcels = () =>
  requested()
    .and(dispatch('P', { 1: 3 }))
    .and(captured('P', 3_500))
    .and(delivered('P'))
    .and(dispatch('Q', { 2: 2 }))
    .and(captured('Q', 5_000))
    .and(delivered('Q'));

const returns = suite('returns');

returns('are of what was dispatched and is not on its way back', () => {
  requested()
    .when(ask('R', { 1: 1 }))
    .thenRefused('not_returnable');
  const asked = closed()
    .when(ask('R', { 1: 2 }))
    .then(['ReturnRequested', { returnId: 'R', lines: [{ lineId: '1', quantity: 2 }], reason: 'broken' }]);
  asked.when(ask('R', { 1: 2 })).thenNothing();
  asked.when(ask('S', { 1: 2 })).thenRefused('not_returnable');
  asked.when(ask('S', { 1: 1 })).thenTypes('ReturnRequested');
  asked.when(ask('S', { 9: 1 })).thenRefused('unknown_line');
  assert.equal(
    stepsOf(asked.state).map(({ step }) => step),
    ['stock', 'payment', 'shipment', 'delivery', 'return'],
  );
});

returns('refund what was paid for, and open the order until the money is back', () => {
  const received = closed()
    .and(ask('R', { 1: 2 }))
    .when(back('R', { 1: 2 }))
    .then(
      ['ReturnReceived', { returnId: 'R', lines: [{ lineId: '1', quantity: 2 }], restock: true }],
      [
        'RefundRequested',
        { refundId: 'return-R', captureId: 'cap-P', amountMinor: 2_000, reason: 'returned', returnId: 'R' },
      ],
    );
  assert.is(received.state.closedAt, undefined);
  received.when(back('R', { 1: 1 })).thenNothing();
  assert.equal(paymentNeed(received.state), {
    do: 'refund',
    refundId: 'return-R',
    captureId: 'cap-P',
    amountMinor: 2_000,
  });
  const paid = received
    .when(['RecordRefund', { refundId: 'return-R' }])
    .then(
      ['PaymentRefunded', { refundId: 'return-R', captureId: 'cap-P', amountMinor: 2_000 }],
      ['OrderClosed', { outcome: 'delivered' }],
    );
  paid.when(['RecordRefund', { refundId: 'return-R' }]).thenNothing();
  paid.when(['RecordRefund', { refundId: 'x' }]).thenRefused('unknown_refund');
  assert.is(statusOf(paid.state), 'delivered');
  const all = paid
    .and(back('S', { 1: 1, 2: 2 }))
    .when(['RecordRefund', { refundId: 'return-S' }])
    .thenTypes('PaymentRefunded', 'OrderClosed');
  assert.is(statusOf(all.state), 'returned');
  // Shipping was a service that was rendered.
  assert.is(capturedMinor(all.state) - refundedMinor(all.state), 500);
});

returns('that were never announced count as well, and no more than was sent', () => {
  const received = closed()
    .when(back('unknown', { 2: 1 }))
    .thenTypes('ReturnReceived', 'RefundRequested');
  received.when(back('more', { 2: 2 })).thenRefused('more_than_dispatched');
  assert.is(line(received, '2').returned, 1);
});

returns('are split over the captures that they were paid by', () => {
  const received = twoParcels()
    .when(back('R', { 1: 3, 2: 2 }))
    .thenTypes('ReturnReceived', 'RefundRequested', 'RefundRequested');
  assert.equal(
    received.state.refunds.map(({ refundId, captureId, amountMinor }) => [refundId, captureId, amountMinor]),
    [
      ['return-R', 'cap-P', 3_500],
      ['return-R.2', 'cap-Q', 4_500],
    ],
  );
  const half = received.when(['RecordRefund', { refundId: 'return-R' }]).thenTypes('PaymentRefunded');
  half.when(['RecordRefund', { refundId: 'return-R.2' }]).thenTypes('PaymentRefunded', 'OrderClosed');
});

returns('of which goodwill has given the money back already refund the rest', () => {
  const received = closed()
    .and(goodwill('G', 8_000))
    .when(back('R', { 1: 3 }))
    .thenTypes('ReturnReceived', 'RefundRequested');
  assert.is(refundingMinor(received.state), 8_500);
  closed()
    .and(goodwill('G', 8_500))
    .when(back('R', { 1: 3 }))
    .thenTypes('ReturnReceived');
});

returns('that never arrive do not keep an order open', () => {
  assert.ok(closed().and(ask('R', { 1: 1 })).state.closedAt);
});
returns.run();

const refunds = suite('refunds');

refunds('of goodwill are capped at what was captured and not given back', () => {
  requested().when(goodwill('G', 1)).thenRefused('exceeds_captured');
  const some = closed().when(goodwill('G', 8_000)).thenTypes('RefundRequested');
  some.when(goodwill('G', 8_000)).thenNothing();
  some.when(goodwill('H', 501)).thenRefused('exceeds_captured');
  some.when(goodwill('H', 500)).thenTypes('RefundRequested');
  some.when(goodwill('H', 1, 'EUR')).thenRefused('currency_mismatch');
});

refunds('that fail can be asked for again under another id', () => {
  const failed = closed()
    .and(goodwill('G', 8_500))
    .when(['RecordRefundFailure', { refundId: 'G', code: 'closed', sentence: 'Account closed.' }])
    .thenTypes('RefundFailed', 'OrderClosed');
  failed.when(['RecordRefundFailure', { refundId: 'G', code: 'x', sentence: 'x' }]).thenNothing();
  failed
    .when(['RecordRefundFailure', { refundId: 'x', code: 'x', sentence: 'x' }])
    .thenRefused('unknown_refund');
  assert.is(stepsOf(failed.state).at(-1)?.state, 'failed');
  failed.when(goodwill('H', 8_500)).thenTypes('RefundRequested');
});
refunds.run();

const notification = suite('notification');
notification('is remembered once', () => {
  const told = ['RecordNotification', { notificationId: 'n', kind: 'placed', messageId: 'm' }] as const;
  const mailed = requested()
    .when(told)
    .then(['CustomerNotified', { notificationId: 'n', kind: 'placed', messageId: 'm' }]);
  mailed.when(told).thenNothing();
  assert.ok(closed().and(told).state.closedAt, 'a mail opens no order');
});
notification.run();

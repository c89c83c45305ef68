/** Captures of what has left, and a whole order's way. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { paymentNeed } from '../../domain/order/needs.ts';
import { dueMinor, refundingMinor, securedMinor } from '../../domain/order/state.ts';
import { stepsOf } from '../../domain/order/status.ts';
import {
  authorize,
  captured,
  confirmed,
  delivered,
  dispatch,
  given,
  placing,
  requested,
  reservedAll,
  SHIPMENT,
} from './scenario.ts';

const capturing = suite('capturing');

capturing('is recorded once, and never beyond what was authorized', () => {
  const sent = requested().and(dispatch('P', { 1: 3, 2: 2 }));
  sent.when(captured('P', 8_501)).thenRefused('exceeds_authorized');
  sent.when(captured('P', 100, 'Z')).thenRefused('unknown_authorization');
  sent.and(captured('P', 8_500)).when(captured('P', 8_500)).thenNothing();
});

capturing('for nothing that was sent is refunded', () => {
  const wrong = confirmed()
    .and(['CancelOrder', { reason: 'r' }])
    .when(captured('none', 8_500))
    .then(
      [
        'PaymentCaptured',
        { captureId: 'cap-none', authorizationId: 'A', parcelId: 'none', amountMinor: 8_500 },
      ],
      [
        'RefundRequested',
        {
          refundId: 'unsent-cap-none',
          captureId: 'cap-none',
          amountMinor: 8_500,
          reason: 'captured_for_nothing_sent',
        },
      ],
    );
  assert.is(dueMinor(wrong.state), 0);
  assert.equal(paymentNeed(wrong.state), {
    do: 'refund',
    refundId: 'unsent-cap-none',
    captureId: 'cap-none',
    amountMinor: 8_500,
  });
  const twice = requested()
    .and(dispatch('P', { 1: 1 }))
    .and(captured('P', 1_500))
    .when(captured('P', 1_500, 'A', 'again'))
    .thenTypes('PaymentCaptured', 'RefundRequested');
  assert.is(refundingMinor(twice.state), 1_500);
});

capturing('of more than the parcel cost gives the difference back', () => {
  const more = requested()
    .and(dispatch('P', { 1: 1 }))
    .when(captured('P', 2_000))
    .thenTypes('PaymentCaptured', 'RefundRequested');
  assert.is(refundingMinor(more.state), 500);
});

capturing('that fails can be paid anew, with another card and all that is due', () => {
  const failed = requested()
    .and(dispatch('P', { 1: 1 }))
    .when(['RecordCaptureFailure', { parcelId: 'P', code: 'no_funds', sentence: 'No.' }])
    .thenTypes('PaymentCaptureFailed');
  failed.when(['RecordCaptureFailure', { parcelId: 'P', code: 'x', sentence: 'x' }]).thenNothing();
  failed
    .when(['RecordCaptureFailure', { parcelId: 'X', code: 'x', sentence: 'x' }])
    .thenRefused('unknown_parcel');
  assert.is(stepsOf(failed.state)[1]?.state, 'failed');
  const again = failed.when(['RetryPayment', { token: 'other' }]).thenTypes('PaymentRetryRequested');
  assert.equal(paymentNeed(again.state), { do: 'authorize', attempt: 2, amountMinor: 8_500, token: 'other' });
  const secured = again.when(authorize('B', 8_500, 2)).thenTypes('PaymentAuthorized');
  assert.equal(paymentNeed(secured.state), {
    do: 'capture',
    parcelId: 'P',
    amountMinor: 1_500,
    authorizationId: 'B',
  });
  const paid = secured.and(captured('P', 1_500, 'B'));
  assert.equal(paymentNeed(paid.state), { do: 'void', authorizationId: 'A' });
  const voided = paid.and(['RecordVoid', { authorizationId: 'A' }]);
  assert.equal(
    [paymentNeed(voided.state), securedMinor(voided.state), dueMinor(voided.state)],
    [undefined, 7_000, 7_000],
  );
});

capturing('that fails for good leaves an order that ends', () => {
  const failed = requested()
    .and(dispatch('P', { 1: 3, 2: 2 }))
    .and(['RecordCaptureFailure', { parcelId: 'P', code: 'no_funds', sentence: 'No.' }])
    .and(['RecordVoid', { authorizationId: 'A' }]);
  const ended = failed.when(delivered('P')).thenTypes('ShipmentDelivered', 'OrderClosed');
  // The customer comes back, is asked by the bank, goes away, and comes back again.
  const open = ended.and(['RetryPayment', {}]);
  assert.is(open.state.closedAt, undefined);
  const gone = open
    .when(['RecordActionRequired', { attempt: 2, authorizationId: 'B', url: 'u' }])
    .thenTypes('PaymentActionRequired', 'OrderClosed');
  gone
    .and(authorize('B', 8_500, 2))
    .when(captured('P', 8_500, 'B'))
    .thenTypes('PaymentCaptured', 'OrderClosed');
});

capturing('after the goods came back gives the money back', () => {
  const back = requested()
    .and(dispatch('P', { 1: 3, 2: 2 }))
    .when(['RecordReturnReceived', { returnId: 'R', lines: [{ lineId: '1', quantity: 3 }], restock: true }])
    .thenTypes('ReturnReceived');
  const paid = back.when(captured('P', 8_500)).thenTypes('PaymentCaptured', 'RefundRequested');
  assert.is(refundingMinor(paid.state), 3_000);
});

capturing('promises an authorization to no more parcels than it covers', () => {
  const failed = requested()
    .and(dispatch('P', { 1: 1 }))
    .and(dispatch('Q', { 1: 2 }))
    .and(['RecordVoid', { authorizationId: 'A' }]);
  const both = failed
    .and(['RecordCaptureFailure', { parcelId: 'P', code: 'x', sentence: 'x' }])
    .and(['RecordCaptureFailure', { parcelId: 'Q', code: 'x', sentence: 'x' }]);
  const less = both.and(['RetryPayment', {}]).and(authorize('B', 2_500, 2));
  assert.equal(
    less.state.parcels.map((p) => [p.parcelId, p.capture, p.authorizationId]),
    [
      ['P', 'due', 'B'],
      ['Q', 'due', undefined],
    ],
  );
  assert.equal(paymentNeed(less.and(captured('P', 1_500, 'B')).state), {
    do: 'capture',
    parcelId: 'Q',
    amountMinor: 2_000,
    authorizationId: undefined,
  });
});

capturing('of unknown outcome stays with its authorization until that has failed', () => {
  const lapsed = requested()
    .and(dispatch('P', { 1: 1 }))
    .and(['RecordAuthorizationExpired', { authorizationId: 'A' }])
    .and(authorize('B', 8_500, 2));
  assert.equal(paymentNeed(lapsed.state), {
    do: 'capture',
    parcelId: 'P',
    amountMinor: 1_500,
    authorizationId: 'A',
  });
  const failed = lapsed.and([
    'RecordCaptureFailure',
    { parcelId: 'P', code: 'expired', sentence: 'Expired.' },
  ]);
  assert.equal(paymentNeed(failed.state), {
    do: 'capture',
    parcelId: 'P',
    amountMinor: 1_500,
    authorizationId: 'B',
  });
});

capturing('asks for no authorization when nothing is left to pay', () => {
  const asking = requested()
    .and(dispatch('P', { 1: 3 }))
    .and(captured('P', 3_500))
    .and(['RecordAuthorizationExpired', { authorizationId: 'A' }]);
  assert.equal(paymentNeed(asking.state), { do: 'authorize', attempt: 2, amountMinor: 5_000, token: 'tok' });
  const over = asking.and(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'lost' }]);
  assert.equal(paymentNeed(over.state), { do: 'abandon', attempt: 2 });
});

capturing('from an authorization that was voided meanwhile is recorded', () => {
  const odd = requested()
    .and(dispatch('P', { 1: 1 }))
    .and(['RecordVoid', { authorizationId: 'A' }]);
  odd.when(captured('P', 1_500)).thenTypes('PaymentCaptured');
});
capturing.run();

const whole = suite('an order');

whole('can be told its whole way by events alone', () => {
  const order = given(['OrderPlaced', placing()]).and(reservedAll).and(authorize('A', 8_500));
  assert.is(order.state.confirmedAt, order.state.placedAt);
});
whole.run();

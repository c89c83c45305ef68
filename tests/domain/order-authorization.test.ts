/** What the payment gateway answers before an order is confirmed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { paymentNeed } from '../../domain/order/needs.ts';
import { stepsOf } from '../../domain/order/status.ts';
import { authorize, confirmed, placed, requested, reservedAll } from './scenario.ts';

const payment = suite('authorization');

payment('declined can be tried again until it succeeds', () => {
  const declined = placed()
    .and(reservedAll)
    .when(['RecordDecline', { attempt: 1, code: 'card_declined', sentence: 'No.' }])
    .thenTypes('PaymentDeclined');
  assert.is(paymentNeed(declined.state), undefined);
  declined.when(['RecordDecline', { attempt: 1, code: 'x', sentence: 'x' }]).thenNothing();
  const again = declined
    .when(['RetryPayment', { token: 'other' }])
    .then(['PaymentRetryRequested', { attempt: 2, token: 'other' }]);
  assert.equal(paymentNeed(again.state), { do: 'authorize', attempt: 2, amountMinor: 8_500, token: 'other' });
  again.when(['RetryPayment', {}]).thenRefused('payment_in_progress');
  again.when(['RecordDecline', { attempt: 1, code: 'x', sentence: 'x' }]).thenNothing();
  const paid = again.when(authorize('B', 8_500, 2)).thenTypes('PaymentAuthorized', 'OrderConfirmed');
  paid.when(['RetryPayment', {}]).thenRefused('already_paid');
  paid.when(authorize('B', 8_500, 2)).thenNothing();
});

payment('that the bank wants confirmed waits for the customer', () => {
  const asked = placed()
    .when(['RecordActionRequired', { attempt: 1, authorizationId: 'A', url: 'https://bank' }])
    .thenTypes('PaymentActionRequired');
  asked
    .when(['RecordActionRequired', { attempt: 1, authorizationId: 'A', url: 'https://bank' }])
    .thenNothing();
  assert.is(paymentNeed(asked.state), undefined);
  assert.ok(stepsOf(asked.state)[1]?.sentence.includes('https://bank'));
  asked.when(['RetryPayment', { token: 'done' }]).thenTypes('PaymentRetryRequested');
  asked.when(['RecordDecline', { attempt: 1, code: 'x', sentence: 'x' }]).thenTypes('PaymentDeclined');
  assert.is(
    asked.when(authorize('A', 8_500)).thenTypes('PaymentAuthorized').state.payment.state,
    'authorized',
  );
});

payment('is refused for a cancelled order, and abandoned at the gateway', () => {
  const next = placed().and(['CancelOrder', { reason: 'r' }]);
  next.when(['RetryPayment', {}]).thenRefused('already_cancelled');
  assert.equal(paymentNeed(next.state), { do: 'abandon', attempt: 1 });
  const abandoned = next
    .when(['RecordAbandoned', { attempt: 1 }])
    .then(['PaymentVoided', { attempt: 1, amountMinor: 0 }]);
  abandoned.when(['RecordAbandoned', { attempt: 1 }]).thenNothing();
  assert.is(paymentNeed(abandoned.state), undefined);
});

payment('that comes after the cancellation stays open and is voided', () => {
  const late = placed()
    .and(['CancelOrder', { reason: 'r' }])
    .when(authorize('A', 8_500))
    .thenTypes('PaymentAuthorized');
  assert.equal(paymentNeed(late.state), { do: 'void', authorizationId: 'A' });
  const voided = late
    .when(['RecordVoid', { authorizationId: 'A' }])
    .then(['PaymentVoided', { authorizationId: 'A', amountMinor: 8_500 }]);
  voided.when(['RecordVoid', { authorizationId: 'A' }]).thenNothing();
  voided.when(['RecordVoid', { authorizationId: 'Z' }]).thenRefused('unknown_authorization');
  // The stock has not answered: nobody knows yet that it holds nothing.
  assert.is(voided.state.closedAt, undefined);
  const free = [
    { lineId: '1', quantity: 0, holds: 0 },
    { lineId: '2', quantity: 0, holds: 0 },
  ];
  voided.when(['RecordRelease', { lines: free }]).thenTypes('StockReleased', 'OrderClosed');
});

payment(
  'answered late for an earlier attempt secures the order once the attempt under way is abandoned',
  () => {
    const late = placed()
      .and(reservedAll)
      .and(['RecordDecline', { attempt: 1, code: 'x', sentence: 'x' }])
      .and(['RetryPayment', {}])
      .when(authorize('A', 8_500, 1))
      .thenTypes('PaymentAuthorized');
    assert.equal(paymentNeed(late.state), { do: 'abandon', attempt: 2 });
    assert.is(
      paymentNeed(
        late.when(['RecordAbandoned', { attempt: 2 }]).thenTypes('PaymentVoided', 'OrderConfirmed').state,
      ),
      undefined,
    );
    // The gateway had authorized the second one too: one of both goes back.
    const twice = late.when(authorize('B', 8_500, 2)).thenTypes('PaymentAuthorized', 'OrderConfirmed');
    assert.equal(paymentNeed(twice.state), { do: 'void', authorizationId: 'A' });
    const one = twice.when(['RecordVoid', { authorizationId: 'A' }]).thenTypes('PaymentVoided');
    assert.is(one.state.payment.state, 'authorized');
    assert.is(paymentNeed(one.state), undefined);
  },
);

payment('that lapses is asked for anew while anything is due', () => {
  const lapsed = confirmed()
    .when(['RecordAuthorizationExpired', { authorizationId: 'A' }])
    .then(
      ['PaymentAuthorizationExpired', { authorizationId: 'A' }],
      ['PaymentRetryRequested', { attempt: 2, token: 'tok' }],
    );
  assert.equal(paymentNeed(lapsed.state), { do: 'authorize', attempt: 2, amountMinor: 8_500, token: 'tok' });
  lapsed.when(['RecordAuthorizationExpired', { authorizationId: 'A' }]).thenNothing();
  lapsed.when(['RecordAuthorizationExpired', { authorizationId: 'Z' }]).thenRefused('unknown_authorization');
  placed()
    .and(authorize('A', 8_500))
    .and(['CancelOrder', { reason: 'r' }])
    .when(['RecordAuthorizationExpired', { authorizationId: 'A' }])
    .thenTypes('PaymentAuthorizationExpired');
});

payment('of an old attempt that lapses leaves the attempt under way alone', () => {
  const paying = requested()
    .and(['RecordVoid', { authorizationId: 'A' }])
    .and(['RetryPayment', {}])
    .and(authorize('late', 8_500, 1));
  const next = paying
    .when(['RecordAuthorizationExpired', { authorizationId: 'late' }])
    .thenTypes('PaymentAuthorizationExpired');
  assert.equal(next.state.payment.state, 'working');
  assert.equal(next.state.payment.attempt, 2);
});

payment('voided from outside can be paid again', () => {
  const next = confirmed().and(['RecordVoid', { authorizationId: 'A' }]);
  assert.is(next.state.payment.state, 'voided');
  assert.equal(stepsOf(next.state)[1]?.actions, ['payment']);
  next.when(['RetryPayment', { token: 'other' }]).thenTypes('PaymentRetryRequested');
});

payment('of less than is due confirms nothing', () => {
  const less = placed().and(reservedAll).when(authorize('A', 8_499)).thenTypes('PaymentAuthorized');
  less.when(['RetryPayment', {}]).thenTypes('PaymentRetryRequested');
});
payment.run();

/** Shipments, captures, late dispatches, cancelling what the warehouse has been asked for. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { paymentNeed, stockNeeds, warehouseNeeds } from '../../domain/order/needs.ts';
import {
  capturedMinor,
  dueMinor,
  openShipments,
  refundingMinor,
  securedMinor,
} from '../../domain/order/state.ts';
import { statusOf, stepsOf } from '../../domain/order/status.ts';
import {
  authorize,
  captured,
  closed,
  confirmed,
  delivered,
  dispatch,
  given,
  line,
  ORDER_ID,
  placed,
  placing,
  requested,
  reservedAll,
  SHIPMENT,
  type Scenario,
} from './scenario.ts';

const SECOND = `${ORDER_ID}-2`;
const parcelOf = ({ state }: Scenario, parcelId: string) =>
  state.parcels.find((p) => p.parcelId === parcelId);

const shipping = suite('shipping');

shipping('is asked for what is reserved, once', () => {
  placed().when(['RequestShipment', {}]).thenRefused('not_confirmed');
  const asked = confirmed()
    .when(['RequestShipment', {}])
    .then([
      'ShipmentRequested',
      {
        shipmentId: SHIPMENT,
        lines: [
          { lineId: '1', quantity: 3 },
          { lineId: '2', quantity: 2 },
        ],
      },
    ]);
  asked.when(['RequestShipment', {}]).thenNothing();
  assert.equal(warehouseNeeds(asked.state), []);
});

shipping('in parts charges each part, shipping with the first', () => {
  const first = requested()
    .when(dispatch('P', { 1: 1 }))
    .then([
      'ShipmentDispatched',
      { shipmentId: SHIPMENT, parcelId: 'P', lines: [{ lineId: '1', quantity: 1 }], amountMinor: 1_500 },
    ]);
  assert.is(statusOf(first.state), 'partially_shipped');
  assert.equal(paymentNeed(first.state), {
    do: 'capture',
    parcelId: 'P',
    amountMinor: 1_500,
    authorizationId: 'A',
  });
  const paid = first.when(captured('P', 1_500)).thenTypes('PaymentCaptured');
  assert.equal([dueMinor(paid.state), securedMinor(paid.state)], [7_000, 7_000]);
  const rest = paid.when(dispatch('Q', { 1: 2, 2: 2 })).thenTypes('ShipmentDispatched');
  assert.is(parcelOf(rest, 'Q')?.amountMinor, 7_000);
  assert.is(statusOf(rest.state), 'shipped');
  assert.equal(openShipments(rest.state), []);
  const done = rest
    .and(captured('Q', 7_000))
    .and(delivered('P'))
    .when(delivered('Q'))
    .then(
      ['ShipmentDelivered', { shipmentId: SHIPMENT, parcelId: 'Q' }],
      ['OrderClosed', { outcome: 'delivered' }],
    );
  assert.is(statusOf(done.state), 'delivered');
});

shipping('rounds a discount over parts so that the parts are the whole', () => {
  const lines = [
    { lineId: '1', sku: 'PEN', name: 'Pen', quantity: 3, unitPriceMinor: 100 },
    { lineId: '2', sku: 'CAP', name: 'Cap', quantity: 1, unitPriceMinor: 33 },
  ];
  let order = placed({ lines, discountMinor: 10, shippingMinor: 7 })
    .and([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 3, backordered: 0, short: 0 },
          { lineId: '2', reserved: 1, backordered: 0, short: 0 },
        ],
      },
    ])
    .and(authorize('A', 330))
    .and(['RequestShipment', {}]);
  for (const [index, lineId] of ['1', '2', '1', '1'].entries()) {
    order = order.and(dispatch(`P${index}`, { [lineId]: 1 }));
    order = order
      .and(captured(`P${index}`, parcelOf(order, `P${index}`)?.amountMinor ?? 0))
      .and(delivered(`P${index}`));
  }
  assert.is(capturedMinor(order.state), 330);
  assert.ok(order.state.closedAt);
});

shipping('is charged with the first units even when a discount makes them free', () => {
  const lines = [{ lineId: '1', sku: 'GIFT', name: 'Gift', quantity: 1, unitPriceMinor: 100 }];
  const order = placed({ lines, discountMinor: 100, shippingMinor: 400 })
    .and(['RecordStock', { lines: [{ lineId: '1', reserved: 1, backordered: 0, short: 0 }] }])
    .and(authorize('A', 400))
    .and(['RequestShipment', {}])
    .and(dispatch('P', { 1: 1 }));
  assert.is(parcelOf(order, 'P')?.amountMinor, 400);
});

shipping('of a free order needs no capture', () => {
  const lines = [{ lineId: '1', sku: 'GIFT', name: 'Gift', quantity: 2, unitPriceMinor: 0 }];
  const order = placed({ lines, shippingMinor: 0 }).and([
    'RecordStock',
    { lines: [{ lineId: '1', reserved: 2, backordered: 0, short: 0 }] },
  ]);
  assert.equal(paymentNeed(order.state), { do: 'authorize', attempt: 1, amountMinor: 0, token: 'tok' });
  order
    .and(authorize('none', 0))
    .and(['RequestShipment', {}])
    .and(dispatch('P', { 1: 2 }))
    .when(delivered('P'))
    .thenTypes('ShipmentDelivered', 'OrderClosed');
});

shipping('is reported once a parcel, and for parcels and shipments that exist', () => {
  const sent = requested().and(dispatch('P', { 1: 3 }));
  sent.when(dispatch('P', { 1: 3 })).thenNothing();
  sent.when(dispatch('Q', { 2: 2 }, 'other')).thenRefused('unknown_shipment');
  sent.when(dispatch('Q', { 1: 1 })).thenRefused('more_than_ordered');
  sent.when(dispatch('Q', { 9: 1 })).thenRefused('unknown_line');
  sent.when(dispatch('Q', {})).thenRefused('more_than_ordered');
  sent.when(delivered('Q')).thenRefused('unknown_parcel');
  sent.and(delivered('P')).when(delivered('P')).thenNothing();
});

shipping('of back-ordered units follows in a shipment of its own', () => {
  const part = placed({ onShortage: 'backorder' })
    .and([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 1, backordered: 2, short: 0 },
          { lineId: '2', reserved: 2, backordered: 0, short: 0 },
        ],
      },
    ])
    .and(authorize('A', 8_500))
    .and(['RequestShipment', {}]);
  assert.equal(warehouseNeeds(part.state), []);
  const filled = part.and(['RecordBackorderFilled', { lineId: '1', quantity: 2 }]);
  assert.equal(warehouseNeeds(filled.state), [{ do: 'request' }]);
  const both = filled
    .when(['RequestShipment', {}])
    .then(['ShipmentRequested', { shipmentId: SECOND, lines: [{ lineId: '1', quantity: 2 }] }]);
  const sent = both.and(dispatch('P', { 1: 1, 2: 2 })).and(dispatch('Q', { 1: 2 }, SECOND));
  assert.is(statusOf(sent.state), 'shipped');
});

shipping('more under one shipment than it was asked for awaits no more than there is from the other', () => {
  const both = placed({ onShortage: 'backorder' })
    .and([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 1, backordered: 2, short: 0 },
          { lineId: '2', reserved: 2, backordered: 0, short: 0 },
        ],
      },
    ])
    .and(authorize('A', 8_500))
    .and(['RequestShipment', {}])
    .and(['RecordBackorderFilled', { lineId: '1', quantity: 2 }])
    .and(['RequestShipment', {}]);
  const sent = both.and(dispatch('P', { 1: 3, 2: 2 }));
  assert.equal(openShipments(sent.state), []);
  sent.and(captured('P', 8_500)).when(delivered('P')).thenTypes('ShipmentDelivered', 'OrderClosed');
});

shipping('that fails cancels those units; all of them, the order', () => {
  const part = requested()
    .and(dispatch('P', { 1: 3 }))
    .when(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'lost' }])
    .then(
      ['ShipmentFailed', { shipmentId: SHIPMENT, reason: 'lost' }],
      ['LinesCancelled', { lines: [{ lineId: '2', quantity: 2 }], reason: 'shipment_failed' }],
    );
  part.when(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'lost' }]).thenNothing();
  part.when(['RecordShipmentFailure', { shipmentId: 'x', reason: 'lost' }]).thenRefused('unknown_shipment');
  assert.equal(stockNeeds(part.state), [{ do: 'release', lineId: '2', sku: 'LAMP', keep: 0 }]);
  const gone = requested()
    .when(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'fire' }])
    .thenTypes('ShipmentFailed', 'LinesCancelled', 'OrderCancelled');
  assert.equal(paymentNeed(gone.state), { do: 'void', authorizationId: 'A' });
});
shipping(
  'that fails while more of a line is on back-order cancels the waiting units and asks for the others again',
  () => {
    const part = placed({ onShortage: 'backorder' })
      .and([
        'RecordStock',
        {
          lines: [
            { lineId: '1', reserved: 1, backordered: 2, short: 0 },
            { lineId: '2', reserved: 2, backordered: 0, short: 0 },
          ],
        },
      ])
      .and(authorize('A', 8_500))
      .and(['RequestShipment', {}]);
    const failed = part.when(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'lost' }]).then(
      ['ShipmentFailed', { shipmentId: SHIPMENT, reason: 'lost' }],
      [
        'LinesCancelled',
        {
          lines: [
            { lineId: '1', quantity: 1 },
            { lineId: '2', quantity: 2 },
          ],
          reason: 'shipment_failed',
        },
      ],
      ['ShipmentRequested', { shipmentId: SECOND, lines: [{ lineId: '1', quantity: 1 }] }],
    );
    assert.equal([line(failed).reserved, line(failed).backordered], [1, 1]);
    part
      .and(['HoldOrder', { hold: 'h', reason: 'r' }])
      .when(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'lost' }])
      .thenTypes('ShipmentFailed', 'LinesCancelled');
  },
);
shipping.run();

const cancelling = suite('cancelling');

cancelling('before the warehouse is asked is done at once, and once', () => {
  const gone = confirmed()
    .when(['CancelOrder', { reason: 'changed my mind' }])
    .then(['OrderCancelled', { reason: 'changed my mind' }]);
  gone.when(['CancelOrder', { reason: 'other' }]).thenNothing();
  assert.is(statusOf(gone.state), 'cancelled');
});

cancelling('lines leaves the rest, and ends the order with the last of them', () => {
  const less = placed()
    .when(['CancelLines', { lines: [{ lineId: '1', quantity: 2 }], reason: 'r' }])
    .then(['LinesCancelled', { lines: [{ lineId: '1', quantity: 2 }], reason: 'r' }]);
  assert.is(dueMinor(less.state), 6_500);
  less
    .when(['CancelLines', { lines: [{ lineId: '1', quantity: 2 }], reason: 'r' }])
    .thenRefused('not_cancellable');
  less
    .when(['CancelLines', { lines: [{ lineId: '9', quantity: 1 }], reason: 'r' }])
    .thenRefused('unknown_line');
  less.when(['CancelLines', { lines: [], reason: 'r' }]).thenRefused('not_cancellable');
  for (const quantity of [0, -1, 0.5])
    less
      .when(['CancelLines', { lines: [{ lineId: '1', quantity }], reason: 'r' }])
      .thenRefused('not_cancellable');
  less
    .when([
      'CancelLines',
      {
        lines: [
          { lineId: '1', quantity: 1 },
          { lineId: '2', quantity: 1 },
          { lineId: '2', quantity: 1 },
        ],
        reason: 'r',
      },
    ])
    .then(
      [
        'LinesCancelled',
        {
          lines: [
            { lineId: '1', quantity: 1 },
            { lineId: '2', quantity: 1 },
            { lineId: '2', quantity: 1 },
          ],
          reason: 'r',
        },
      ],
      ['OrderCancelled', { reason: 'all_lines_cancelled' }],
    );
});

cancelling('units that are being packed is refused by line', () => {
  requested()
    .when(['CancelLines', { lines: [{ lineId: '1', quantity: 1 }], reason: 'r' }])
    .thenRefused('at_warehouse');
});

cancelling('what the warehouse has is a request that it grants', () => {
  const asked = requested()
    .when(['CancelOrder', { reason: 'r' }])
    .then(['CancellationRequested', { reason: 'r' }]);
  asked.when(['CancelOrder', { reason: 'r' }]).thenNothing();
  asked.when(['RequestShipment', {}]).thenNothing();
  assert.equal(warehouseNeeds(asked.state), [{ do: 'cancel', shipmentId: SHIPMENT }]);
  asked
    .when(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'cancelled' }])
    .then(
      ['ShipmentFailed', { shipmentId: SHIPMENT, reason: 'cancelled' }],
      ['OrderCancelled', { reason: 'r' }],
    );
});

cancelling('what the warehouse has is a request that it cannot grant', () => {
  const sent = requested()
    .and(['CancelOrder', { reason: 'r' }])
    .when(dispatch('P', { 1: 3, 2: 2 }))
    .thenTypes('ShipmentDispatched');
  assert.is(sent.state.cancellationRequested, undefined);
  assert.is(statusOf(sent.state), 'shipped');
  assert.is(parcelOf(sent, 'P')?.amountMinor, 8_500);
  sent.when(['CancelOrder', { reason: 'r' }]).thenRefused('already_shipped');
});

cancelling('what the warehouse has is a request that it grants in part', () => {
  const part = requested()
    .and(['CancelOrder', { reason: 'r' }])
    .when(dispatch('P', { 1: 1 }))
    .thenTypes('ShipmentDispatched');
  assert.ok(part.state.cancellationRequested);
  const rest = part
    .when(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'cancelled' }])
    .thenTypes('ShipmentFailed', 'LinesCancelled');
  assert.is(rest.state.cancellationRequested, undefined);
  assert.is(statusOf(rest.state), 'shipped');
  const stepped = stepsOf(rest.state).find(({ step }) => step === 'shipment');
  assert.is(stepped?.state, 'done');
  const released = rest
    .and([
      'RecordRelease',
      {
        lines: [
          { lineId: '1', quantity: 2, holds: 0 },
          { lineId: '2', quantity: 2, holds: 0 },
        ],
      },
    ])
    .and(captured('P', 1_500));
  assert.equal(paymentNeed(released.state), { do: 'void', authorizationId: 'A' });
  released
    .and(['RecordVoid', { authorizationId: 'A' }])
    .when(delivered('P'))
    .thenTypes('ShipmentDelivered', 'OrderClosed');
});

cancelling('a part that left and a part on back-order cancels the rest at once', () => {
  const part = placed({ onShortage: 'backorder' })
    .and([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 1, backordered: 2, short: 0 },
          { lineId: '2', reserved: 2, backordered: 0, short: 0 },
        ],
      },
    ])
    .and(authorize('A', 8_500))
    .and(['RequestShipment', {}]);
  part
    .when(['CancelOrder', { reason: 'r' }])
    .then(
      ['LinesCancelled', { lines: [{ lineId: '1', quantity: 2 }], reason: 'r' }],
      ['CancellationRequested', { reason: 'r' }],
    );
  part
    .and(dispatch('P', { 1: 1, 2: 2 }))
    .when(['CancelOrder', { reason: 'r' }])
    .then(['LinesCancelled', { lines: [{ lineId: '1', quantity: 2 }], reason: 'r' }]);
});

cancelling('a delivered order is refused', () => {
  closed()
    .when(['CancelOrder', { reason: 'r' }])
    .thenRefused('already_shipped');
});
cancelling.run();

const late = suite('late dispatch');

late('after the cancellation moves its units from cancelled to dispatched, free of charge', () => {
  const gone = requested()
    .and(['CancelOrder', { reason: 'r' }])
    .and(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'cancelled' }]);
  const held = gone
    .when(dispatch('P', { 1: 2 }))
    .then([
      'ShipmentDispatched',
      { shipmentId: SHIPMENT, parcelId: 'P', lines: [{ lineId: '1', quantity: 2 }], amountMinor: 0 },
    ]);
  assert.equal(
    [line(held).cancelled, line(held).dispatched, line(held).charged, line(held).held],
    [1, 2, 0, 1],
  );
  assert.is(statusOf(held.state), 'cancelled');
  // The stock had let go: it is told that they are gone all the same.
  const over = gone
    .and(['RecordVoid', { authorizationId: 'A' }])
    .when([
      'RecordRelease',
      {
        lines: [
          { lineId: '1', quantity: 3, holds: 0 },
          { lineId: '2', quantity: 2, holds: 0 },
        ],
      },
    ])
    .thenTypes('StockReleased', 'OrderClosed');
  const unheld = over.when(dispatch('P', { 1: 2 })).then([
    'ShipmentDispatched',
    {
      shipmentId: SHIPMENT,
      parcelId: 'P',
      lines: [{ lineId: '1', quantity: 2, unheld: 2 }],
      amountMinor: 0,
    },
  ]);
  assert.is(unheld.state.closedAt, undefined);
  const back = unheld.when(delivered('P')).thenTypes('ShipmentDelivered', 'OrderClosed');
  // Nobody paid for them, nobody is paid back.
  back
    .when(['RecordReturnReceived', { returnId: 'R', lines: [{ lineId: '1', quantity: 2 }], restock: true }])
    .then(
      ['ReturnReceived', { returnId: 'R', lines: [{ lineId: '1', quantity: 2 }], restock: true }],
      ['OrderClosed', { outcome: 'returned' }],
    );
});

late('of some cancelled units of a line charges the others', () => {
  const less = confirmed()
    .and(['CancelLines', { lines: [{ lineId: '1', quantity: 2 }], reason: 'r' }])
    .and(['RequestShipment', {}]);
  const sent = less.and(dispatch('P', { 1: 3, 2: 2 }));
  assert.is(parcelOf(sent, 'P')?.amountMinor, 6_500);
  assert.equal([line(sent).charged, line(sent).dispatched, line(sent).cancelled], [1, 3, 0]);
});
late.run();

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

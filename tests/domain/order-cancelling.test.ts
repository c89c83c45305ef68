/** Cancelling what the warehouse has been asked for, and what leaves all the same. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { paymentNeed, warehouseNeeds } from '../../domain/order/needs.ts';
import { dueMinor } from '../../domain/order/state.ts';
import { statusOf, stepsOf } from '../../domain/order/status.ts';
import {
  authorize,
  captured,
  closed,
  confirmed,
  delivered,
  dispatch,
  line,
  placed,
  requested,
  SHIPMENT,
  type Scenario,
} from './scenario.ts';

const parcelOf = ({ state }: Scenario, parcelId: string) =>
  state.parcels.find((p) => p.parcelId === parcelId);

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

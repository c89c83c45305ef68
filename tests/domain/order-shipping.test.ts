/** Shipments: what is asked of the warehouse, and what it reports. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { paymentNeed, stockNeeds, warehouseNeeds } from '../../domain/order/needs.ts';
import { capturedMinor, dueMinor, openShipments, securedMinor } from '../../domain/order/state.ts';
import { statusOf } from '../../domain/order/status.ts';
import {
  authorize,
  captured,
  confirmed,
  delivered,
  dispatch,
  line,
  ORDER_ID,
  placed,
  requested,
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

/** Placing, stock, payment, confirmation, expiry and holds. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { OrderEvent } from '../../domain/order/events.ts';
import { paymentNeed, stockNeeds } from '../../domain/order/needs.ts';
import { order } from '../../domain/order/order.ts';
import { LIMITS, type OrderState } from '../../domain/order/state.ts';
import { statusOf, stepsOf } from '../../domain/order/status.ts';
import {
  at,
  authorize,
  closed,
  confirmed,
  given,
  line,
  message,
  placed,
  placing,
  requested,
  reservedAll,
  SHIPMENT,
  stamp,
} from './scenario.ts';

const placingOrders = suite('placing an order');

placingOrders('is one event', () => {
  given().when(['PlaceOrder', placing()]).then(['OrderPlaced', placing()]);
});

placingOrders('of the same request again is nothing, under any command id', () => {
  placed().when(['PlaceOrder', placing()], { id: 'another' }).thenNothing();
  closed().when(['PlaceOrder', placing()]).thenNothing();
});

placingOrders('under a key that another request has used is refused, whatever the command id', () => {
  placed()
    .when(['PlaceOrder', placing({ requestHash: 'other' })], { id: 'given-0' })
    .thenRefused('idempotency_key_reused');
});

placingOrders('refuses sums that do not add up', () => {
  const good = placing();
  const wrong = [
    { ...good, totals: { ...good.totals, totalMinor: good.totals.totalMinor + 1 } },
    { ...good, totals: { ...good.totals, linesMinor: good.totals.linesMinor - 1 } },
    { ...good, totals: { ...good.totals, taxMinor: good.totals.totalMinor + 1 } },
    placing({ discountMinor: 8_001 }),
    { ...good, lines: [] },
    placing({ lines: good.lines.map((l) => ({ ...l, lineId: '1' })) }),
    placing({ lines: [{ lineId: '1', sku: 'MUG', name: 'Mug', quantity: 0, unitPriceMinor: 1 }] }),
    placing({ lines: [{ lineId: '1', sku: 'MUG', name: 'Mug', quantity: 1.5, unitPriceMinor: 2 }] }),
    placing({
      lines: [
        { lineId: '1', sku: 'MUG', name: 'Mug', quantity: 10_000, unitPriceMinor: Number.MAX_SAFE_INTEGER },
      ],
    }),
  ];
  for (const data of wrong) given().when(['PlaceOrder', data]).thenRefused('invalid_order');
});

placingOrders('comes before everything else', () => {
  given()
    .when(['CancelOrder', { reason: 'r' }])
    .thenRefused('order_not_found');
  given().when(reservedAll).thenRefused('order_not_found');
});
placingOrders.run();

const stock = suite('what the stock answers');

stock('and the payment together confirm, in either order, in the same decision', () => {
  placed().and(reservedAll).when(authorize('A', 8_500)).thenTypes('PaymentAuthorized', 'OrderConfirmed');
  placed().and(authorize('A', 8_500)).when(reservedAll).thenTypes('StockReserved', 'OrderConfirmed');
});

stock('is recorded once', () => {
  placed().and(reservedAll).when(reservedAll).thenNothing();
});

stock('short cancels the order, by the default policy', () => {
  const next = placed()
    .and(authorize('A', 8_500))
    .when([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 3, backordered: 0, short: 0 },
          { lineId: '2', reserved: 0, backordered: 0, short: 2 },
        ],
      },
    ])
    .thenTypes('StockReserved', 'StockShort', 'OrderCancelled');
  assert.is(next.state.cancelled?.reason, 'out_of_stock');
  assert.equal(stockNeeds(next.state), [{ do: 'release', lineId: '1', sku: 'MUG', keep: 0 }]);
  assert.equal(paymentNeed(next.state), { do: 'void', authorizationId: 'A' });
  next
    .and(['RecordVoid', { authorizationId: 'A' }])
    .when(['RecordRelease', { lines: [{ lineId: '1', quantity: 3, holds: 0 }] }])
    .thenTypes('StockReleased', 'OrderClosed');
});

stock('short cancels just the lines, if the customer said so', () => {
  const next = placed({ onShortage: 'cancelLines' })
    .when([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 3, backordered: 0, short: 0 },
          { lineId: '2', reserved: 1, backordered: 0, short: 1 },
        ],
      },
    ])
    .thenTypes('StockReserved', 'StockShort', 'LinesCancelled');
  assert.is(line(next, '2').cancelled, 1);
  next.when(authorize('A', 8_500)).thenTypes('PaymentAuthorized', 'OrderConfirmed');
});

stock('short of everything ends an order of any policy', () => {
  const next = placed({ onShortage: 'cancelLines' })
    .when([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 0, backordered: 0, short: 3 },
          { lineId: '2', reserved: 0, backordered: 0, short: 2 },
        ],
      },
    ])
    .thenTypes('StockShort', 'LinesCancelled', 'OrderCancelled');
  assert.is(next.state.cancelled?.reason, 'all_lines_cancelled');
  assert.equal(stockNeeds(next.state), []);
});

stock('on back-order counts as settled, and arrives later', () => {
  const waiting = placed({ onShortage: 'backorder' })
    .and(authorize('A', 8_500))
    .when([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 1, backordered: 2, short: 0 },
          { lineId: '2', reserved: 2, backordered: 0, short: 0 },
        ],
      },
    ])
    .thenTypes('StockReserved', 'StockShort', 'OrderConfirmed');
  const filled = waiting
    .when(['RecordBackorderFilled', { lineId: '1', quantity: 1 }])
    .then(['StockReserved', { from: 'backorder', lines: [{ lineId: '1', quantity: 1 }] }]);
  // More than waits is the stock's slip or units that were cancelled meanwhile.
  const full = filled
    .when(['RecordBackorderFilled', { lineId: '1', quantity: 5 }])
    .then(['StockReserved', { from: 'backorder', lines: [{ lineId: '1', quantity: 1 }] }]);
  full.when(['RecordBackorderFilled', { lineId: '1', quantity: 1 }]).thenNothing();
  full.when(['RecordBackorderFilled', { lineId: '9', quantity: 1 }]).thenRefused('unknown_line');
  assert.equal([line(full).reserved, line(full).held], [3, 3]);
});

stock('reserved after the cancellation is held until it is given back', () => {
  const next = placed()
    .and(['CancelOrder', { reason: 'r' }])
    .when(reservedAll)
    .thenTypes('StockReserved');
  assert.equal([line(next).reserved, line(next).cancelled, line(next).held], [0, 3, 3]);
  assert.equal(
    stockNeeds(next.state).map((need) => need.do),
    ['release', 'release'],
  );
});

stock('for units of which some were cancelled meanwhile gives the rest back', () => {
  const next = placed()
    .and(['CancelLines', { lines: [{ lineId: '1', quantity: 1 }], reason: 'r' }])
    .when(reservedAll)
    .thenTypes('StockReserved');
  assert.equal([line(next).reserved, line(next).held], [2, 3]);
  assert.equal(stockNeeds(next.state), [{ do: 'release', lineId: '1', sku: 'MUG', keep: 2 }]);
  const released = next
    .when(['RecordRelease', { lines: [{ lineId: '1', quantity: 1, holds: 2 }] }])
    .thenTypes('StockReleased');
  released.when(['RecordRelease', { lines: [{ lineId: '1', quantity: 0, holds: 2 }] }]).thenNothing();
  // An older answer that comes late cannot bring units back.
  released.when(['RecordRelease', { lines: [{ lineId: '1', quantity: 0, holds: 3 }] }]).thenNothing();
});
stock.run();

const expiry = suite('expiry');

expiry('cancels what is not confirmed in time, and nothing before', () => {
  placed().when(['ExpireOrder', {}], { minutes: 29 }).thenRefused('not_due');
  const gone = placed()
    .when(['ExpireOrder', {}], { minutes: 30 })
    .then(['OrderCancelled', { reason: 'expired' }]);
  gone.when(['ExpireOrder', {}], { minutes: 31 }).thenNothing();
  confirmed().when(['ExpireOrder', {}], { minutes: 99 }).thenNothing();
});

expiry('waits while anyone holds the order', () => {
  const held = placed()
    .and(['HoldOrder', { hold: 'fraud', reason: 'r' }], 10)
    .and(['HoldOrder', { hold: 'operator', reason: 'r' }], 15);
  held.when(['ExpireOrder', {}], { minutes: 60 }).thenRefused('not_due');
  const one = held.and(['ReleaseOrder', { hold: 'fraud', reason: 'r' }], 20);
  one.when(['ExpireOrder', {}], { minutes: 60 }).thenRefused('not_due');
  const free = one.and(['ReleaseOrder', { hold: 'operator', reason: 'r' }], 70);
  // Held without a break from minute 10 to 70.
  assert.is(free.state.expiresAt, at(90));
  free.when(['ExpireOrder', {}], { minutes: 89 }).thenRefused('not_due');
  free.when(['ExpireOrder', {}], { minutes: 90 }).thenTypes('OrderCancelled');
});
expiry.run();

const holds = suite('holds');

holds('keep an order from being confirmed and from being asked of the warehouse', () => {
  const held = placed()
    .and(['HoldOrder', { hold: 'fraud', reason: 'r' }])
    .and(reservedAll)
    .when(authorize('A', 8_500))
    .thenTypes('PaymentAuthorized');
  assert.is(statusOf(held.state), 'held');
  held.when(['ReleaseOrder', { hold: 'fraud', reason: 'r' }]).thenTypes('OrderReleased', 'OrderConfirmed');
  confirmed()
    .and(['HoldOrder', { hold: 'fraud', reason: 'r' }])
    .when(['RequestShipment', {}])
    .thenNothing();
});

holds('are told apart by who holds', () => {
  const held = confirmed().and(['HoldOrder', { hold: 'fraud', reason: 'r' }]);
  held.when(['HoldOrder', { hold: 'fraud', reason: 'again' }]).thenRefused('already_held');
  held.when(['HoldOrder', { hold: 'operator', reason: 'r' }]).thenTypes('OrderHeld');
  held.when(['ReleaseOrder', { hold: 'operator', reason: 'r' }]).thenRefused('not_held');
});

holds('come too late once the order is over', () => {
  placed()
    .and(['CancelOrder', { reason: 'r' }])
    .when(['HoldOrder', { hold: 'x', reason: 'r' }])
    .thenRefused('already_cancelled');
  closed()
    .when(['HoldOrder', { hold: 'x', reason: 'r' }])
    .thenRefused('already_shipped');
});

holds('do not hide that everything was sent meanwhile', () => {
  const sent = requested()
    .and(['HoldOrder', { hold: 'x', reason: 'r' }])
    .and([
      'RecordDispatch',
      {
        shipmentId: SHIPMENT,
        parcelId: 'P',
        lines: [
          { lineId: '1', quantity: 3 },
          { lineId: '2', quantity: 2 },
        ],
      },
    ]);
  assert.is(statusOf(sent.state), 'shipped');
});
holds.run();

const address = suite('shipping address');
const shippingAddress = { subject: 'c-1', key: 'k', box: 'b' };

address('changes until the warehouse has been asked', () => {
  confirmed()
    .when(['ChangeShippingAddress', { shippingAddress, country: 'FR' }])
    .then(['ShippingAddressChanged', { shippingAddress, country: 'FR' }]);
  requested().when(['ChangeShippingAddress', { shippingAddress }]).thenRefused('at_warehouse');
  placed()
    .and(['CancelOrder', { reason: 'r' }])
    .when(['ChangeShippingAddress', { shippingAddress }])
    .thenRefused('already_cancelled');
});
address.run();

const limits = suite('limits of one order');
const offered = (state: OrderState): readonly string[] => stepsOf(state).flatMap(({ actions }) => actions);

limits('an address changes so many times; cancelling and facts go on', () => {
  let some = confirmed();
  for (let n = 0; n < LIMITS.address; n++) {
    assert.ok(offered(some.state).includes('address'));
    some = some.when(['ChangeShippingAddress', { shippingAddress }], { id: `a${n}` }).thenTypes();
  }
  some
    .when(['ChangeShippingAddress', { shippingAddress }], { id: 'more' })
    .thenRefused('too_many_address_changes');
  some.when(['ChangeShippingAddress', { shippingAddress }], { id: 'a3' }).thenNothing();
  assert.not.ok(offered(some.state).includes('address'), 'what would be refused is not offered');
  some.when(['RequestShipment', {}]).thenTypes();
  some.when(['CancelOrder', { reason: 'r' }]).thenTypes();
});

limits('a payment is tried again so many times, and each has its own limit', () => {
  let some = placed();
  for (let n = 0; n <= LIMITS.payment; n++) {
    const attempt = n + 1;
    some = some.and(['RecordDecline', { attempt, code: 'no', sentence: 'No.' }]);
    if (n < LIMITS.payment) some = some.when(['RetryPayment', {}], { id: `p${n}` }).thenTypes();
  }
  some.when(['RetryPayment', {}], { id: 'more' }).thenRefused('too_many_payments');
  assert.not.ok(offered(some.state).includes('payment'));
  some.when(['ChangeShippingAddress', { shippingAddress }]).thenTypes();
});

limits('returns are asked for so many times; what comes back all the same is recorded', () => {
  const quantity = LIMITS.return + 10;
  const lines = [{ lineId: '1', sku: 'MUG', name: 'Mug', quantity, unitPriceMinor: 1_000 }];
  let some = placed({ lines })
    .and(['RecordStock', { lines: [{ lineId: '1', reserved: quantity, backordered: 0, short: 0 }] }])
    .and(authorize('A', quantity * 1_000 + 500))
    .and(['RequestShipment', {}])
    .and(['RecordDispatch', { shipmentId: SHIPMENT, parcelId: 'P', lines: [{ lineId: '1', quantity }] }]);
  const one = [{ lineId: '1', quantity: 1 }];
  for (let n = 0; n < LIMITS.return; n++)
    some = some
      .when(['RequestReturn', { returnId: `r${n}`, lines: one, reason: 'r' }], { id: `r${n}` })
      .thenTypes();
  some
    .when(['RequestReturn', { returnId: 'more', lines: one, reason: 'r' }], { id: 'more' })
    .thenRefused('too_many_returns');
  some
    .when(['RecordReturnReceived', { returnId: 'unasked', lines: one, restock: true }], { id: 'fact' })
    .thenTypes();
});
limits.run();

const folding = suite('folding');

folding('is linear: ten times the events take some ten times the copying, not a hundred', () => {
  // Counted in what a fold must copy of the commands it remembers, not in time.
  const copied = (events: number): number => {
    let [state, sum] = [confirmed().state, 0];
    for (let n = 0; n < events; n++) {
      const next = order.evolve(state, {
        ...message<OrderEvent>(['ShippingAddressChanged', { shippingAddress }]),
        meta: stamp(`c${n}`),
      });
      for (const part of next.commands) if (!state.commands.includes(part)) sum += part.size;
      state = next;
    }
    return sum;
  };
  assert.ok(copied(10_000) < 20 * copied(1_000));
});

folding('of a state that went through JSON goes on as if it had not', () => {
  const { state } = requested();
  const event = {
    ...message<OrderEvent>(['ShipmentFailed', { shipmentId: SHIPMENT, reason: 'r' }]),
    meta: stamp('x'),
  };
  assert.equal(order.evolve(JSON.parse(JSON.stringify(state)), event), order.evolve(state, event));
});
folding.run();

/** What people are told: every status and every step's sentence, reached through commands. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ACTIONS,
  describe,
  statusOf,
  STATUSES,
  stepsOf,
  type StepStatus,
} from '../../domain/order/status.ts';
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
  type Scenario,
} from './scenario.ts';

const partly = placed({ onShortage: 'backorder' })
  .and([
    'RecordStock',
    {
      lines: [
        { lineId: '1', reserved: 0, backordered: 3, short: 0 },
        { lineId: '2', reserved: 2, backordered: 0, short: 0 },
      ],
    },
  ])
  .and(authorize('A', 8_500));
const outOfStock = placed().and([
  'RecordStock',
  {
    lines: [
      { lineId: '1', reserved: 0, backordered: 0, short: 3 },
      { lineId: '2', reserved: 2, backordered: 0, short: 0 },
    ],
  },
]);
const sentAll = requested().and(dispatch('P', { 1: 3, 2: 2 }));
const sentPart = requested().and(dispatch('P', { 1: 1 }));
const returning = closed().and([
  'RequestReturn',
  { returnId: 'R', lines: [{ lineId: '1', quantity: 3 }], reason: 'r' },
]);
const returned = closed().and([
  'RecordReturnReceived',
  {
    returnId: 'R',
    lines: [
      { lineId: '1', quantity: 3 },
      { lineId: '2', quantity: 2 },
    ],
    restock: true,
  },
]);
const declined = placed().and(['RecordDecline', { attempt: 1, code: 'no', sentence: 'Not enough money.' }]);

const cases: readonly (readonly [
  what: string,
  order: Scenario,
  status: (typeof STATUSES)[number],
  steps: Readonly<Record<string, StepStatus['state']>>,
])[] = [
  [
    'placed',
    placed(),
    'placed',
    { stock: 'working', payment: 'working', shipment: 'waiting', delivery: 'waiting' },
  ],
  [
    'reserved',
    placed().and(reservedAll),
    'placed',
    { stock: 'done', payment: 'working', shipment: 'waiting', delivery: 'waiting' },
  ],
  [
    'asked by the bank',
    placed().and(['RecordActionRequired', { attempt: 1, authorizationId: 'A', url: 'u' }]),
    'placed',
    { stock: 'working', payment: 'waiting', shipment: 'waiting', delivery: 'waiting' },
  ],
  [
    'declined',
    declined,
    'placed',
    { stock: 'working', payment: 'failed', shipment: 'waiting', delivery: 'waiting' },
  ],
  [
    'held',
    confirmed().and(['HoldOrder', { hold: 'h', reason: 'r' }]),
    'held',
    { stock: 'done', payment: 'done', shipment: 'waiting', delivery: 'waiting' },
  ],
  [
    'confirmed',
    confirmed(),
    'confirmed',
    { stock: 'done', payment: 'done', shipment: 'working', delivery: 'waiting' },
  ],
  [
    'partly on back-order',
    partly,
    'confirmed',
    { stock: 'working', payment: 'done', shipment: 'working', delivery: 'waiting' },
  ],
  [
    'being packed',
    requested(),
    'confirmed',
    { stock: 'done', payment: 'done', shipment: 'working', delivery: 'waiting' },
  ],
  [
    'being stopped',
    requested().and(['CancelOrder', { reason: 'r' }]),
    'confirmed',
    { stock: 'done', payment: 'done', shipment: 'working', delivery: 'waiting' },
  ],
  [
    'lapsed',
    confirmed()
      .and(['RecordAuthorizationExpired', { authorizationId: 'A' }])
      .and(['RecordDecline', { attempt: 2, code: 'no', sentence: 'No.' }]),
    'confirmed',
    { stock: 'done', payment: 'failed', shipment: 'working', delivery: 'waiting' },
  ],
  [
    'voided from outside',
    confirmed().and(['RecordVoid', { authorizationId: 'A' }]),
    'confirmed',
    { stock: 'done', payment: 'failed', shipment: 'working', delivery: 'waiting' },
  ],
  [
    'sent in part',
    sentPart,
    'partially_shipped',
    { stock: 'done', payment: 'done', shipment: 'working', delivery: 'working' },
  ],
  [
    'sent in part, the rest unpaid',
    sentPart
      .and(captured('P', 1_500))
      .and(['RecordAuthorizationExpired', { authorizationId: 'A' }])
      .and(['RecordDecline', { attempt: 2, code: 'no', sentence: 'No.' }]),
    'partially_shipped',
    { stock: 'done', payment: 'failed', shipment: 'working', delivery: 'working' },
  ],
  [
    'sent in part, delivered',
    sentPart.and(delivered('P')),
    'partially_shipped',
    { stock: 'done', payment: 'done', shipment: 'working', delivery: 'working' },
  ],
  [
    'sent',
    sentAll.and(captured('P', 8_500)),
    'shipped',
    { stock: 'done', payment: 'done', shipment: 'done', delivery: 'working' },
  ],
  [
    'sent and not paid',
    sentAll.and(['RecordCaptureFailure', { parcelId: 'P', code: 'no', sentence: 'No.' }]),
    'shipped',
    { stock: 'done', payment: 'failed', shipment: 'done', delivery: 'working' },
  ],
  [
    'delivered',
    closed(),
    'delivered',
    { stock: 'done', payment: 'done', shipment: 'done', delivery: 'done' },
  ],
  [
    'cancelled',
    placed().and(['CancelOrder', { reason: 'r' }]),
    'cancelled',
    { stock: 'skipped', payment: 'skipped', shipment: 'skipped', delivery: 'skipped' },
  ],
  [
    'cancelled after a decline',
    declined.and(['CancelOrder', { reason: 'r' }]),
    'cancelled',
    { stock: 'skipped', payment: 'failed', shipment: 'skipped', delivery: 'skipped' },
  ],
  [
    'out of stock',
    outOfStock,
    'cancelled',
    { stock: 'failed', payment: 'skipped', shipment: 'skipped', delivery: 'skipped' },
  ],
  [
    'cancelled, sent late',
    requested()
      .and(['CancelOrder', { reason: 'r' }])
      .and(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'r' }])
      .and(dispatch('P', { 1: 1 })),
    'cancelled',
    { stock: 'skipped', payment: 'skipped', shipment: 'done', delivery: 'working' },
  ],
  [
    'on its way back',
    returning,
    'delivered',
    { stock: 'done', payment: 'done', shipment: 'done', delivery: 'done', return: 'working' },
  ],
  [
    'returned',
    returned,
    'returned',
    { stock: 'done', payment: 'done', shipment: 'done', delivery: 'done', return: 'done', refund: 'working' },
  ],
  [
    'refunded',
    returned.and(['RecordRefund', { refundId: 'return-R' }]),
    'returned',
    { stock: 'done', payment: 'done', shipment: 'done', delivery: 'done', return: 'done', refund: 'done' },
  ],
  [
    'not refunded',
    returned.and(['RecordRefundFailure', { refundId: 'return-R', code: 'no', sentence: 'No.' }]),
    'returned',
    { stock: 'done', payment: 'done', shipment: 'done', delivery: 'done', return: 'done', refund: 'failed' },
  ],
];

const status = suite('status');

for (const [what, { state }, expected, steps] of cases)
  status(`of an order that is ${what}`, () => {
    assert.is(statusOf(state), expected);
    assert.equal(Object.fromEntries(stepsOf(state).map((step) => [step.step, step.state])), steps);
    for (const step of stepsOf(state)) {
      assert.match(step.sentence, /^[A-Z0-9].*[.u]$/);
      assert.is(step.since === undefined, step.state === 'waiting', `${step.step} since`);
      assert.ok(step.actions.every((action) => ACTIONS.includes(action)));
      if (step.expectedBy !== undefined) assert.ok(step.expectedBy > state.placedAt);
    }
  });

status('is covered whole', () => {
  assert.equal(
    STATUSES.filter((name) => !cases.some(([, , expected]) => expected === name)),
    [],
  );
});

status('says when nothing but a back-order is left to wait for', () => {
  const { state } = placed({ onShortage: 'backorder' })
    .and([
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 0, backordered: 3, short: 0 },
          { lineId: '2', reserved: 0, backordered: 2, short: 0 },
        ],
      },
    ])
    .and(authorize('A', 8_500));
  const shipment = stepsOf(state)[2];
  assert.equal([shipment?.state, shipment?.expectedBy], ['waiting', undefined]);
});

status('document adds up and tells nothing of the stock', () => {
  const late = requested()
    .and(['CancelOrder', { reason: 'r' }])
    .and(['RecordShipmentFailure', { shipmentId: SHIPMENT, reason: 'r' }])
    .and(['RecordRelease', { lines: [{ lineId: '1', quantity: 3, holds: 0 }] }])
    .and(dispatch('P', { 1: 1 }));
  const document = describe(late.state);
  assert.equal(document.shipments[0]?.lines, [{ lineId: '1', quantity: 1 }]);
  assert.equal(document.total, {
    amountMinor: 8_500,
    currency: 'GBP',
    linesMinor: 8_000,
    shippingMinor: 500,
    discountMinor: 0,
    taxMinor: 0,
  });
  assert.equal(document.lines[0], {
    lineId: '1',
    sku: 'MUG',
    name: 'Mug',
    quantity: 3,
    unitPrice: { amountMinor: 1_000, currency: 'GBP' },
    reserved: 0,
    backordered: 0,
    dispatched: 1,
    cancelled: 2,
    returned: 0,
  });
});
status.run();

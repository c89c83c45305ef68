/** Random histories of an order: whatever is asked and reported, the rules hold after every event. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Stamped } from '../../domain/kernel.ts';
import { REFUSALS, type OrderCommand } from '../../domain/order/commands.ts';
import {
  ORDER_EVENTS,
  SHORTAGE_POLICIES,
  type LineQuantity,
  type OrderEvent,
} from '../../domain/order/events.ts';
import { paymentNeed, stockNeeds, warehouseNeeds } from '../../domain/order/needs.ts';
import { order } from '../../domain/order/order.ts';
import { brokenOrderRules } from '../../domain/order/rules.ts';
import { openShipments, type OrderState } from '../../domain/order/state.ts';
import { describe, STATUSES, STEP_STATES } from '../../domain/order/status.ts';
import { dice, type Dice } from './random.ts';
import { at, message, placing, stamp, type Short } from './scenario.ts';

const RUNS = 250;
const COMMANDS = 300;

const randomPlacing = (d: Dice) => {
  const lines = Array.from({ length: 1 + d.below(4) }, (_, index) => ({
    lineId: String(index + 1),
    sku: `SKU-${d.below(3)}`,
    name: 'Thing',
    quantity: 1 + d.below(6),
    unitPriceMinor: d.below(2_000),
  }));
  const linesMinor = lines.reduce((total, line) => total + line.quantity * line.unitPriceMinor, 0);
  return placing({
    lines,
    shippingMinor: d.below(2) * 399,
    discountMinor: d.chance(0.5) ? d.below(linesMinor + 1) : 0,
    onShortage: d.pick(SHORTAGE_POLICIES) ?? 'cancelOrder',
  });
};

const someOf = (d: Dice, state: OrderState, units: (lineId: string) => number): LineQuantity[] => {
  const lines = state.lines
    .filter(() => d.chance(0.7))
    .flatMap(({ lineId }) => {
      const most = units(lineId);
      return most > 0 ? [{ lineId, quantity: 1 + d.below(most) }] : [];
    });
  if (lines.length > 0 && !d.chance(0.03)) return lines;
  // Noise: too much, unknown, twice, nothing, no whole number.
  return (
    d.pick([
      [{ lineId: '1', quantity: 1 + d.below(9) }],
      [{ lineId: 'x', quantity: 1 }],
      [
        { lineId: '1', quantity: 1 },
        { lineId: '1', quantity: 1 },
      ],
      [],
      [{ lineId: '1', quantity: 0.5 }],
      [{ lineId: '1', quantity: -1 }],
    ]) ?? []
  );
};

/** A command that mostly makes sense where the order stands. */
const randomCommand = (d: Dice, state: OrderState, step: number): Short<OrderCommand> => {
  const line = (lineId: string) => state.lines.find((l) => l.lineId === lineId);
  const any = d.pick(state.lines)?.lineId ?? '1';
  const authorization = d.pick(state.payment.authorizations)?.authorizationId ?? 'none';
  const parcel = d.pick(state.parcels);
  const shipment = d.pick(openShipments(state)) ?? d.pick(state.shipments);
  const refund = d.pick(state.refunds)?.refundId ?? 'none';
  const attempt = Math.max(1, state.payment.attempt - (d.chance(0.1) ? 1 : 0));
  const need = paymentNeed(state);
  const shipmentId = d.chance(0.03) ? 'other' : (shipment?.shipmentId ?? 'none');
  const told = (): Short<OrderCommand> => {
    // The gateway mostly answers what it is asked.
    switch (need?.do) {
      case 'authorize':
        return d.chance(0.7)
          ? ['RecordAuthorization', { attempt, authorizationId: `A${step}`, amountMinor: need.amountMinor }]
          : ['RecordDecline', { attempt, code: 'no', sentence: 'No.' }];
      case 'abandon':
        return d.chance(0.7)
          ? ['RecordAbandoned', { attempt }]
          : [
              'RecordAuthorization',
              { attempt, authorizationId: `A${step}`, amountMinor: state.payment.askedMinor },
            ];
      case 'capture':
        return d.chance(0.8) && need.authorizationId !== undefined
          ? [
              'RecordCapture',
              {
                captureId: `C${step}`,
                authorizationId: need.authorizationId,
                parcelId: need.parcelId,
                amountMinor: need.amountMinor,
              },
            ]
          : ['RecordCaptureFailure', { parcelId: need.parcelId, code: 'no', sentence: 'No.' }];
      case 'void':
        return ['RecordVoid', { authorizationId: need.authorizationId }];
      case 'refund':
        return d.chance(0.8)
          ? ['RecordRefund', { refundId: need.refundId }]
          : ['RecordRefundFailure', { refundId: need.refundId, code: 'no', sentence: 'No.' }];
      case undefined:
        return ['RetryPayment', { token: 'tok' }];
    }
  };
  const stocked = (): Short<OrderCommand> => {
    const needs = stockNeeds(state);
    const reserve = needs.flatMap((n) => {
      if (n.do !== 'reserve') return [];
      const reserved = d.chance(0.8) ? n.quantity : d.below(n.quantity + 1);
      const backordered = state.onShortage === 'backorder' ? n.quantity - reserved : 0;
      return [{ lineId: n.lineId, reserved, backordered, short: n.quantity - reserved - backordered }];
    });
    if (reserve.length > 0) return ['RecordStock', { lines: reserve }];
    const release = needs.flatMap((n) =>
      n.do === 'release' ? [{ lineId: n.lineId, quantity: d.below(3), holds: n.keep }] : [],
    );
    if (release.length > 0) return ['RecordRelease', { lines: release }];
    return ['RecordBackorderFilled', { lineId: any, quantity: 1 + d.below(3) }];
  };
  const plain: readonly (() => Short<OrderCommand>)[] = [
    told,
    told,
    told,
    told,
    stocked,
    stocked,
    stocked,
    () =>
      warehouseNeeds(state)[0]?.do === 'cancel'
        ? ['RecordShipmentFailure', { shipmentId, reason: 'cancelled' }]
        : ['RequestShipment', {}],
    () => ['RequestShipment', {}],
    () => [
      'RecordDispatch',
      {
        shipmentId,
        parcelId: `P${step}`,
        lines: someOf(d, state, (lineId) => shipment?.open.find((l) => l.lineId === lineId)?.quantity ?? 0),
      },
    ],
    () => [
      'RecordDispatch',
      {
        shipmentId,
        parcelId: `P${step}`,
        lines: someOf(d, state, (lineId) => shipment?.open.find((l) => l.lineId === lineId)?.quantity ?? 0),
      },
    ],
    // Late or beyond what was asked for.
    () =>
      d.chance(0.2)
        ? [
            'RecordDispatch',
            {
              shipmentId,
              parcelId: `P${step}`,
              lines: someOf(
                d,
                state,
                (lineId) => (line(lineId)?.ordered ?? 0) - (line(lineId)?.dispatched ?? 0),
              ),
            },
          ]
        : stocked(),
    () => ['RecordDelivery', { shipmentId, parcelId: parcel?.parcelId ?? 'none' }],
    () => ['RecordDelivery', { shipmentId, parcelId: parcel?.parcelId ?? 'none' }],
    () => (d.chance(0.3) ? ['RecordShipmentFailure', { shipmentId, reason: 'lost' }] : told()),
    () => [
      'RequestReturn',
      {
        returnId: `R${d.below(step + 1)}`,
        lines: someOf(d, state, (lineId) => (line(lineId)?.dispatched ?? 0) - (line(lineId)?.returned ?? 0)),
        reason: 'r',
      },
    ],
    () => [
      'RecordReturnReceived',
      {
        returnId: d.pick(state.returns)?.returnId ?? `R${step}`,
        lines: someOf(d, state, (lineId) => (line(lineId)?.dispatched ?? 0) - (line(lineId)?.returned ?? 0)),
        restock: d.chance(0.5),
      },
    ],
    () => [
      'RequestRefund',
      {
        refundId: `G${d.below(step + 1)}`,
        amountMinor: 1 + d.below(2_000),
        currency: d.chance(0.95) ? 'GBP' : 'EUR',
        reason: 'sorry',
      },
    ],
    () => ['RecordNotification', { notificationId: `n${d.below(20)}`, kind: 'k', messageId: 'm' }],
    () => ['ChangeShippingAddress', { shippingAddress: { subject: 'c', key: 'k', box: 'b' } }],
  ];
  const rare: readonly (() => Short<OrderCommand>)[] = [
    () => ['CancelOrder', { reason: 'r' }],
    () => ['CancelLines', { lines: someOf(d, state, (lineId) => line(lineId)?.ordered ?? 0), reason: 'r' }],
    () => ['HoldOrder', { hold: `h${d.below(3)}`, reason: 'r' }],
    () => ['ExpireOrder', {}],
    () => ['RecordActionRequired', { attempt, authorizationId: `A${step}`, url: 'u' }],
    () => [
      'RecordAuthorization',
      { attempt: 1 + d.below(3), authorizationId: `A${step}`, amountMinor: d.below(20_000) },
    ],
    () => ['RecordAuthorizationExpired', { authorizationId: authorization }],
    () => ['RecordVoid', { authorizationId: authorization }],
    () => ['RecordAbandoned', { attempt }],
    () => ['RecordDecline', { attempt, code: 'no', sentence: 'No.' }],
    () => [
      'RecordCapture',
      {
        captureId: `C${d.below(step + 1)}`,
        authorizationId: authorization,
        parcelId: parcel?.parcelId ?? 'none',
        amountMinor: d.below(5_000),
      },
    ],
    () => ['RecordCaptureFailure', { parcelId: parcel?.parcelId ?? 'none', code: 'no', sentence: 'No.' }],
    () => ['RecordRefund', { refundId: refund }],
    () => ['RecordRefundFailure', { refundId: refund, code: 'no', sentence: 'No.' }],
    () => ['RetryPayment', {}],
    () => [
      'RecordStock',
      {
        lines: state.lines.map(({ lineId }) => ({
          lineId,
          reserved: d.below(4),
          backordered: d.below(4),
          short: d.below(4),
        })),
      },
    ],
    () => ['RecordRelease', { lines: [{ lineId: any, quantity: d.below(3), holds: d.below(3) }] }],
    () => ['PlaceOrder', placing({ requestHash: d.pick(['h', 'other']) ?? 'h' })],
  ];
  const holding = state.holds.length > 0 && d.chance(0.3);
  if (holding) return ['ReleaseOrder', { hold: d.pick(state.holds)?.hold ?? 'h0', reason: 'r' }];
  return (d.pick(d.chance(0.12) ? rare : plain) ?? told)();
};

/**
 * How often each type was seen over all runs, so that a generator that stopped reaching a corner is noticed.
 */
const seen = new Map<string, number>();

const run = (seed: number, length: number): void => {
  const d = dice(seed);
  const events: Stamped<OrderEvent>[] = [];
  const sent: Stamped<OrderCommand>[] = [];
  let state = order.initial;
  const carryOut = (command: Stamped<OrderCommand>): void => {
    const decision = order.decide(command, state);
    if (!decision.ok) {
      assert.ok(REFUSALS.includes(decision.reason.code), decision.reason.code);
      return;
    }
    for (const event of decision.events) {
      const shape = ORDER_EVENTS[event.type].data.safeParse(event.data);
      assert.ok(shape.success, `${event.type} by ${command.type}: ${shape.error?.message ?? ''}`);
      const stored: Stamped<OrderEvent> = { ...event, meta: command.meta };
      // What an event makes is written on a new object: the state before it is somebody else's still.
      state = order.evolve(Object.freeze(state), stored);
      events.push(stored);
      seen.set(event.type, (seen.get(event.type) ?? 0) + 1);
      assert.equal(
        brokenOrderRules(state),
        [],
        `after ${event.type} by ${command.type} ${JSON.stringify(command.data)}`,
      );
    }
    if (decision.events.length > 0) {
      const again = order.decide(command, state);
      assert.ok(again.ok && again.events.length === 0, `${command.type} again yields events`);
    }
  };
  carryOut({ ...message<OrderCommand>(['PlaceOrder', randomPlacing(d)]), meta: stamp('place') });
  for (let step = 1; step <= length; step++) {
    const earlier = d.chance(0.05) ? d.pick(sent) : undefined;
    // A repeat comes with its own id; the outside tells the same news under another one, too.
    const command = earlier
      ? { ...earlier, meta: d.chance(0.5) ? earlier.meta : stamp(`again-${step}`, at(step / 4)) }
      : { ...message<OrderCommand>(randomCommand(d, state, step)), meta: stamp(`c${step}`, at(step / 4)) };
    sent.push(command);
    carryOut(command);
    const { status, steps, lines } = describe(state);
    assert.ok(STATUSES.includes(status));
    assert.ok(
      steps.every(
        (s) =>
          STEP_STATES.includes(s.state) &&
          s.sentence.length > 0 &&
          (s.since !== undefined || s.state === 'waiting'),
      ),
      JSON.stringify(steps),
    );
    assert.is(lines.length, state.lines.length);
  }
  assert.equal(events.reduce(order.evolve, order.initial), state);
  // A view or a snapshot holds the state as JSON.
  const middle = d.below(events.length);
  const half = JSON.parse(
    JSON.stringify(events.slice(0, middle).reduce(order.evolve, order.initial)),
  ) as OrderState;
  assert.equal(
    JSON.parse(JSON.stringify(events.slice(middle).reduce(order.evolve, half))),
    JSON.parse(JSON.stringify(state)),
  );
};

const property = suite('random histories of an order');

property(`keep the rules after every event (${RUNS} of up to ${COMMANDS} commands)`, () => {
  fc.assert(fc.property(fc.integer({ min: 0 }), fc.integer({ min: 1, max: COMMANDS }), run), {
    numRuns: RUNS,
    includeErrorInReport: true,
  });
});

property('reach every event', () => {
  const never = Object.keys(ORDER_EVENTS).filter((type) => !seen.has(type));
  assert.equal(never, []);
});
property.run();

/** given(events…).when(command).then(events…) on the order's pure decider: no store, no clock, no mocks. */
import * as assert from 'uvu/assert';
import type { Actor, Stamp, Stamped } from '../../domain/kernel.ts';
import type { OrderCommand, OrderRefusal } from '../../domain/order/commands.ts';
import { ORDER_EVENTS, type OrderEvent, type OrderEventData } from '../../domain/order/events.ts';
import { order } from '../../domain/order/order.ts';
import { brokenOrderRules } from '../../domain/order/rules.ts';
import type { OrderState } from '../../domain/order/state.ts';

export const ORDER_ID = '0190a000-0000-8000-8000-000000000001';
export const PLACED_AT = '2030-01-01T00:00:00.000Z';
export const EXPIRES_AT = '2030-01-01T00:30:00.000Z';
export const actor: Actor = { id: 'test', role: 'system' };
/** `minutes` after the order was placed. */
export const at = (minutes: number): string =>
  new Date(Date.parse(PLACED_AT) + minutes * 60_000).toISOString();
export const stamp = (commandId: string, happened: string = PLACED_AT): Stamp => ({
  commandId,
  at: happened,
  actor,
});

type Placing = Partial<Omit<OrderEventData['OrderPlaced'], 'totals'>> & {
  shippingMinor?: number;
  discountMinor?: number;
};
/** Two lines unless told otherwise: 3 mugs at 1,000 and 2 lamps at 2,500, shipping 500. */
export const placing = ({
  shippingMinor = 500,
  discountMinor = 0,
  ...change
}: Placing = {}): OrderEventData['OrderPlaced'] => {
  const lines = change.lines ?? [
    { lineId: '1', sku: 'MUG', name: 'Mug', quantity: 3, unitPriceMinor: 1_000 },
    { lineId: '2', sku: 'LAMP', name: 'Lamp', quantity: 2, unitPriceMinor: 2_500 },
  ];
  const linesMinor = lines.reduce((total, line) => total + line.quantity * line.unitPriceMinor, 0);
  return {
    orderId: ORDER_ID,
    customerId: 'c-1',
    currency: 'GBP',
    taxRate: 0,
    onShortage: 'cancelOrder',
    payment: { method: 'card', token: 'tok' },
    requestHash: 'h',
    expiresAt: EXPIRES_AT,
    ...change,
    lines,
    totals: {
      linesMinor,
      shippingMinor,
      discountMinor,
      taxMinor: 0,
      totalMinor: linesMinor + shippingMinor - discountMinor,
    },
  };
};

/** A message in short: its type and data. */
export type Short<M extends { type: string; data: unknown }> = M extends { type: infer T; data: infer D }
  ? readonly [type: T, data: D]
  : never;
export const message = <M extends { type: string; data: unknown }>([type, data]: Short<M>): M =>
  ({ type, data }) as unknown as M;

/** Folds `events`, checking the rules and the stored shape after each. */
export const folded = (
  events: readonly Stamped<OrderEvent>[],
  from: OrderState = order.initial,
): OrderState => {
  let state = from;
  for (const event of events) {
    const shape = ORDER_EVENTS[event.type].data.safeParse(event.data);
    assert.ok(shape.success, `${event.type} does not fit its schema: ${shape.error?.message ?? ''}`);
    state = order.evolve(state, event);
    assert.equal(brokenOrderRules(state), [], `after ${event.type}`);
  }
  return state;
};

export type Scenario = Readonly<{
  state: OrderState;
  /**
   * Carries a command out and goes on from there; throws when it is refused. `when`: minutes after placing.
   */
  and(command: Short<OrderCommand>, minutes?: number): Scenario;
  when(command: Short<OrderCommand>, options?: Readonly<{ id?: string; minutes?: number }>): Asked;
}>;
export type Asked = Readonly<{
  then(...events: readonly Short<OrderEvent>[]): Scenario;
  /** As `then`, looking at types alone. */
  thenTypes(...types: readonly OrderEvent['type'][]): Scenario;
  thenNothing(): Scenario;
  thenRefused(code: OrderRefusal['code']): void;
}>;

let commands = 0;

const scenario = (state: OrderState): Scenario => ({
  state,
  and: (command, minutes) =>
    scenario(state)
      .when(command, minutes === undefined ? {} : { minutes })
      .thenTypes(),
  when(short, { id = `command-${++commands}`, minutes } = {}) {
    const meta = stamp(id, minutes === undefined ? state.updatedAt || PLACED_AT : at(minutes));
    const command = { ...message<OrderCommand>(short), meta } as Stamped<OrderCommand>;
    const decision = order.decide(command, state);
    const accepted = (): readonly OrderEvent[] => {
      if (!decision.ok)
        throw new Error(`${command.type} was refused: ${decision.reason.code}, ${decision.reason.sentence}`);
      return decision.events;
    };
    const next = (): Scenario => {
      const after = folded(
        accepted().map((event) => ({ ...event, meta })),
        state,
      );
      const again = order.decide(command, after);
      assert.ok(again.ok && again.events.length === 0, `${command.type} again yields events`);
      return scenario(after);
    };
    return {
      then(...events) {
        assert.equal(
          accepted(),
          events.map((event) => message<OrderEvent>(event)),
        );
        return next();
      },
      thenTypes(...types) {
        if (types.length > 0)
          assert.equal(
            accepted().map((event) => event.type),
            types,
          );
        return next();
      },
      thenNothing() {
        assert.equal(accepted(), []);
        return scenario(state);
      },
      thenRefused(code) {
        assert.not.ok(decision.ok, `${command.type} was accepted`);
        if (!decision.ok) {
          assert.is(decision.reason.code, code);
          assert.ok(decision.reason.sentence.endsWith('.'), decision.reason.sentence);
        }
      },
    };
  },
});

/** An order of which just these events are known. */
export const given = (...events: readonly Short<OrderEvent>[]): Scenario =>
  scenario(
    folded(
      events.map(
        (event, index) =>
          ({ ...message<OrderEvent>(event), meta: stamp(`given-${index}`) }) as Stamped<OrderEvent>,
      ),
    ),
  );

/** Orders at places of their way from which tests start. */
export const placed = (change?: Placing): Scenario => given(['OrderPlaced', placing(change)]);
export const reservedAll: Short<OrderCommand> = [
  'RecordStock',
  {
    lines: [
      { lineId: '1', reserved: 3, backordered: 0, short: 0 },
      { lineId: '2', reserved: 2, backordered: 0, short: 0 },
    ],
  },
];
export const authorize = (authorizationId: string, amountMinor: number, attempt = 1): Short<OrderCommand> => [
  'RecordAuthorization',
  { attempt, authorizationId, amountMinor },
];
/** Reserved and authorized (8,500). */
export const confirmed = (change?: Placing): Scenario => {
  const start = placed(change).and(reservedAll);
  return start.and(authorize('A', start.state.totals.totalMinor));
};
export const SHIPMENT = `${ORDER_ID}-1`;
/** The warehouse has been asked for everything. */
export const requested = (change?: Placing): Scenario => confirmed(change).and(['RequestShipment', {}]);
export const dispatch = (
  parcelId: string,
  lines: Record<string, number>,
  shipmentId: string = SHIPMENT,
): Short<OrderCommand> => [
  'RecordDispatch',
  { shipmentId, parcelId, lines: Object.entries(lines).map(([lineId, quantity]) => ({ lineId, quantity })) },
];
export const captured = (
  parcelId: string,
  amountMinor: number,
  authorizationId = 'A',
  captureId = `cap-${parcelId}`,
): Short<OrderCommand> => ['RecordCapture', { captureId, authorizationId, parcelId, amountMinor }];
export const delivered = (parcelId: string, shipmentId: string = SHIPMENT): Short<OrderCommand> => [
  'RecordDelivery',
  { shipmentId, parcelId },
];
/** Everything sent in one parcel P, captured, delivered and told to the stock: closed. */
export const closed = (change?: Placing): Scenario => {
  const sent = requested(change).and(dispatch('P', { 1: 3, 2: 2 }));
  return sent.and(captured('P', sent.state.totals.totalMinor)).and(delivered('P'));
};
export const line = ({ state }: Scenario, lineId = '1') => {
  const found = state.lines.find((l) => l.lineId === lineId);
  if (!found) throw new Error(`no line ${lineId}`);
  return found;
};

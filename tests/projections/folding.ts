/** A view folded in memory, and events of orders to fold: decided by the order itself. */
import type { EventEnvelope, Meta, Position, Stamped } from '../../domain/kernel.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import { ORDER_EVENTS, orderStream, type OrderEventData } from '../../domain/order/events.ts';
import { order } from '../../domain/order/order.ts';
import type { OrderState } from '../../domain/order/state.ts';
import type { Projection } from '../../ports/projection.ts';
import type { Row } from '../../ports/read-store.ts';
import { foldRows } from '../../runtime/view/folding.ts';
import { message, stamp, type Short } from '../domain/scenario.ts';

export type Folding<D> = Readonly<{
  rows: ReadonlyMap<string, Row<D>>;
  fold(events: readonly EventEnvelope[]): Promise<void>;
}>;

/** Rows are kept as JSON, as a store does. */
export const folding = <D>(projection: Projection<D>): Folding<D> => {
  const rows = new Map<string, Row<D>>();
  return {
    rows,
    async fold(events) {
      const changed = await foldRows(projection, events, async (id) => rows.get(id));
      for (const row of changed) {
        if (row.doc === null) rows.delete(row.id);
        else rows.set(row.id, JSON.parse(JSON.stringify(row)) as Row<D>);
      }
    },
  };
};

export type History = Readonly<{
  /** All events so far, of all orders, in the order of commit. */
  events: readonly EventEnvelope[];
  state(orderId: string): OrderState;
  place(data: OrderEventData['OrderPlaced'], at: string): void;
  /**
   * Carries out what is not refused, says which types of event came of it, and throws for what is refused.
   */
  tell(orderId: string, at: string, ...commands: readonly Short<OrderCommand>[]): readonly string[];
}>;

export const history = (origin: Meta['origin'] = 'live'): History => {
  const events: EventEnvelope[] = [];
  const states = new Map<string, OrderState>();
  let commands = 0;
  const carryOut = (orderId: string, at: string, command: OrderCommand): string[] => {
    const meta = stamp(`command-${++commands}`, at);
    let state = states.get(orderId) ?? order.initial;
    const decision = order.decide({ ...command, meta } as Stamped<OrderCommand>, state);
    if (!decision.ok) throw new Error(`${command.type} was refused: ${decision.reason.sentence}`);
    for (const event of decision.events) {
      state = order.evolve(state, { ...event, meta });
      events.push({
        ...event,
        id: `event-${events.length}`,
        schema: ORDER_EVENTS[event.type].version,
        stream: orderStream(orderId),
        revision: state.revision,
        position: String(events.length + 1).padStart(16, '0') as Position,
        meta: {
          ...meta,
          recordedAt: at,
          origin,
          correlationId: 'c',
          causationId: 'c',
          previousHash: '0'.repeat(64),
        },
      });
    }
    states.set(orderId, state);
    return decision.events.map(({ type }) => type);
  };
  return {
    events,
    state: (orderId) => states.get(orderId) ?? order.initial,
    place: (data, at) => void carryOut(data.orderId, at, { type: 'PlaceOrder', data }),
    tell: (orderId, at, ...given) =>
      given.flatMap((short) => carryOut(orderId, at, message<OrderCommand>(short))),
  };
};

/**
 * Everything reserved, authorized as `authorizationId`, asked for, sent as parcel P, paid and delivered, all
 * at one time.
 */
export const fulfil = (told: History, orderId: string, at: string, authorizationId = 'A'): void => {
  const { lines, totals } = told.state(orderId);
  told.tell(
    orderId,
    at,
    [
      'RecordStock',
      {
        lines: lines.map(({ lineId, ordered }) => ({ lineId, reserved: ordered, backordered: 0, short: 0 })),
      },
    ],
    ['RecordAuthorization', { attempt: 1, authorizationId, amountMinor: totals.totalMinor }],
    ['RequestShipment', {}],
    [
      'RecordDispatch',
      {
        shipmentId: `${orderId}-1`,
        parcelId: 'P',
        lines: lines.map(({ lineId, ordered }) => ({ lineId, quantity: ordered })),
      },
    ],
    ['RecordCapture', { captureId: 'C', authorizationId, parcelId: 'P', amountMinor: totals.totalMinor }],
    ['RecordDelivery', { shipmentId: `${orderId}-1`, parcelId: 'P' }],
  );
};

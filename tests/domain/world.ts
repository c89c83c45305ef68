/**
 * A simulated outside for the pure aggregates: gateway, warehouse, stock and people, answering what orders
 * need in random order, with faults while `faults` is on. Each acts only when woken by an event that its
 * consumer handles. The world keeps its own books (what was charged, what lies on the shelf) to compare with.
 */
import * as assert from 'uvu/assert';
import { inventory as inventoryConsumer } from '../../consumers/inventory/index.ts';
import { payment as paymentConsumer } from '../../consumers/payment/index.ts';
import { warehouse as warehouseConsumer } from '../../consumers/warehouse/index.ts';
import type { Stamped } from '../../domain/kernel.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import type { OrderEvent, OrderEventData } from '../../domain/order/events.ts';
import { paymentNeed, stockNeeds, warehouseNeeds, type PaymentNeed } from '../../domain/order/needs.ts';
import { order } from '../../domain/order/order.ts';
import { brokenOrderRules } from '../../domain/order/rules.ts';
import { openShipments, type OrderState } from '../../domain/order/state.ts';
import {
  available,
  brokenStockRules,
  reservationId,
  reservationIn,
  reservationOf,
  stock,
  type StockCommand,
  type StockEvent,
  type StockState,
} from '../../domain/stock/stock.ts';
import type { Dice } from './random.ts';
import { at, stamp } from './scenario.ts';

type Hold = {
  orderId: string;
  key: string;
  amountMinor: number;
  capturedMinor: number;
  state: 'open' | 'action' | 'ended';
};
type Shipment = { orderId: string; open: Map<string, number>; state: 'packing' | 'over' };

/**
 * Which events wake whom; taken from the consumers, so that one that is not woken for what an order needs is
 * found out.
 */
const WOKEN_BY = {
  payment: new Set<string>(paymentConsumer.handles.types),
  inventory: new Set<string>(inventoryConsumer.handles.types),
  warehouse: new Set<string>(warehouseConsumer.handles.types),
} as const;
type Name = keyof typeof WOKEN_BY;
const NAMES = Object.keys(WOKEN_BY) as Name[];

export const createWorld = (d: Dice, onHand: Readonly<Record<string, number>>) => {
  const orders = new Map<string, OrderState>();
  const stocks = new Map<string, StockState>();
  const shelf = new Map<string, number>();
  // The gateway's own books.
  const holds = new Map<string, Hold>();
  const refusedKeys = new Set<string>();
  const captures = new Map<string, { captureId: string; amountMinor: number } | 'failed'>();
  const refunds = new Map<string, { amountMinor: number } | 'failed'>();
  const money = new Map<string, number>();
  const shipments = new Map<string, Shipment>();
  /** News of filled back-orders on its way to the orders. */
  const fills: { reservationId: string; quantity: number }[] = [];
  const woken = new Set<string>();
  let now = 0;
  let ids = 0;
  let faults = true;
  const faulty = (probability: number): boolean => faults && d.chance(probability);
  const stateOf = (orderId: string): OrderState => orders.get(orderId) ?? order.initial;
  const earn = (orderId: string, amountMinor: number): void =>
    void money.set(orderId, (money.get(orderId) ?? 0) + amountMinor);

  /** Carries a command out; false when it was refused. */
  const tell = (orderId: string, command: OrderCommand, commandId = `c${++ids}`): boolean => {
    const stamped = { ...command, meta: stamp(commandId, at(now)) } as Stamped<OrderCommand>;
    let state = stateOf(orderId);
    const decision = order.decide(stamped, state);
    if (!decision.ok) return false;
    for (const event of decision.events) {
      state = order.evolve(state, { ...event, meta: stamped.meta } as Stamped<OrderEvent>);
      assert.equal(brokenOrderRules(state), [], `${event.type} by ${command.type}`);
      if (event.type === 'ShipmentRequested')
        shipments.set(event.data.shipmentId, {
          orderId,
          open: new Map(event.data.lines.map((l) => [l.lineId, l.quantity])),
          state: 'packing',
        });
      for (const name of NAMES) if (WOKEN_BY[name].has(event.type)) woken.add(`${name}/${orderId}`);
    }
    orders.set(orderId, state);
    return true;
  };
  const stockCommand = (sku: string, command: StockCommand): readonly StockEvent[] => {
    const meta = stamp(`s${++ids}`, at(now));
    let state = stocks.get(sku) ?? stock.initial;
    const decision = stock.decide({ ...command, meta }, state);
    if (!decision.ok) return [];
    for (const event of decision.events) {
      state = stock.evolve(state, { ...event, meta });
      if (event.type === 'BackorderFilled') fills.push(event.data);
    }
    assert.equal(brokenStockRules(state), []);
    stocks.set(sku, state);
    return decision.events;
  };
  const receive = (sku: string, quantity: number): void => {
    shelf.set(sku, (shelf.get(sku) ?? 0) + quantity);
    stockCommand(sku, { type: 'ReceiveGoods', data: { quantity } });
  };
  for (const [sku, quantity] of Object.entries(onHand)) if (quantity > 0) receive(sku, quantity);

  const gateway = (orderId: string, need: PaymentNeed): OrderCommand | undefined => {
    // The call was lost before it acted; the next try repeats it under its key.
    if (faulty(0.1)) return undefined;
    const answer = ((): OrderCommand => {
      switch (need.do) {
        case 'authorize': {
          const { attempt, amountMinor } = need;
          const key = `${orderId}:${attempt}`;
          if (amountMinor === 0)
            return {
              type: 'RecordAuthorization',
              data: { attempt, authorizationId: `none-${key}`, amountMinor },
            };
          const known = holds.get(key);
          if (known) assert.is(known.amountMinor, amountMinor, 'one key, two amounts');
          if (!known && (refusedKeys.has(key) || faulty(0.3))) {
            refusedKeys.add(key);
            return { type: 'RecordDecline', data: { attempt, code: 'declined', sentence: 'No.' } };
          }
          const hold = known ?? {
            orderId,
            key,
            amountMinor,
            capturedMinor: 0,
            state: faulty(0.2) ? 'action' : 'open',
          };
          holds.set(key, hold);
          return hold.state === 'action'
            ? { type: 'RecordActionRequired', data: { attempt, authorizationId: key, url: 'u' } }
            : { type: 'RecordAuthorization', data: { attempt, authorizationId: key, amountMinor } };
        }
        case 'abandon': {
          const key = `${orderId}:${need.attempt}`;
          const hold = holds.get(key);
          if (hold?.state === 'open')
            return {
              type: 'RecordAuthorization',
              data: { attempt: need.attempt, authorizationId: key, amountMinor: hold.amountMinor },
            };
          refusedKeys.add(key);
          if (hold) hold.state = 'ended';
          return { type: 'RecordAbandoned', data: { attempt: need.attempt } };
        }
        case 'capture': {
          const { parcelId, amountMinor, authorizationId } = need;
          const key = `${parcelId}:${authorizationId ?? ''}`;
          const hold = authorizationId === undefined ? undefined : holds.get(authorizationId);
          if (!captures.has(key)) {
            const good =
              hold?.state === 'open' && hold.amountMinor - hold.capturedMinor >= amountMinor && !faulty(0.1);
            captures.set(key, good ? { captureId: `cap:${key}`, amountMinor } : 'failed');
            if (good && hold) {
              hold.capturedMinor += amountMinor;
              earn(orderId, amountMinor);
            }
          }
          const captured = captures.get(key);
          return captured && captured !== 'failed' && authorizationId !== undefined
            ? {
                type: 'RecordCapture',
                data: {
                  captureId: captured.captureId,
                  authorizationId,
                  parcelId,
                  amountMinor: captured.amountMinor,
                },
              }
            : { type: 'RecordCaptureFailure', data: { parcelId, code: 'no', sentence: 'No.' } };
        }
        case 'void': {
          const hold = holds.get(need.authorizationId);
          if (hold) hold.state = 'ended';
          return { type: 'RecordVoid', data: { authorizationId: need.authorizationId } };
        }
        case 'refund': {
          const key = `${orderId}:${need.refundId}`;
          if (!refunds.has(key)) {
            refunds.set(key, faulty(0.1) ? 'failed' : { amountMinor: need.amountMinor });
            if (refunds.get(key) !== 'failed') earn(orderId, -need.amountMinor);
          }
          return refunds.get(key) === 'failed'
            ? { type: 'RecordRefundFailure', data: { refundId: need.refundId, code: 'no', sentence: 'No.' } }
            : { type: 'RecordRefund', data: { refundId: need.refundId } };
        }
      }
    })();
    // It acted, and nobody heard the answer.
    return faulty(0.1) ? undefined : answer;
  };

  const pay = (orderId: string): boolean => {
    const need = paymentNeed(stateOf(orderId));
    if (!need) return false;
    const answer = gateway(orderId, need);
    if (answer)
      assert.ok(tell(orderId, answer), `${need.do} was answered with ${answer.type}, which was refused`);
    return true;
  };

  const leftThroughStock = (state: OrderState, lineId: string): number =>
    state.parcels.reduce(
      (total, parcel) =>
        total +
        parcel.lines.reduce((n, l) => n + (l.lineId === lineId ? l.quantity - (l.unheld ?? 0) : 0), 0),
      0,
    );
  const inventory = (orderId: string): boolean => {
    const state = stateOf(orderId);
    // What left is told first: units of parcels that the reservation still counts.
    for (const { lineId, sku } of state.lines) {
      const total = leftThroughStock(state, lineId);
      if (total > 0)
        stockCommand(sku, {
          type: 'DispatchUnits',
          data: { reservationId: reservationId(orderId, lineId), total },
        });
    }
    const needs = stockNeeds(state);
    const toReserve = needs.filter((need) => need.do === 'reserve');
    if (toReserve.length > 0) {
      const onShortage =
        state.onShortage === 'cancelOrder'
          ? 'none'
          : state.onShortage === 'cancelLines'
            ? 'partial'
            : 'backorder';
      for (const { lineId, sku, quantity } of toReserve)
        stockCommand(sku, {
          type: 'ReserveUnits',
          data: { reservationId: reservationId(orderId, lineId), quantity, onShortage },
        });
      // The process dies before the order hears of it, people go on, and it is repeated.
      if (faulty(0.3)) return true;
      const lines = toReserve.map(({ lineId, sku, quantity }) => {
        const { reserved, backordered } = reservationIn(
          stocks.get(sku) ?? stock.initial,
          reservationId(orderId, lineId),
        ) ?? { reserved: 0, backordered: 0 };
        return { lineId, reserved, backordered, short: Math.max(0, quantity - reserved - backordered) };
      });
      return tell(orderId, { type: 'RecordStock', data: { lines } });
    }
    const toRelease = needs.filter((need) => need.do === 'release');
    if (toRelease.length === 0) return false;
    const lines = toRelease.map(({ lineId, sku, keep }) => {
      const id = reservationId(orderId, lineId);
      const events = stockCommand(sku, {
        type: 'ReleaseUnits',
        data: { reservationId: id, keep, dispatched: leftThroughStock(state, lineId) },
      });
      const quantity = events.reduce(
        (total, e) => total + (e.type === 'UnitsReleased' ? e.data.reserved + e.data.backordered : 0),
        0,
      );
      const held = reservationIn(stocks.get(sku) ?? stock.initial, id);
      return { lineId, quantity, holds: (held?.reserved ?? 0) + (held?.backordered ?? 0) };
    });
    return tell(orderId, { type: 'RecordRelease', data: { lines } });
  };
  const hearFills = (): boolean => {
    const fill = fills.shift();
    if (!fill) return false;
    const { orderId, lineId } = reservationOf(fill.reservationId);
    const unheard = stateOf(orderId).lines.some((l) => l.lineId === lineId && l.held === null);
    // The consumer tries again once the order has heard of its reservation.
    if (unheard) fills.push(fill);
    else if (tell(orderId, { type: 'RecordBackorderFilled', data: { lineId, quantity: fill.quantity } }))
      woken.add(`inventory/${orderId}`);
    return !unheard;
  };

  const ask = (orderId: string): boolean => {
    const [need] = warehouseNeeds(stateOf(orderId));
    if (need?.do === 'request') {
      tell(orderId, { type: 'RequestShipment', data: {} });
      return true;
    }
    if (!need) return false;
    const shipment = shipments.get(need.shipmentId);
    // Too late: its parcel is on the way out and is told of by `pack`.
    if (faulty(0.4)) return false;
    if (shipment) shipment.state = 'over';
    tell(orderId, {
      type: 'RecordShipmentFailure',
      data: { shipmentId: need.shipmentId, reason: 'cancelled' },
    });
    return true;
  };
  const send = (
    orderId: string,
    shipmentId: string,
    lines: readonly (readonly [lineId: string, quantity: number])[],
  ): boolean => {
    const state = stateOf(orderId);
    const known = tell(orderId, {
      type: 'RecordDispatch',
      data: {
        shipmentId,
        parcelId: `P${++ids}`,
        lines: lines.map(([lineId, quantity]) => ({ lineId, quantity })),
      },
    });
    if (!known) return false;
    const parcel = stateOf(orderId).parcels.at(-1);
    for (const { lineId, quantity, unheld } of parcel?.lines ?? []) {
      const sku = state.lines.find((l) => l.lineId === lineId)?.sku ?? '';
      shelf.set(sku, (shelf.get(sku) ?? 0) - quantity);
      if (unheld !== undefined)
        stockCommand(sku, { type: 'AdjustStock', data: { delta: -unheld, reason: 'late', fact: true } });
    }
    return true;
  };
  const pack = (orderId: string): boolean => {
    const found = [...shipments].find(([, s]) => s.orderId === orderId && s.state === 'packing');
    if (!found) return false;
    const [shipmentId, shipment] = found;
    if (faulty(0.25)) {
      shipment.state = 'over';
      return tell(orderId, { type: 'RecordShipmentFailure', data: { shipmentId, reason: 'lost' } });
    }
    const part = [...shipment.open].flatMap(([lineId, quantity]) => {
      const units = faults ? d.below(quantity + 1) : quantity;
      return units > 0 ? [[lineId, units] as const] : [];
    });
    if (part.length === 0) return true;
    for (const [lineId, units] of part) {
      const left = (shipment.open.get(lineId) ?? 0) - units;
      if (left > 0) shipment.open.set(lineId, left);
      else shipment.open.delete(lineId);
    }
    if (shipment.open.size === 0) shipment.state = 'over';
    assert.ok(send(orderId, shipmentId, part), 'what was asked for could not be dispatched');
    return true;
  };
  const deliver = (orderId: string): boolean => {
    const parcel = stateOf(orderId).parcels.find((p) => !p.deliveredAt);
    if (!parcel) return false;
    return tell(orderId, {
      type: 'RecordDelivery',
      data: { shipmentId: parcel.shipmentId, parcelId: parcel.parcelId },
    });
  };

  /** What people, and a world out of order, do. */
  const mischief = (orderId: string): void => {
    const state = stateOf(orderId);
    const someLines = (units: (lineId: string) => number) =>
      state.lines.flatMap(({ lineId }) =>
        units(lineId) > 0 && d.chance(0.6) ? [{ lineId, quantity: 1 + d.below(units(lineId)) }] : [],
      );
    const back = (lineId: string) => {
      const l = state.lines.find((x) => x.lineId === lineId);
      return l ? l.dispatched - l.returned : 0;
    };
    const actions: readonly (() => void)[] = [
      () => tell(orderId, { type: 'CancelOrder', data: { reason: 'r' } }),
      () => tell(orderId, { type: 'CancelLines', data: { lines: someLines(() => 2), reason: 'r' } }),
      () => tell(orderId, { type: 'HoldOrder', data: { hold: `h${d.below(2)}`, reason: 'r' } }),
      () => tell(orderId, { type: 'ReleaseOrder', data: { hold: `h${d.below(2)}`, reason: 'r' } }),
      () => tell(orderId, { type: 'RetryPayment', data: { token: 'other' } }),
      () => tell(orderId, { type: 'RetryPayment', data: {} }),
      () =>
        tell(orderId, {
          type: 'RequestRefund',
          data: { refundId: `G${++ids}`, amountMinor: 1 + d.below(500), currency: 'GBP', reason: 'sorry' },
        }),
      () =>
        tell(orderId, {
          type: 'RequestReturn',
          data: { returnId: `R${++ids}`, lines: someLines(back), reason: 'r' },
        }),
      () => {
        const lines = someLines(back);
        const restock = d.chance(0.7);
        const known = d.pick(state.returns.filter((r) => !r.receivedAt))?.returnId ?? `R${++ids}`;
        if (
          !tell(orderId, { type: 'RecordReturnReceived', data: { returnId: known, lines, restock } }) ||
          !restock
        )
          return;
        for (const { lineId, quantity } of lines)
          receive(state.lines.find((l) => l.lineId === lineId)?.sku ?? '', quantity);
      },
      () => {
        now += d.below(20);
        tell(orderId, { type: 'ExpireOrder', data: {} });
      },
      () => {
        // The customer does what the bank wanted, perhaps long after.
        const hold = [...holds.values()].find((h) => h.orderId === orderId && h.state === 'action');
        if (!hold) return;
        hold.state = 'open';
        tell(orderId, {
          type: 'RecordAuthorization',
          data: {
            attempt: Number(hold.key.split(':')[1]),
            authorizationId: hold.key,
            amountMinor: hold.amountMinor,
          },
        });
      },
      () => {
        const known = d.pick(state.payment.authorizations.filter((a) => a.state === 'open'));
        const hold = known && holds.get(known.authorizationId);
        if (!hold || hold.state !== 'open' || d.chance(0.7)) return;
        hold.state = 'ended';
        tell(orderId, { type: 'RecordAuthorizationExpired', data: { authorizationId: hold.key } });
      },
      () => receive(d.pick([...stocks.keys()]) ?? '', 1 + d.below(3)),
      () => {
        // The warehouse sends what it had said that it stopped.
        const gone = [...shipments].find(
          ([, s]) => s.orderId === orderId && s.state === 'over' && s.open.size > 0,
        );
        if (gone && d.chance(0.3) && send(orderId, gone[0], [...gone[1].open])) gone[1].open.clear();
      },
    ];
    d.pick(actions)?.();
  };

  /** Works while there is something to do, then sleeps until an event wakes it. */
  const consumer =
    (name: Name, work: (orderId: string) => boolean) =>
    (orderId: string): boolean => {
      const key = `${name}/${orderId}`;
      if (!woken.has(key)) return false;
      const busy = work(orderId);
      if (!busy) woken.delete(key);
      return busy;
    };
  const [paying, keeping, asking] = [
    consumer('payment', pay),
    consumer('inventory', inventory),
    consumer('warehouse', ask),
  ];
  const works = [paying, paying, keeping, keeping, asking, pack, deliver, () => hearFills()];
  return {
    place(data: OrderEventData['OrderPlaced']): void {
      for (const { sku } of data.lines) if (!stocks.has(sku)) stocks.set(sku, stock.initial);
      assert.ok(tell(data.orderId, { type: 'PlaceOrder', data }));
    },
    step(): void {
      const orderId = d.pick([...orders.keys()]) ?? '';
      if (d.chance(0.25)) mischief(orderId);
      else d.pick(works)?.(orderId);
    },
    /**
     * Faults end, holds are lifted, goods arrive, time passes: everybody does what is to be done until
     * nothing is. Returns rounds taken.
     */
    settle(limit: number): number {
      faults = false;
      for (const [orderId, state] of orders)
        for (const { hold } of state.holds)
          tell(orderId, { type: 'ReleaseOrder', data: { hold, reason: 'r' } });
      let rounds = 0;
      for (let busy = true; busy && rounds < limit; rounds++) {
        busy = false;
        // Enough for all who wait, and for what was sent though it was promised to others.
        for (const [sku, state] of stocks)
          if (state.backordered > 0) receive(sku, state.backordered + Math.max(0, -available(state)));
        for (const orderId of orders.keys()) for (const work of works) busy = work(orderId) || busy;
        if (busy) continue;
        now += 60;
        for (const [orderId, { revision, expiresAt }] of orders) {
          while (at(now) < expiresAt) now += 60;
          tell(orderId, { type: 'ExpireOrder', data: {} });
          busy = stateOf(orderId).revision !== revision || busy;
        }
      }
      return rounds;
    },
    orders,
    stocks,
    shelf,
    money,
    heldMinor: (orderId: string): number =>
      [...holds.values()].reduce(
        (total, h) =>
          total + (h.orderId === orderId && h.state === 'open' ? h.amountMinor - h.capturedMinor : 0),
        0,
      ),
    needs: (orderId: string) =>
      [
        paymentNeed(stateOf(orderId)),
        ...stockNeeds(stateOf(orderId)),
        ...warehouseNeeds(stateOf(orderId)),
        ...openShipments(stateOf(orderId)),
      ].filter((need) => need !== undefined),
  };
};

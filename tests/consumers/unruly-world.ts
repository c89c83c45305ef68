/**
 * The shop with its own consumers on memory parts, among people and an outside that misbehave at random. Each
 * consumer handles only what it listens to, in order for each stream, whenever the dice call it; what it
 * commands may be cut off. The world keeps its own books (what was charged, what lies on the shelf) to
 * compare with.
 */
import * as assert from 'uvu/assert';
import { consumers } from '../../consumers/index.ts';
import { keyOf, type EventEnvelope } from '../../domain/kernel.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import { orderStream, type OrderEventData } from '../../domain/order/events.ts';
import { paymentNeed, stockNeeds, warehouseNeeds } from '../../domain/order/needs.ts';
import { orders } from '../../domain/order/order.ts';
import { brokenOrderRules } from '../../domain/order/rules.ts';
import { openShipments, type OrderState } from '../../domain/order/state.ts';
import {
  available,
  brokenStockRules,
  reservationId,
  reservationIn,
  stockStream,
  stocks,
  type StockState,
} from '../../domain/stock/stock.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { isRetriable } from '../../runtime/retry.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { at } from '../domain/scenario.ts';
import type { Dice } from '../domain/random.ts';
import { memoryShop } from '../memory-shop.ts';
import { unrulyOutside, type Packing } from './unruly-outside.ts';

const CUT_OFF = 0.1;
/** Those that move an order; the others tell of it. */
const MOVING = ['payment', 'inventory', 'warehouse', 'deadlines'];

export const createWorld = (d: Dice) => {
  const outside = unrulyOutside(d);
  const { faulty, holds, money, shipments } = outside;
  /** Minutes. */
  let now = 0;
  let ids = 0;
  const placedOrders: string[] = [];
  const skus = new Set<string>();
  const shelf = new Map<string, number>();
  /** What each consumer has yet to handle, by consumer and stream. */
  const pending = new Map<string, { consumer: string; events: EventEnvelope[] }>();
  const touched = new Set<string>();

  const store = memoryEventStore();
  const watched = {
    ...store,
    async append(...[stream, expected, events]: Parameters<typeof store.append>) {
      const appended = await store.append(stream, expected, events);
      touched.add(stream);
      for await (const event of store.readStream(stream, { from: expected === 'none' ? 0 : expected + 1 }))
        for (const { name, handles } of acting)
          if ((handles.types as readonly string[]).includes(event.type)) {
            const key = `${name}/${stream}`;
            const lane = pending.get(key) ?? { consumer: name, events: [] };
            lane.events.push(event);
            pending.set(key, lane);
          }
      return appended;
    },
  };
  const clock = { now: () => new Date(at(now)), sleep: async () => undefined };
  const { parts, shop } = memoryShop(
    { clock },
    {
      store: watched,
      outside: () => ({
        ...outside,
        mailer: { send: async () => undefined },
        sink: { write: async () => undefined, close: async () => undefined },
        close: async () => undefined,
      }),
    },
  );
  const acting = consumers
    .filter(({ name }) => MOVING.includes(name))
    .map(({ make, ...declared }) => {
      const handed = shop.handedTo(declared.name);
      const cutOff = (): void => {
        if (faulty(CUT_OFF)) throw new StoreUnavailable('the process died');
      };
      const behaviour = make({
        ...handed,
        orders: {
          load: handed.orders.load,
          async command(...args) {
            cutOff();
            const answer = await handed.orders.command(...args);
            cutOff();
            return answer;
          },
        },
      });
      return { ...declared, ...behaviour };
    });

  const stateOf = async (orderId: string): Promise<OrderState> =>
    (await shop.executor.load(orders, orderStream(orderId))).state;
  const stockOf = async (sku: string): Promise<StockState> =>
    (await shop.executor.load(stocks, stockStream(sku))).state;
  const context = () => ({ commandId: `c${++ids}`, actor: { id: 'world', role: 'system' } as const });
  /** Carries a command out; false when it was refused. */
  const tell = async (orderId: string, command: OrderCommand): Promise<boolean> =>
    (await shop.executor.execute(orders, orderStream(orderId), command, context())).ok;
  const receive = async (sku: string, quantity: number): Promise<void> => {
    shelf.set(sku, (shelf.get(sku) ?? 0) + quantity);
    const goods = { type: 'ReceiveGoods', data: { quantity } } as const;
    assert.ok((await shop.executor.execute(stocks, stockStream(sku), goods, context())).ok);
  };
  const obeysRules = async (): Promise<void> => {
    for (const stream of touched) {
      const key = keyOf(stream);
      if (stream.startsWith('order-')) assert.equal(brokenOrderRules(await stateOf(key)), [], stream);
      if (stream.startsWith('stock-')) assert.equal(brokenStockRules(await stockOf(key)), [], stream);
    }
    touched.clear();
  };

  const { signal } = new AbortController();
  /** The first event that waits in the lane; it stays there when trying again is right. */
  const handle = async (key: string): Promise<boolean> => {
    const lane = pending.get(key);
    const [event] = lane?.events ?? [];
    const consumer = acting.find(({ name }) => name === lane?.consumer);
    if (!lane || !event || !consumer) return false;
    try {
      await consumer.handle(event, signal);
    } catch (error) {
      if (!isRetriable(error)) throw error;
      return true;
    }
    lane.events.shift();
    if (lane.events.length === 0) pending.delete(key);
    return true;
  };
  const expire = async (): Promise<boolean> => {
    const due = await parts.schedule.due('order-expiry', at(now), 100);
    const [schedule] = acting.find(({ name }) => name === 'deadlines')?.schedules ?? [];
    for (const { key } of due)
      await schedule?.onDue(key).catch((error: unknown) => {
        if (!isRetriable(error)) throw error;
      });
    return due.length > 0;
  };

  const send = async (
    { orderId }: Packing,
    shipmentId: string,
    lines: readonly (readonly [lineId: string, quantity: number])[],
  ): Promise<boolean> => {
    const { lines: ordered } = await stateOf(orderId);
    const sent = lines.map(([lineId, quantity]) => ({ lineId, quantity }));
    const parcel = { shipmentId, parcelId: `P${++ids}`, lines: sent };
    if (!(await tell(orderId, { type: 'RecordDispatch', data: parcel }))) return false;
    for (const [lineId, quantity] of lines) {
      const sku = ordered.find((line) => line.lineId === lineId)?.sku ?? '';
      shelf.set(sku, (shelf.get(sku) ?? 0) - quantity);
    }
    return true;
  };
  const pack = async (orderId: string): Promise<boolean> => {
    const found = [...shipments].find(([, s]) => s.orderId === orderId && s.state === 'packing');
    if (!found) return false;
    const [shipmentId, shipment] = found;
    if (faulty(0.25)) {
      shipment.state = 'over';
      return tell(orderId, { type: 'RecordShipmentFailure', data: { shipmentId, reason: 'lost' } });
    }
    const part = [...shipment.open].flatMap(([lineId, quantity]) => {
      const units = faulty(1) ? d.below(quantity + 1) : quantity;
      return units > 0 ? [[lineId, units] as const] : [];
    });
    if (part.length === 0) return true;
    for (const [lineId, units] of part) {
      const left = (shipment.open.get(lineId) ?? 0) - units;
      if (left > 0) shipment.open.set(lineId, left);
      else shipment.open.delete(lineId);
    }
    if (shipment.open.size === 0) shipment.state = 'over';
    assert.ok(await send(shipment, shipmentId, part), 'what was asked for could not be dispatched');
    return true;
  };
  const deliver = async (orderId: string): Promise<boolean> => {
    const parcel = (await stateOf(orderId)).parcels.find((p) => !p.deliveredAt);
    if (!parcel) return false;
    const { shipmentId, parcelId } = parcel;
    return tell(orderId, { type: 'RecordDelivery', data: { shipmentId, parcelId } });
  };

  /** What people, and a world out of order, do. */
  const mischief = async (orderId: string): Promise<void> => {
    const state = await stateOf(orderId);
    const someLines = (units: (lineId: string) => number) =>
      state.lines.flatMap(({ lineId }) =>
        units(lineId) > 0 && d.chance(0.6) ? [{ lineId, quantity: 1 + d.below(units(lineId)) }] : [],
      );
    const back = (lineId: string) => {
      const line = state.lines.find((l) => l.lineId === lineId);
      return line ? line.dispatched - line.returned : 0;
    };
    const say = (command: OrderCommand) => () => tell(orderId, command);
    const actions: readonly (() => Promise<unknown>)[] = [
      say({ type: 'CancelOrder', data: { reason: 'r' } }),
      () => tell(orderId, { type: 'CancelLines', data: { lines: someLines(() => 2), reason: 'r' } }),
      () => tell(orderId, { type: 'HoldOrder', data: { hold: `h${d.below(2)}`, reason: 'r' } }),
      () => tell(orderId, { type: 'ReleaseOrder', data: { hold: `h${d.below(2)}`, reason: 'r' } }),
      say({ type: 'RetryPayment', data: { token: 'other' } }),
      say({ type: 'RetryPayment', data: {} }),
      () => {
        const refund = { refundId: `G${++ids}`, amountMinor: 1 + d.below(500) };
        return tell(orderId, {
          type: 'RequestRefund',
          data: { ...refund, currency: 'GBP', reason: 'sorry' },
        });
      },
      () => {
        const asked = { returnId: `R${++ids}`, lines: someLines(back), reason: 'r' };
        return tell(orderId, { type: 'RequestReturn', data: asked });
      },
      async () => {
        const lines = someLines(back);
        const restock = d.chance(0.7);
        const returnId = d.pick(state.returns.filter((r) => !r.receivedAt))?.returnId ?? `R${++ids}`;
        const arrived = { returnId, lines, restock };
        if (!(await tell(orderId, { type: 'RecordReturnReceived', data: arrived })) || !restock) return;
        for (const { lineId, quantity } of lines) {
          const sku = state.lines.find((line) => line.lineId === lineId)?.sku ?? '';
          shelf.set(sku, (shelf.get(sku) ?? 0) + quantity);
        }
      },
      async () => {
        now += d.below(20);
        await expire();
      },
      async () => {
        // The customer does what the bank wanted, perhaps long after.
        const hold = [...holds.values()].find((h) => h.orderId === orderId && h.state === 'action');
        if (!hold) return;
        hold.state = 'open';
        const { key, amountMinor } = hold;
        const attempt = Number(key.split(':').at(-1));
        const authorization = { attempt, authorizationId: key, amountMinor };
        await tell(orderId, { type: 'RecordAuthorization', data: authorization });
      },
      async () => {
        const known = d.pick(state.payment.authorizations.filter((a) => a.state === 'open'));
        const hold = known && holds.get(known.authorizationId);
        if (!hold || hold.state !== 'open' || d.chance(0.7)) return;
        hold.state = 'ended';
        await tell(orderId, { type: 'RecordAuthorizationExpired', data: { authorizationId: hold.key } });
      },
      () => receive(d.pick([...skus]) ?? '', 1 + d.below(3)),
      async () => {
        // The warehouse sends what it had said that it stopped. Not in the moment between the stock's release and its
        // record on the order: ARCHITECTURE.md has that among the known gaps.
        for (const { lineId, sku, held } of state.lines) {
          const there = reservationIn(await stockOf(sku), reservationId(orderId, lineId));
          if ((held ?? 0) !== (there?.reserved ?? 0) + (there?.backordered ?? 0)) return;
        }
        const gone = [...shipments].find(
          ([, s]) => s.orderId === orderId && s.state === 'over' && s.open.size > 0,
        );
        if (gone && d.chance(0.3) && (await send(gone[1], gone[0], [...gone[1].open]))) gone[1].open.clear();
      },
    ];
    await d.pick(actions)?.();
  };

  return {
    store,
    async receive(sku: string, quantity: number): Promise<void> {
      skus.add(sku);
      if (quantity > 0) await receive(sku, quantity);
    },
    async place(data: OrderEventData['OrderPlaced']): Promise<void> {
      placedOrders.push(data.orderId);
      assert.ok(await tell(data.orderId, { type: 'PlaceOrder', data }));
    },
    async step(): Promise<void> {
      const orderId = d.pick(placedOrders) ?? '';
      const lanes = [...pending.keys()];
      if (d.chance(0.25)) await mischief(orderId);
      else if (lanes.length > 0 && d.chance(0.75)) await handle(d.pick(lanes) ?? '');
      else await (d.chance(0.5) ? pack(orderId) : deliver(orderId));
      await obeysRules();
    },
    /**
     * Faults end, holds are lifted, goods arrive, time passes: everybody does what is to be done until
     * nothing is. Returns rounds taken.
     */
    async settle(limit: number): Promise<number> {
      outside.behave();
      for (const orderId of placedOrders)
        for (const { hold } of (await stateOf(orderId)).holds)
          await tell(orderId, { type: 'ReleaseOrder', data: { hold, reason: 'r' } });
      let rounds = 0;
      for (let busy = true; busy && rounds < limit; rounds++) {
        busy = false;
        // Enough for all who wait, and for what was sent though it was promised to others.
        for (const sku of skus) {
          const stock = await stockOf(sku);
          if (stock.backordered > 0) await receive(sku, stock.backordered + Math.max(0, -available(stock)));
        }
        for (const key of Array.from(pending.keys())) busy = (await handle(key)) || busy;
        for (const orderId of placedOrders) {
          busy = (await pack(orderId)) || busy;
          busy = (await deliver(orderId)) || busy;
        }
        await obeysRules();
        if (busy) continue;
        // Nobody has anything to do: time passes until something falls due.
        now += 24 * 60;
        busy = await expire();
      }
      return rounds;
    },
    orders: async (): Promise<ReadonlyMap<string, OrderState>> => {
      const all = new Map<string, OrderState>();
      for (const orderId of placedOrders) all.set(orderId, await stateOf(orderId));
      return all;
    },
    stocks: async (): Promise<ReadonlyMap<string, StockState>> => {
      const all = new Map<string, StockState>();
      for (const sku of skus) all.set(sku, await stockOf(sku));
      return all;
    },
    shelf,
    money,
    heldMinor: (orderId: string): number => {
      let held = 0;
      for (const h of holds.values())
        if (h.orderId === orderId && h.state === 'open') held += h.amountMinor - h.capturedMinor;
      return held;
    },
    needs: (state: OrderState) =>
      [paymentNeed(state), ...stockNeeds(state), ...warehouseNeeds(state), ...openShipments(state)].filter(
        (need) => need !== undefined,
      ),
  };
};

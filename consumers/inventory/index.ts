/**
 * Sets stock aside for orders and gives it back. What the stock answered is reported to the order, which
 * draws the conclusions.
 */
import { keyOf, type EventEnvelope } from '../../domain/kernel.ts';
import { stockNeeds, type StockNeed } from '../../domain/order/needs.ts';
import { orderEvent, orderStream, type ShortagePolicy } from '../../domain/order/events.ts';
import type { Line, OrderState } from '../../domain/order/state.ts';
import { reservationId, reservationIn, reservationOf, stockEvent } from '../../domain/stock/stock.ts';
import { insist, type Cause, type ShopConsumer } from '../../shop/consumer-deps.ts';

/** SKUs of one order that are reserved at once: an order of 700 lines must not crowd out the others. */
const LINES_AT_ONCE = 16;
const ROUNDS = 10;

const shortage = (policy: ShortagePolicy): 'none' | 'partial' | 'backorder' =>
  policy === 'cancelOrder' ? 'none' : policy === 'cancelLines' ? 'partial' : 'backorder';

/** The order has not heard yet what the stock answered; that report comes first. */
class NotYetReported extends Error {
  override readonly name = 'NotYetReported';
  readonly retriable = true;
}

/** Units of a line that left through its reservation. */
const leftThroughStock = (state: OrderState, lineId: string): number =>
  state.parcels.reduce(
    (total, parcel) =>
      total + parcel.lines.reduce((n, l) => n + (l.lineId === lineId ? l.quantity - (l.unheld ?? 0) : 0), 0),
    0,
  );

export const inventory: ShopConsumer = {
  name: 'inventory',
  handles: {
    categories: ['order', 'stock'],
    types: [
      'OrderPlaced',
      'StockReserved',
      'LinesCancelled',
      'OrderCancelled',
      'ShipmentDispatched',
      'ReturnReceived',
      'BackorderFilled',
    ],
  },
  effects: ['reserves and releases stock'],
  from: 'beginning',
  concurrency: 64,
  breaker: false,
  // One order that cannot go on must not hold up another that shares a SKU.
  laneOf(event) {
    if (event.type !== 'BackorderFilled') return event.stream;
    const filled = stockEvent(event);
    return filled.type === 'BackorderFilled'
      ? orderStream(reservationOf(filled.data.reservationId).orderId)
      : event.stream;
  },
  make({ orders, stocks, inParallel, onFailure }) {
    const reserve = async (
      state: OrderState,
      needs: readonly Extract<StockNeed, { do: 'reserve' }>[],
      event: EventEnvelope,
    ): Promise<OrderState> => {
      const taken = new Set<string>();
      const lines = await inParallel(needs, LINES_AT_ONCE, async ({ lineId, sku, quantity }) => {
        const id = reservationId(state.orderId, lineId);
        const answer = await stocks.command(
          sku,
          {
            type: 'ReserveUnits',
            data: { reservationId: id, quantity, onShortage: shortage(state.onShortage) },
          },
          { event, step: `reserve-${lineId}` },
        );
        const held = reservationIn(answer.state, id) ?? { reserved: 0, backordered: 0, filled: 0 };
        // As it was when it was made: what has been filled since is reported by its own event, and must not
        // count twice.
        const [reserved, backordered] = [held.reserved - held.filled, held.backordered + held.filled];
        if (answer.ok && answer.events.length > 0) taken.add(lineId);
        return { lineId, reserved, backordered, short: quantity - reserved - backordered };
      });
      const recorded = insist(
        await orders.command(
          state.orderId,
          { type: 'RecordStock', data: { lines } },
          { event, step: 'record-stock' },
        ),
      );
      // Another process may have had the partition meanwhile, and settled a line without what was taken here. Not by
      // letGo: what has left did not leave through this reservation.
      const stray = recorded.lines.filter(({ lineId, held }) => held === 0 && taken.has(lineId));
      await inParallel(stray, LINES_AT_ONCE, ({ lineId, sku }) =>
        stocks.command(
          sku,
          { type: 'ReleaseUnits', data: { reservationId: reservationId(state.orderId, lineId), keep: 0 } },
          { event, step: `stray-${lineId}` },
        ),
      );
      return recorded;
    };

    const letGo = (state: OrderState, lineId: string, sku: string, keep: number, cause: Cause) =>
      stocks.command(
        sku,
        {
          type: 'ReleaseUnits',
          data: {
            reservationId: reservationId(state.orderId, lineId),
            keep,
            dispatched: leftThroughStock(state, lineId),
          },
        },
        cause,
      );

    const release = async (
      state: OrderState,
      needs: readonly Extract<StockNeed, { do: 'release' }>[],
      event: EventEnvelope,
      round: number,
    ): Promise<OrderState> => {
      const lines = await inParallel(needs, LINES_AT_ONCE, async ({ lineId, sku, keep }) => {
        const released = await letGo(state, lineId, sku, keep, {
          event,
          step: `release-${lineId}-${round}`,
        });
        const quantity = (released.ok ? released.events : []).reduce(
          (total, e) => total + (e.type === 'UnitsReleased' ? e.data.reserved + e.data.backordered : 0),
          0,
        );
        const held = reservationIn(released.state, reservationId(state.orderId, lineId));
        return { lineId, quantity, holds: (held?.reserved ?? 0) + (held?.backordered ?? 0) };
      });
      return insist(
        await orders.command(
          state.orderId,
          { type: 'RecordRelease', data: { lines } },
          { event, step: `record-release-${round}` },
        ),
      );
    };

    const settle = async (state: OrderState, event: EventEnvelope): Promise<void> => {
      for (let round = 1; round <= ROUNDS; round++) {
        const needs = stockNeeds(state);
        const toReserve = needs.filter((need) => need.do === 'reserve');
        const toRelease = needs.filter((need) => need.do === 'release');
        if (toReserve.length > 0) state = await reserve(state, toReserve, event);
        else if (toRelease.length > 0) state = await release(state, toRelease, event, round);
        else return;
      }
    };

    const dispatched = async (state: OrderState, event: EventEnvelope): Promise<void> => {
      const parcel = orderEvent(event);
      if (parcel.type !== 'ShipmentDispatched') return;
      await inParallel(parcel.data.lines, LINES_AT_ONCE, async ({ lineId, unheld }) => {
        const line = state.lines.find((l) => l.lineId === lineId) as Line;
        insist(
          await letGo(state, lineId, line.sku, line.reserved + line.backordered, {
            event,
            step: `dispatch-${lineId}`,
          }),
        );
        if (unheld === undefined) return;
        const reason = `left with order ${state.orderId} after its reservation was given back`;
        insist(
          await stocks.command(
            line.sku,
            { type: 'AdjustStock', data: { delta: -unheld, reason, fact: true } },
            { event, step: `late-${lineId}` },
          ),
        );
      });
    };

    const returned = async (state: OrderState, event: EventEnvelope): Promise<void> => {
      const news = orderEvent(event);
      if (news.type !== 'ReturnReceived' || !news.data.restock) return;
      await inParallel(news.data.lines, LINES_AT_ONCE, async ({ lineId, quantity }) => {
        const line = state.lines.find((l) => l.lineId === lineId) as Line;
        insist(
          await stocks.command(
            line.sku,
            { type: 'ReceiveGoods', data: { quantity, reason: `returned with ${news.data.returnId}` } },
            { event, step: `restock-${lineId}` },
          ),
        );
      });
    };

    return {
      onFailure,
      async handle(event) {
        if (event.type === 'BackorderFilled') {
          const filled = stockEvent(event);
          if (filled.type !== 'BackorderFilled') return;
          // One delivery may fill more than one decision does.
          await stocks.command(
            keyOf(event.stream),
            { type: 'FillBackorders', data: {} },
            { event, step: 'fill-more' },
          );
          const { orderId, lineId } = reservationOf(filled.data.reservationId);
          const before = await orders.load(orderId);
          if (before.lines.some((line) => line.lineId === lineId && line.held === null))
            throw new NotYetReported(`order ${orderId} has not heard of its reservation yet`);
          await settle(
            insist(
              await orders.command(
                orderId,
                { type: 'RecordBackorderFilled', data: { lineId, quantity: filled.data.quantity } },
                { event, step: 'filled' },
              ),
            ),
            event,
          );
          return;
        }
        const state = await orders.load(keyOf(event.stream));
        if (event.type === 'ShipmentDispatched') await dispatched(state, event);
        if (event.type === 'ReturnReceived') await returned(state, event);
        await settle(state, event);
      },
    };
  },
};

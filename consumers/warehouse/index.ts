/**
 * Asks the warehouse to send what is confirmed and reserved, to stop what is cancelled, to expect what comes
 * back.
 */
import { keyOf, type EventEnvelope } from '../../domain/kernel.ts';
import { warehouseNeeds } from '../../domain/order/needs.ts';
import { openShipments, type OrderState } from '../../domain/order/state.ts';
import { orderEvent, type LineQuantity } from '../../domain/order/events.ts';
import { insist, type ShopConsumer } from '../../shop/consumer-deps.ts';
import { ERASED } from '../../ports/vault.ts';
import type { ParcelLine } from '../../ports/outside/warehouse.ts';

export const warehouse: ShopConsumer = {
  name: 'warehouse',
  handles: {
    categories: ['order'],
    types: [
      'OrderConfirmed',
      'StockReserved',
      'OrderReleased',
      'ShipmentRequested',
      'CancellationRequested',
      'ReturnRequested',
    ],
  },
  effects: ['asks the warehouse to ship, and to stop what it has not shipped'],
  from: 'beginning',
  concurrency: 64,
  breaker: true,
  make({ orders, warehouse: outside, vault, recordWarehouseNews, onFailure }) {
    const withSkus = (state: OrderState, lines: readonly LineQuantity[]): ParcelLine[] =>
      lines.map(({ lineId, quantity }) => ({
        lineId,
        quantity,
        sku: state.lines.find((line) => line.lineId === lineId)?.sku ?? '',
      }));

    const stop = async (state: OrderState, shipmentId: string, event: EventEnvelope): Promise<void> => {
      const { outcome } = await outside.cancelShipment({ shipmentId, orderId: state.orderId });
      // Too late is no failure: what has left is reported by the warehouse's own news.
      if (outcome === 'cancelled')
        insist(
          await orders.command(
            state.orderId,
            { type: 'RecordShipmentFailure', data: { shipmentId, reason: 'cancelled' } },
            { event, step: `stopped-${shipmentId}` },
          ),
        );
    };

    const ask = async (state: OrderState, shipmentId: string, event: EventEnvelope): Promise<void> => {
      const shipment = openShipments(state).find((open) => open.shipmentId === shipmentId);
      if (!shipment) return;
      const address = state.shippingAddress ? await vault.open(state.shippingAddress) : null;
      const call = {
        shipmentId,
        orderId: state.orderId,
        lines: withSkus(state, shipment.open),
        address: address === ERASED ? null : address,
      };
      const answer = await outside.requestShipment(call);
      if (answer.outcome === 'refused')
        insist(
          await orders.command(
            state.orderId,
            { type: 'RecordShipmentFailure', data: { shipmentId, reason: answer.reason } },
            { event, step: `refused-${shipmentId}` },
          ),
        );
    };

    return {
      onFailure,
      ...(outside.listen && { listen: () => outside.listen!(recordWarehouseNews) }),
      async handle(stored) {
        const event = orderEvent(stored);
        const state = await orders.load(keyOf(stored.stream));
        if (event.type === 'ReturnRequested') {
          const open = state.returns.find((r) => r.returnId === event.data.returnId && !r.receivedAt);
          if (open)
            await outside.expectReturn({
              returnId: open.returnId,
              orderId: state.orderId,
              lines: withSkus(state, open.lines),
            });
          return;
        }
        for (const need of warehouseNeeds(state)) {
          if (need.do === 'cancel') await stop(state, need.shipmentId, stored);
          else
            insist(
              await orders.command(
                state.orderId,
                { type: 'RequestShipment', data: {} },
                { event: stored, step: 'request' },
              ),
            );
        }
        if (event.type === 'ShipmentRequested' && !state.cancelled && !state.cancellationRequested)
          await ask(state, event.data.shipmentId, stored);
      },
    };
  },
};

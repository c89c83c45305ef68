/** What the order's decisions are put together from. */
import { refuse, type Decision } from '../kernel.ts';
import type { OrderRefusal } from './commands.ts';
import type { LineQuantity, OrderEvent, OrderEventData, OrderEventType } from './events.ts';
import type { Line, OrderState } from './state.ts';

export type OrderDecision = Decision<OrderEvent, OrderRefusal>;

export const event = <T extends OrderEventType>(type: T, data: OrderEventData[T]): OrderEvent =>
  ({ type, data }) as OrderEvent;

/**
 * Refuses unless every line exists and has at least the quantity that `available` says; sums repeated lines.
 * Units are whole and at least one.
 */
export const within = <Code extends OrderRefusal['code']>(
  state: OrderState,
  lines: readonly LineQuantity[],
  available: (line: Line) => number,
  code: Code,
  what: string,
): OrderDecision | undefined => {
  if (lines.length === 0) return refuse(code, `No units are named that can be ${what}.`);
  const asked = new Map<string, number>();
  for (const { lineId, quantity } of lines) {
    if (!Number.isSafeInteger(quantity) || quantity < 1)
      return refuse(code, `Of line ${lineId} ${quantity} units cannot be ${what}.`);
    asked.set(lineId, (asked.get(lineId) ?? 0) + quantity);
  }
  for (const [lineId, quantity] of asked) {
    const line = state.lines.find((l) => l.lineId === lineId);
    if (!line) return refuse('unknown_line', `The order has no line ${lineId}.`);
    const units = available(line);
    if (quantity > units)
      return refuse(code, `Of line ${lineId} (${line.sku}) ${units} can be ${what}, not ${quantity}.`);
  }
  return undefined;
};

/** A shipment of everything that is reserved and that the warehouse was not asked for. */
export const nextShipment = (state: OrderState): OrderEvent[] => {
  const lines = state.lines
    .map((line) => ({ lineId: line.lineId, quantity: line.reserved - line.requested }))
    .filter((line) => line.quantity > 0);
  return lines.length === 0
    ? []
    : [event('ShipmentRequested', { shipmentId: `${state.orderId}-${state.shipments.length + 1}`, lines })];
};

/**
 * Splits a refund over the captures it is taken from, one RefundRequested each: gateways refund one capture
 * at a time. Takes at most what was captured and is neither refunded nor asked for.
 */
export const refunds = (
  state: OrderState,
  refundId: string,
  amountMinor: number,
  reason: string,
  returnId?: string,
): OrderEvent[] => {
  const events: OrderEvent[] = [];
  let leftMinor = amountMinor;
  for (const { captureId, amountMinor: captured } of state.captures) {
    const gone = state.refunds.reduce(
      (total, r) => total + (r.captureId === captureId && r.state !== 'failed' ? r.amountMinor : 0),
      0,
    );
    const part = Math.min(leftMinor, captured - gone);
    if (part <= 0) continue;
    const id = events.length === 0 ? refundId : `${refundId}.${events.length + 1}`;
    events.push(
      event('RefundRequested', {
        refundId: id,
        captureId,
        amountMinor: part,
        reason,
        ...(returnId === undefined ? {} : { returnId }),
      }),
    );
    leftMinor -= part;
  }
  return events;
};

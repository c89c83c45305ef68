/**
 * What a person is told about an order: derived from the state at the moment of asking and stored nowhere.
 */
import { orderNumber } from './number.ts';
import {
  cancellable,
  capturedMinor,
  dueMinor,
  mayStillAsk,
  openShipments,
  refundedMinor,
  waiting as unsent,
  type Limited,
  type OrderState,
  type Step,
} from './state.ts';

export const STATUSES = [
  'placed',
  'confirmed',
  'held',
  'partially_shipped',
  'shipped',
  'delivered',
  'cancelled',
  'returned',
] as const;
export type Status = (typeof STATUSES)[number];
export const STEP_STATES = ['waiting', 'working', 'done', 'failed', 'skipped'] as const;
export const ACTIONS = ['cancel', 'cancel-lines', 'address', 'payment', 'returns'] as const;
export type Action = (typeof ACTIONS)[number];
const LIMITED: Readonly<Partial<Record<Action, Limited>>> = {
  address: 'address',
  payment: 'payment',
  returns: 'return',
};

export type StepStatus = Readonly<{
  step: Step;
  state: (typeof STEP_STATES)[number];
  since?: string;
  expectedBy?: string;
  sentence: string;
  actions: readonly Action[];
}>;

const HOUR_MS = 3_600_000;
/** What a shop usually promises; a sentence on a page, not a deadline. */
const EXPECTED_MS = {
  dispatch: 24 * HOUR_MS,
  delivery: 72 * HOUR_MS,
  refund: 120 * HOUR_MS,
  backorder: 336 * HOUR_MS,
};
const after = (at: string, ms: number): string => new Date(Date.parse(at) + ms).toISOString();

/** One word for the whole order. */
export const statusOf = (state: OrderState): Status => {
  const sent = state.lines.filter((line) => line.dispatched > 0);
  if (sent.length > 0 && sent.every((line) => line.returned === line.dispatched)) return 'returned';
  if (state.cancelled) return 'cancelled';
  const waiting = state.lines.some((line) => unsent(line) > 0);
  if (state.holds.length > 0 && waiting) return 'held';
  if (sent.length > 0) {
    if (waiting) return 'partially_shipped';
    return state.parcels.every((parcel) => parcel.deliveredAt) ? 'delivered' : 'shipped';
  }
  return state.confirmedAt ? 'confirmed' : 'placed';
};

const stockStep = (state: OrderState): Omit<StepStatus, 'step' | 'since'> => {
  const count = (of: 'pending' | 'reserved' | 'backordered' | 'dispatched') =>
    state.lines.reduce((total, line) => total + line[of], 0);
  if (state.cancelled?.reason === 'out_of_stock')
    return { state: 'failed', sentence: 'Something you ordered is out of stock.', actions: [] };
  if (state.cancelled) return { state: 'skipped', sentence: 'No stock is kept for this order.', actions: [] };
  if (count('pending') > 0)
    return {
      state: 'working',
      expectedBy: state.expiresAt,
      sentence: 'We are setting your items aside.',
      actions: [],
    };
  if (count('backordered') > 0)
    return {
      state: 'working',
      expectedBy: after(state.placedAt, EXPECTED_MS.backorder),
      sentence: `${count('backordered')} of your items are on back-order; they follow as soon as they arrive.`,
      actions: ['cancel-lines'],
    };
  return { state: 'done', sentence: 'Your items are set aside for you.', actions: [] };
};

const paymentStep = (state: OrderState): Omit<StepStatus, 'step' | 'since'> => {
  const { payment } = state;
  if (state.parcels.some((parcel) => parcel.capture === 'failed'))
    return {
      state: 'failed',
      sentence: 'Your card could not be charged. Please pay with another card.',
      actions: ['payment'],
    };
  if (state.captures.length > 0 && (payment.state === 'authorized' || dueMinor(state) === 0))
    return { state: 'done', sentence: 'Your card has been charged for what was sent.', actions: [] };
  if (state.cancelled)
    return {
      state: payment.state === 'declined' ? 'failed' : 'skipped',
      sentence: payment.state === 'declined' ? 'The payment was declined.' : 'You have not been charged.',
      actions: [],
    };
  switch (payment.state) {
    case 'working':
      return {
        state: 'working',
        expectedBy: state.expiresAt,
        sentence: 'We are asking your bank.',
        actions: [],
      };
    case 'action_required':
      return {
        state: 'waiting',
        expectedBy: state.expiresAt,
        sentence: `Your bank wants you to confirm the payment: ${payment.actionUrl ?? ''}`,
        actions: ['payment'],
      };
    case 'declined':
      return {
        state: 'failed',
        expectedBy: state.expiresAt,
        sentence: `The payment was declined: ${payment.declined ?? ''} Please try again or use another card.`,
        actions: ['payment'],
      };
    case 'expired':
      return {
        state: 'failed',
        sentence: 'The authorization of your payment has lapsed. Please pay again.',
        actions: ['payment'],
      };
    case 'authorized':
      return {
        state: 'done',
        sentence: 'Your payment is authorized; you are charged when your items leave.',
        actions: [],
      };
    case 'voided':
      if (dueMinor(state) > 0)
        return {
          state: 'failed',
          sentence: 'The authorization of your payment was taken back. Please pay again.',
          actions: ['payment'],
        };
      return { state: 'skipped', sentence: 'You have not been charged.', actions: [] };
  }
};

const shipmentStep = (state: OrderState): Omit<StepStatus, 'step' | 'since'> => {
  const free = state.lines.some((line) => cancellable(line) > 0);
  const actions: Action[] = free && !state.cancelled ? ['cancel', 'cancel-lines'] : [];
  const sent = state.lines.reduce((total, line) => total + line.dispatched, 0);
  const left = state.lines.reduce(
    (total, line) => total + line.pending + line.reserved + line.backordered,
    0,
  );
  if (state.cancelled && sent === 0)
    return { state: 'skipped', sentence: 'Nothing will be sent.', actions: [] };
  if (state.cancellationRequested)
    return { state: 'working', sentence: 'We have asked the warehouse to stop your order.', actions: [] };
  if (sent > 0 && left === 0) return { state: 'done', sentence: 'Everything has been sent.', actions: [] };
  if (state.holds.length > 0)
    return { state: 'waiting', sentence: 'Your order is being checked before it is sent.', actions };
  if (!state.confirmedAt)
    return {
      state: 'waiting',
      sentence: 'Your order is sent once stock and payment are settled.',
      actions: [...actions, 'address'],
    };
  const expectedBy = after(state.confirmedAt, EXPECTED_MS.dispatch);
  if (sent > 0) return { state: 'working', sentence: 'A part has been sent; the rest follows.', actions };
  if (state.lines.every((line) => line.reserved === 0))
    return { state: 'waiting', sentence: 'What is on back-order is sent as soon as it arrives.', actions };
  if (openShipments(state).length > 0)
    return {
      state: 'working',
      expectedBy,
      sentence: 'The warehouse is packing your order.',
      actions: ['cancel'],
    };
  return {
    state: 'working',
    expectedBy,
    sentence: 'The warehouse is about to pack your order.',
    actions: state.shipments.length > 0 ? actions : [...actions, 'address'],
  };
};

const deliveryStep = (state: OrderState): Omit<StepStatus, 'step' | 'since'> => {
  const [last] = state.parcels.slice(-1);
  if (!last)
    return state.cancelled
      ? { state: 'skipped', sentence: 'Nothing will be delivered.', actions: [] }
      : { state: 'waiting', sentence: 'Delivery begins when your order is sent.', actions: [] };
  const onTheWay = state.parcels.filter((parcel) => !parcel.deliveredAt);
  const rest = state.lines.some((line) => line.pending + line.reserved + line.backordered > 0);
  if (onTheWay.length > 0)
    return {
      state: 'working',
      expectedBy: after(last.dispatchedAt, EXPECTED_MS.delivery),
      sentence: 'Your parcel is on its way.',
      actions: [],
    };
  if (rest)
    return {
      state: 'working',
      sentence: 'What was sent has arrived; the rest follows.',
      actions: ['returns'],
    };
  return {
    state: 'done',
    sentence: 'Everything has been delivered.',
    actions: state.lines.some((line) => line.dispatched > line.returned) ? ['returns'] : [],
  };
};

const returnStep = (state: OrderState): Omit<StepStatus, 'step' | 'since'> =>
  state.returns.some((r) => !r.receivedAt)
    ? { state: 'working', sentence: 'We are waiting for what you send back.', actions: [] }
    : { state: 'done', sentence: 'What you sent back has arrived.', actions: [] };

const refundStep = (state: OrderState): Omit<StepStatus, 'step' | 'since'> => {
  const open = state.refunds.find((refund) => refund.state === 'requested');
  if (open)
    return {
      state: 'working',
      ...(state.since.refund ? { expectedBy: after(state.since.refund, EXPECTED_MS.refund) } : {}),
      sentence: 'Your refund is on its way.',
      actions: [],
    };
  if (state.refunds.some((refund) => refund.state === 'refunded'))
    return { state: 'done', sentence: 'Your money has been sent back.', actions: [] };
  return { state: 'failed', sentence: 'The refund did not go through; we are looking into it.', actions: [] };
};

/** One step each for stock, payment, shipment and delivery; return and refund once begun. */
export const stepsOf = (state: OrderState): readonly StepStatus[] => {
  const step = (name: Step, status: Omit<StepStatus, 'step' | 'since'>): StepStatus => {
    const since =
      state.since[name] ?? (status.state === 'waiting' ? undefined : (state.cancelled?.at ?? state.placedAt));
    return {
      step: name,
      state: status.state,
      ...(since === undefined || status.state === 'waiting' ? {} : { since }),
      ...(status.expectedBy === undefined ? {} : { expectedBy: status.expectedBy }),
      sentence: status.sentence,
      actions: status.actions.filter((action) => {
        const limited = LIMITED[action];
        return limited === undefined || mayStillAsk(state, limited);
      }),
    };
  };
  return [
    step('stock', stockStep(state)),
    step('payment', paymentStep(state)),
    step('shipment', shipmentStep(state)),
    step('delivery', deliveryStep(state)),
    ...(state.returns.length > 0 ? [step('return', returnStep(state))] : []),
    ...(state.refunds.length > 0 ? [step('refund', refundStep(state))] : []),
  ];
};

/** The status document without personal data, position and source, which whoever asks adds. */
export const describe = (state: OrderState) => {
  const money = (amountMinor: number) => ({ amountMinor, currency: state.currency });
  const { totalMinor, ...parts } = state.totals;
  return {
    orderId: state.orderId,
    number: orderNumber(state.orderId),
    customerId: state.customerId,
    status: statusOf(state),
    steps: stepsOf(state),
    lines: state.lines.map(
      ({
        lineId,
        sku,
        name,
        ordered,
        unitPriceMinor,
        reserved,
        backordered,
        dispatched,
        cancelled,
        returned,
      }) => ({
        lineId,
        sku,
        name,
        quantity: ordered,
        unitPrice: money(unitPriceMinor),
        reserved,
        backordered,
        dispatched,
        cancelled,
        returned,
      }),
    ),
    total: { ...money(totalMinor), ...parts },
    captured: money(capturedMinor(state)),
    refunded: money(refundedMinor(state)),
    shipments: state.parcels.map(
      ({ shipmentId, parcelId, lines, carrier, trackingNumber, dispatchedAt, deliveredAt }) => ({
        shipmentId,
        parcelId,
        lines: lines.map(({ lineId, quantity }) => ({ lineId, quantity })),
        carrier,
        trackingNumber,
        dispatchedAt,
        deliveredAt,
      }),
    ),
    returns: state.returns.map(({ returnId, lines, reason, requestedAt, receivedAt }) => ({
      returnId,
      lines,
      reason,
      requestedAt,
      receivedAt,
    })),
    placedAt: state.placedAt,
    updatedAt: state.updatedAt,
    revision: state.revision,
  };
};

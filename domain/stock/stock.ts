/** The stock of one SKU: what is on hand, what is promised to orders, who waits for what arrives. */
import { z } from 'zod';
import {
  accept,
  refuse,
  upcast,
  v1,
  type Aggregate,
  type DataOf,
  type Decider,
  type EventEnvelope,
  type EventSchemas,
  type EventsOf,
  type Refusal,
  type Stamped,
} from '../kernel.ts';
import { ledTo, NOTHING_REMEMBERED, remember, remembers, sizeOf, type Remembered } from '../remembered.ts';

const Quantity = z.int().min(1);
const Id = z.string().min(1).max(300);
const Reason = z.string().min(1).max(500);

export const STOCK_EVENTS = {
  GoodsReceived: v1(z.strictObject({ quantity: Quantity, reason: Reason.exactOptional() })),
  StockAdjusted: v1(z.strictObject({ delta: z.int(), reason: Reason })),
  UnitsReserved: v1(z.strictObject({ reservationId: Id, quantity: Quantity })),
  UnitsBackordered: v1(z.strictObject({ reservationId: Id, quantity: Quantity })),
  /** Stock that became free went to the reservation that has waited longest. */
  BackorderFilled: v1(z.strictObject({ reservationId: Id, quantity: Quantity })),
  UnitsReleased: v1(
    z.strictObject({ reservationId: Id, reserved: z.int().min(0), backordered: z.int().min(0) }),
  ),
  /**
   * Of `quantity` units that left, those that were `reserved` and those that still waited as `backordered`.
   */
  UnitsDispatched: v1(
    z.strictObject({
      reservationId: Id,
      quantity: Quantity,
      reserved: z.int().min(0),
      backordered: z.int().min(0),
    }),
  ),
} as const satisfies EventSchemas;
export type StockEventData = DataOf<typeof STOCK_EVENTS>;
export type StockEvent = EventsOf<typeof STOCK_EVENTS>;
export const stockEvent = (event: EventEnvelope): EventEnvelope<StockEvent> =>
  upcast<StockEvent>(STOCK_EVENTS, event);
export const stockStream = (sku: string): string => `stock-${sku}`;

/** A reservation is one line of one order; its id keeps both. */
export const reservationId = (orderId: string, lineId: string): string => `${orderId}/${lineId}`;
export const reservationOf = (id: string): Readonly<{ orderId: string; lineId: string }> => {
  const slash = id.indexOf('/');
  return { orderId: id.slice(0, slash), lineId: id.slice(slash + 1) };
};

/**
 * `filled`: units of it that came out of the queue, whether they are still here or not; `dispatched`: units
 * that have left; `turn`: place in the queue of those who wait.
 */
export type Reservation = Readonly<{
  reserved: number;
  backordered: number;
  filled: number;
  dispatched: number;
  turn: number;
}>;

/**
 * `reservations`: of open orders only, spread over buckets by id, so that a change copies one bucket and not
 * all of a hot SKU's. `recent`: the last commands that change what is on hand, with the revision each led to;
 * reservations need none, since repeating them is recognised by the reservation itself. `withdrawn`: the last
 * reservations that were let go of entirely, some before they were made.
 */
export type StockState = Readonly<{
  revision: number;
  /** Back-orders that were filled one behind the other, up to now. */
  filledInARow: number;
  /** As many were filled as one decision may: there may be more to fill. */
  moreToFill: boolean;
  onHand: number;
  reserved: number;
  backordered: number;
  nextTurn: number;
  reservations: readonly Readonly<Record<string, Reservation>>[];
  recent: Remembered;
  withdrawn: Remembered;
}>;

const BUCKETS = 64;
const RECENT_COMMANDS = 1_000;
const WITHDRAWN = 200;
/** What one decision fills: an append has a greatest size, and thousands may wait for one delivery. */
export const FILLS_AT_ONCE = 500;

export const initialStock: StockState = {
  revision: -1,
  filledInARow: 0,
  moreToFill: false,
  onHand: 0,
  reserved: 0,
  backordered: 0,
  nextTurn: 0,
  reservations: Array.from({ length: BUCKETS }, () => ({})),
  recent: NOTHING_REMEMBERED,
  withdrawn: NOTHING_REMEMBERED,
};

const bucketOf = (id: string): number => {
  let hash = 0;
  for (let index = 0; index < id.length; index++) hash = (Math.imul(hash, 31) + id.charCodeAt(index)) | 0;
  return (hash >>> 0) % BUCKETS;
};
export const reservationIn = (state: StockState, id: string): Reservation | undefined => {
  const bucket = state.reservations[bucketOf(id)];
  return bucket && Object.hasOwn(bucket, id) ? bucket[id] : undefined;
};
/** What can be promised; below 0 when more has left than was there. */
export const available = (state: StockState): number => state.onHand - state.reserved;

const withReservation = (state: StockState, id: string, next: Omit<Reservation, 'turn'>): StockState => {
  const index = bucketOf(id);
  const { [id]: before, ...others } = state.reservations[index] ?? {};
  const over = next.reserved + next.backordered === 0;
  const bucket = over ? others : { ...others, [id]: { ...next, turn: before?.turn ?? state.nextTurn } };
  return {
    ...state,
    reserved: state.reserved + next.reserved - (before?.reserved ?? 0),
    backordered: state.backordered + next.backordered - (before?.backordered ?? 0),
    nextTurn: before ? state.nextTurn : state.nextTurn + 1,
    reservations: state.reservations.with(index, bucket),
  };
};

const NONE = { reserved: 0, backordered: 0, filled: 0, dispatched: 0 };

const change = (state: StockState, event: StockEvent): StockState => {
  if (event.type === 'GoodsReceived') return { ...state, onHand: state.onHand + event.data.quantity };
  if (event.type === 'StockAdjusted') return { ...state, onHand: state.onHand + event.data.delta };
  const { reservationId: id } = event.data;
  const before = reservationIn(state, id) ?? NONE;
  switch (event.type) {
    case 'UnitsReserved':
      return withReservation(state, id, { ...before, reserved: before.reserved + event.data.quantity });
    case 'UnitsBackordered':
      return withReservation(state, id, { ...before, backordered: before.backordered + event.data.quantity });
    case 'BackorderFilled': {
      const { quantity } = event.data;
      return withReservation(state, id, {
        ...before,
        reserved: before.reserved + quantity,
        backordered: before.backordered - quantity,
        filled: before.filled + quantity,
      });
    }
    case 'UnitsReleased':
      return withReservation(state, id, {
        ...before,
        reserved: before.reserved - event.data.reserved,
        backordered: before.backordered - event.data.backordered,
      });
    case 'UnitsDispatched': {
      const { quantity, reserved, backordered } = event.data;
      const left = {
        ...before,
        reserved: before.reserved - reserved,
        backordered: before.backordered - backordered,
        dispatched: before.dispatched + quantity,
      };
      return { ...withReservation(state, id, left), onHand: state.onHand - quantity };
    }
    default: {
      const never: never = event;
      throw new Error(`unknown event ${(never as StockEvent).type}`);
    }
  }
};

const evolve = (state: StockState, event: Stamped<StockEvent>): StockState => {
  const revision = state.revision + 1;
  const filledInARow = event.type === 'BackorderFilled' ? state.filledInARow + 1 : 0;
  const moreToFill = filledInARow > 0 ? filledInARow % FILLS_AT_ONCE === 0 : state.moreToFill;
  const next = { ...change(state, event), revision, filledInARow, moreToFill };
  if (event.type === 'UnitsReleased' && !reservationIn(next, event.data.reservationId))
    return { ...next, withdrawn: remember(state.withdrawn, event.data.reservationId, revision, WITHDRAWN) };
  if (event.type !== 'GoodsReceived' && event.type !== 'StockAdjusted') return next;
  return { ...next, recent: remember(state.recent, event.meta.commandId, revision, RECENT_COMMANDS) };
};

export type StockCommand =
  | Readonly<{ type: 'ReceiveGoods'; data: Readonly<{ quantity: number; reason?: string }> }>
  /** `fact`: it has happened, so it is recorded even when the count goes below 0. */
  | Readonly<{ type: 'AdjustStock'; data: Readonly<{ delta: number; reason: string; fact?: boolean }> }>
  /** `onShortage`: take nothing unless all is there, take what is there, or wait for the rest. */
  | Readonly<{
      type: 'ReserveUnits';
      data: Readonly<{
        reservationId: string;
        quantity: number;
        onShortage: 'none' | 'partial' | 'backorder';
      }>;
    }>
  /**
   * Lets go of all but `keep` units: a target and not a difference, so that a repeat does nothing. One that is
   * let go before it is made will not be made any more: whoever is about to make it has not heard yet.
   * `dispatched`: units of the reservation that have left in all, counted first, since what has left cannot
   * be let go.
   */
  | Readonly<{
      type: 'ReleaseUnits';
      data: Readonly<{ reservationId: string; keep: number; dispatched?: number }>;
    }>
  /**
   * `total`: units of the reservation that have left in all. A reservation that is over has been told
   * already.
   */
  | Readonly<{ type: 'DispatchUnits'; data: Readonly<{ reservationId: string; total: number }> }>
  /** Goes on where a decision that made units free filled as many as it might. */
  | Readonly<{ type: 'FillBackorders'; data: Record<string, never> }>;
export type StockRefusal = Refusal<'out_of_stock' | 'below_zero'>;

/** Gives what became free to those who wait, first come first served, FILLS_AT_ONCE of them at most. */
const fills = (state: StockState): StockEvent[] => {
  let free = available(state);
  if (free <= 0 || state.backordered === 0) return [];
  const waiting = state.reservations
    .flatMap((bucket) => Object.entries(bucket))
    .filter(([, r]) => r.backordered > 0);
  waiting.sort(([, a], [, b]) => a.turn - b.turn);
  const events: StockEvent[] = [];
  for (const [id, { backordered }] of waiting.slice(0, FILLS_AT_ONCE)) {
    const quantity = Math.min(free, backordered);
    if (quantity <= 0) break;
    events.push({ type: 'BackorderFilled', data: { reservationId: id, quantity } });
    free -= quantity;
  }
  return events;
};

const reserve = (
  state: StockState,
  { reservationId: id, quantity, onShortage }: Extract<StockCommand, { type: 'ReserveUnits' }>['data'],
) => {
  if (reservationIn(state, id) || remembers(state.withdrawn, id)) return accept<StockEvent>();
  const free = Math.max(0, state.backordered > 0 ? 0 : available(state));
  const reserved = free >= quantity || onShortage !== 'none' ? Math.min(free, quantity) : 0;
  const backordered = onShortage === 'backorder' ? quantity - reserved : 0;
  if (reserved + backordered === 0)
    return refuse('out_of_stock', `${free} are available, ${quantity} were asked for.`);
  const events: StockEvent[] = [];
  if (reserved > 0) events.push({ type: 'UnitsReserved', data: { reservationId: id, quantity: reserved } });
  if (backordered > 0)
    events.push({ type: 'UnitsBackordered', data: { reservationId: id, quantity: backordered } });
  return accept(...events);
};

/** Tells what has left of a reservation, once. */
const dispatch = (state: StockState, id: string, total: number): StockEvent[] => {
  const held = reservationIn(state, id);
  if (!held || total <= held.dispatched) return [];
  const quantity = total - held.dispatched;
  const reserved = Math.min(quantity, held.reserved);
  const backordered = Math.min(quantity - reserved, held.backordered);
  return [{ type: 'UnitsDispatched', data: { reservationId: id, quantity, reserved, backordered } }];
};

const withFills = (state: StockState, command: Stamped<StockCommand>, event: StockEvent) =>
  accept(event, ...fills(evolve(state, { ...event, meta: command.meta })));

const decide: Decider<StockCommand, StockEvent, StockState, StockRefusal>['decide'] = (command, state) => {
  switch (command.type) {
    case 'ReceiveGoods':
    case 'AdjustStock': {
      if (remembers(state.recent, command.meta.commandId)) return accept();
      if (command.type === 'ReceiveGoods')
        return withFills(state, command, { type: 'GoodsReceived', data: command.data });
      const { delta, reason, fact } = command.data;
      if (delta === 0) return accept();
      if (state.onHand + delta < 0 && delta < 0 && !fact)
        return refuse('below_zero', `${state.onHand} are on hand; ${-delta} cannot be taken away.`);
      return withFills(state, command, { type: 'StockAdjusted', data: { delta, reason } });
    }
    case 'ReserveUnits':
      return reserve(state, command.data);
    case 'ReleaseUnits': {
      const { reservationId: id, keep, dispatched } = command.data;
      const left = dispatch(state, id, dispatched ?? 0);
      const after = left.reduce((folded, event) => evolve(folded, { ...event, meta: command.meta }), state);
      const held = reservationIn(after, id);
      if (!held && keep === 0 && !dispatched && !remembers(state.withdrawn, id))
        return accept({ type: 'UnitsReleased', data: { reservationId: id, reserved: 0, backordered: 0 } });
      const excess = held ? held.reserved + held.backordered - keep : 0;
      if (!held || excess <= 0) return accept(...left);
      const backordered = Math.min(excess, held.backordered);
      const released: StockEvent = {
        type: 'UnitsReleased',
        data: { reservationId: id, reserved: excess - backordered, backordered },
      };
      return accept(...left, released, ...fills(evolve(after, { ...released, meta: command.meta })));
    }
    case 'DispatchUnits':
      return accept(...dispatch(state, command.data.reservationId, command.data.total));
    case 'FillBackorders':
      return accept(...fills(state));
    default: {
      const never: never = command;
      throw new Error(`unknown command ${(never as StockCommand).type}`);
    }
  }
};

export const stock: Decider<StockCommand, StockEvent, StockState, StockRefusal> = {
  initial: initialStock,
  evolve,
  decide,
};

/** Stock, streams `stock-<sku>`. */
export const stocks: Aggregate<StockCommand, StockEvent, StockState, StockRefusal> = {
  category: 'stock',
  events: STOCK_EVENTS,
  decider: stock,
  ledTo: (state, commandId) => ledTo(state.recent, commandId),
  weight: (state) => 10 + Math.ceil((sizeOf(state.recent) + sizeOf(state.withdrawn)) / 4),
  shape: 'stock-4',
};

/** A sentence for each rule that `state` breaks. */
export const brokenStockRules = (state: StockState): readonly string[] => {
  const broken: string[] = [];
  const all = state.reservations.flatMap((bucket) => Object.values(bucket));
  const [reserved, backordered] = [
    all.reduce((n, r) => n + r.reserved, 0),
    all.reduce((n, r) => n + r.backordered, 0),
  ];
  if (reserved !== state.reserved)
    broken.push(`reserved ${state.reserved} ≠ ${reserved} of all reservations`);
  if (backordered !== state.backordered)
    broken.push(`back-ordered ${state.backordered} ≠ ${backordered} of all reservations`);
  if (all.some((r) => r.reserved < 0 || r.backordered < 0 || r.dispatched < 0))
    broken.push('a reservation is below 0');
  if (state.backordered > 0 && available(state) > 0 && !state.moreToFill)
    broken.push(`${available(state)} are free while ${state.backordered} wait`);
  return broken;
};

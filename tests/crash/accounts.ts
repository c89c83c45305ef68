/**
 * The books that must agree after any number of crashes: events, the provider's and the warehouse's ledgers,
 * the outbox.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { openSqliteLedger } from '../../adapters/sqlite/ledger.ts';
import { simulatedPaymentGateway } from '../../adapters/simulated/payment-gateway.ts';
import { simulatedWarehouse } from '../../adapters/simulated/warehouse.ts';
import type { Parts } from '../../compose/parts.ts';
import { categoryOf, keyOf, type EventEnvelope } from '../../domain/kernel.ts';
import { sum } from '../../domain/money.ts';
import { quietLog } from '../quiet-log.ts';
import { orderEvent } from '../../domain/order/events.ts';
import { evolve } from '../../domain/order/evolve.ts';
import { initialOrder, refundedMinor, type OrderState } from '../../domain/order/state.ts';
import { brokenStockRules, stockEvent, stocks, type StockState } from '../../domain/stock/stock.ts';
import { statusOf } from '../../domain/order/status.ts';
import { checkStore } from '../../scripts/check/check-store.ts';

type Sums = { received: number; dispatched: number };
/**
 * Everything in the store, folded. `mails`: of each order, ids of the events that a customer is written to
 * about. `unruly`: what was wrong with a stock after a decision.
 */
export type Folded = Readonly<{
  orders: ReadonlyMap<string, OrderState>;
  stock: ReadonlyMap<string, Readonly<{ state: StockState; sums: Sums }>>;
  mails: ReadonlyMap<string, readonly string[]>;
  unruly: readonly string[];
}>;

const WRITTEN_ABOUT = new Set([
  'OrderPlaced',
  'OrderConfirmed',
  'PaymentDeclined',
  'PaymentActionRequired',
  'LinesCancelled',
  'OrderCancelled',
  'ShipmentDispatched',
  'ShipmentDelivered',
  'PaymentCaptureFailed',
  'ReturnReceived',
  'PaymentRefunded',
]);

export const foldAll = async ({ store }: Parts): Promise<Folded> => {
  const folded = {
    orders: new Map<string, OrderState>(),
    stock: new Map<string, { state: StockState; sums: Sums }>(),
    mails: new Map<string, string[]>(),
    unruly: [] as string[],
  };
  const decisions = new Map<string, string>();
  const blame = (sku: string, state: StockState): void =>
    void folded.unruly.push(
      ...brokenStockRules(state).map((sentence) => `stock ${sku} at revision ${state.revision}: ${sentence}`),
    );
  const take = (event: EventEnvelope): void => {
    const [category, key] = [categoryOf(event.stream), keyOf(event.stream)];
    if (category === 'order') {
      folded.orders.set(key, evolve(folded.orders.get(key) ?? initialOrder, orderEvent(event)));
      if (WRITTEN_ABOUT.has(event.type)) folded.mails.set(key, [...(folded.mails.get(key) ?? []), event.id]);
    }
    if (category !== 'stock') return;
    const read = stockEvent(event);
    const { state, sums } = folded.stock.get(key) ?? {
      state: stocks.decider.initial,
      sums: { received: 0, dispatched: 0 },
    };
    if ((decisions.get(key) ?? event.meta.commandId) !== event.meta.commandId) blame(key, state);
    decisions.set(key, event.meta.commandId);
    if (read.type === 'GoodsReceived') sums.received += read.data.quantity;
    if (read.type === 'StockAdjusted') sums.received += read.data.delta;
    if (read.type === 'UnitsDispatched') sums.dispatched += read.data.quantity;
    folded.stock.set(key, { state: stocks.decider.evolve(state, read), sums });
  };
  for (let after, atTail = false; !atTail;) {
    const page = await store.readAll(after, { limit: 1_000, categories: ['order', 'stock'] });
    page.events.forEach(take);
    ({ scanned: after, atTail } = page);
  }
  for (const [sku, { state }] of folded.stock) blame(sku, state);
  return folded;
};

/** A sentence for each order that has not ended, or whose money or parcels are not as its events say. */
const orderAccounts = async (folder: string, all: Folded['orders']): Promise<readonly string[]> => {
  const system = { clock: systemClock, randomness: systemRandomness, log: quietLog };
  const books = openSqliteLedger({ path: join(folder, 'simulated.db') });
  const gateway = simulatedPaymentGateway({
    ...system,
    books,
    latencyMs: 0,
    declineRate: 0,
    failureRate: 0,
    unknownRate: 0,
    actionUrl: '',
  });
  const warehouse = simulatedWarehouse({
    ...system,
    books,
    latencyMs: 0,
    failureRate: 0,
  });
  const wrong: string[] = [];
  try {
    const shipments = new Map<string, string>();
    const sent = new Map<string, number>();
    for await (const { shipmentId, orderId, lines, state } of warehouse.ledger.shipments()) {
      shipments.set(shipmentId, state);
      if (!all.has(orderId)) wrong.push(`shipment ${shipmentId} is of no order`);
      if (state !== 'delivered' && state !== 'cancelled') wrong.push(`shipment ${shipmentId} is ${state}`);
      if (state === 'delivered')
        for (const { lineId, quantity } of lines)
          sent.set(`${orderId}/${lineId}`, (sent.get(`${orderId}/${lineId}`) ?? 0) + quantity);
    }
    for await (const { orderId, key } of gateway.ledger.acts())
      if (!all.has(orderId)) wrong.push(`the provider acted on ${key}, which is of no order`);
    for (const [orderId, order] of all) {
      const blame = (sentence: string): void =>
        void wrong.push(`order ${orderId} (${statusOf(order)}): ${sentence}`);
      if (order.closedAt === undefined || !['delivered', 'cancelled'].includes(statusOf(order)))
        blame(`it has not ended at revision ${order.revision}`);
      const acts = gateway.ledger.ofOrder(orderId);
      const minor = (kind: string): number => sum(acts, (act) => (act.kind === kind ? act.amountMinor : 0));
      const authorizations = acts.filter(({ kind }) => kind === 'authorize');
      const charged = sum(order.parcels, ({ amountMinor }) => amountMinor);
      const delivered = statusOf(order) === 'delivered';
      if (authorizations.length > 1 || (delivered && authorizations.length !== 1))
        blame(`${authorizations.length} authorizations`);
      if (minor('capture') !== charged) blame(`captured ${minor('capture')} of a charge of ${charged}`);
      if (minor('authorize') !== minor('capture') + minor('void'))
        blame(
          `of ${minor('authorize')} authorized ${minor('capture')} were captured and ${minor('void')} given back`,
        );
      if (minor('refund') !== refundedMinor(order))
        blame(`the provider refunded ${minor('refund')}, the order says ${refundedMinor(order)}`);
      for (const line of order.lines)
        if ((sent.get(`${orderId}/${line.lineId}`) ?? 0) !== line.dispatched)
          blame(
            `line ${line.lineId}: the warehouse sent ${sent.get(`${orderId}/${line.lineId}`) ?? 0} of ${line.dispatched}`,
          );
      for (const { shipmentId } of order.parcels)
        if (shipments.get(shipmentId) !== 'delivered')
          blame(`its shipment ${shipmentId} is ${shipments.get(shipmentId) ?? 'unknown'} at the warehouse`);
      const twice = order.parcels.length - new Set(order.parcels.map(({ shipmentId }) => shipmentId)).size;
      if (twice > 0) blame(`${twice} shipments came in two parcels`);
    }
    return wrong;
  } finally {
    await warehouse.close();
    await books.close();
  }
};

const stockAccounts = ({ stock, orders: all }: Folded): readonly string[] => {
  const left = new Map<string, number>();
  for (const { lines } of all.values())
    for (const { sku, dispatched } of lines) left.set(sku, (left.get(sku) ?? 0) + dispatched);
  return [...stock].flatMap(([sku, { state, sums }]) => {
    const wrong: string[] = [];
    if (state.onHand + sums.dispatched !== sums.received)
      wrong.push(`${state.onHand} on hand + ${sums.dispatched} dispatched ≠ ${sums.received} received`);
    if (sums.dispatched !== (left.get(sku) ?? 0))
      wrong.push(`the stock saw ${sums.dispatched} leave, the orders ${left.get(sku) ?? 0}`);
    if (state.onHand < 0) wrong.push(`oversold: ${state.onHand} on hand`);
    if (state.reserved + state.backordered !== 0)
      wrong.push(`${state.reserved} still reserved, ${state.backordered} back-ordered`);
    return wrong.map((sentence) => `stock ${sku}: ${sentence}`);
  });
};

const MESSAGE_ID = /^Message-ID: <([^@>]+)@orderfold>/im;

/** The events that the mails in the outbox of a data folder are about. */
export const mailedIn = (folder: string): readonly string[] => {
  const outbox = join(folder, 'outbox');
  return readdirSync(outbox)
    .filter((name) => name.endsWith('.eml'))
    .map((name) => MESSAGE_ID.exec(readFileSync(join(outbox, name), 'utf8'))?.[1] ?? `none in ${name}`);
};

/** One mail for each event that is written about, and each on the order's record. */
const mailAccounts = (folder: string, { mails, orders: all }: Folded): readonly string[] => {
  const ids = mailedIn(folder);
  const there = new Set(ids);
  const expected = new Set([...mails.values()].flat());
  const wrong = ids.length === there.size ? [] : ['two mails have the same Message-ID'];
  for (const id of expected) if (!there.has(id)) wrong.push(`event ${id} has no mail`);
  for (const id of there) if (!expected.has(id)) wrong.push(`mail ${id} is of no event`);
  for (const [orderId, about] of mails)
    if (all.get(orderId)?.notified.length !== about.length)
      wrong.push(
        `order ${orderId} has ${all.get(orderId)?.notified.length} mails on record, not ${about.length}`,
      );
  return wrong;
};

/** A sentence for everything that does not agree in a shop that has come to rest; empty when all is well. */
export const brokenAccounts = async (
  folder: string,
  { store }: Parts,
  folded: Folded,
): Promise<readonly string[]> => {
  const report = await checkStore(store, { report: () => undefined, end: () => undefined });
  return [
    ...report.first.map(({ stream, revision, sentence }) => `${stream}@${revision}: ${sentence}`),
    ...folded.unruly,
    ...(await orderAccounts(folder, folded.orders)),
    ...stockAccounts(folded),
    ...mailAccounts(folder, folded),
  ];
};

/**
 * What an invoice and a cancellation of the past were, as commands on an order; and their way into its
 * stream.
 */
import type { Actor } from '../../domain/kernel.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import { orderStream } from '../../domain/order/events.ts';
import { brokenOrderRules } from '../../domain/order/rules.ts';
import type { OrderState } from '../../domain/order/state.ts';
import { statusOf } from '../../domain/order/status.ts';
import { orders } from '../../domain/order/order.ts';
import type { Context, Executor } from '../../runtime/command/execute.ts';
import { derivedUuid, derivedUuidAt } from '../../runtime/command/identity.ts';
import { countryCode } from './countries.ts';
import type { Part } from './returns.ts';
import type { Rejection, Taken } from './row-rules.ts';

export const IMPORT_ACTOR: Actor = { id: 'import', role: 'system' };
/** How long an order of the past had to be confirmed: it was, at once. */
const EXPIRY_MS = 30 * 60_000;

/** `events`: newly stored. `refused`: why the order as it stands in the store does not take the history. */
export type Told = Readonly<{ events: number; refused?: Rejection }>;
type Step = Readonly<{ step: string; command: OrderCommand }>;

export const importContext = (source: string, at: string, ...what: readonly string[]): Context => ({
  commandId: derivedUuid('import', source, ...what),
  actor: IMPORT_ACTOR,
  at,
  origin: 'import',
});

/** The order that an invoice is: in order of its time (ms since 1970), the same however often it is imported. */
export const importedOrderIdOf = (source: string, invoice: string, placedAtMs: number): string =>
  derivedUuidAt(placedAtMs, 'import', source, invoice);

/** The id of a sale's line: its place among the invoice's sales, from 1. */
export const lineIdOf = (index: number): string => String(index + 1);

const saleSteps = (
  orderId: string,
  sales: readonly Taken[],
  first: Taken,
  currency: string,
): readonly Step[] => {
  const linesMinor = sales.reduce((total, sale) => total + sale.quantity * sale.priceMinor, 0);
  const country = countryCode(first.country);
  const [authorizationId, shipmentId, parcelId] = [`import-${orderId}`, `${orderId}-1`, `${orderId}-1-1`];
  const quantities = sales.map(({ quantity }, index) => ({ lineId: lineIdOf(index), quantity }));
  const commands: readonly OrderCommand[] = [
    {
      type: 'PlaceOrder',
      data: {
        orderId,
        customerId: first.customerId ?? `guest-${first.invoice}`,
        currency,
        lines: sales.map(({ sku, description, quantity, priceMinor }, index) => ({
          lineId: lineIdOf(index),
          sku,
          name: description || sku,
          quantity,
          unitPriceMinor: priceMinor,
        })),
        totals: { linesMinor, shippingMinor: 0, discountMinor: 0, taxMinor: 0, totalMinor: linesMinor },
        // The history names no tax; none is made up.
        taxRate: 0,
        onShortage: 'cancelOrder',
        ...(country === undefined ? {} : { country }),
        payment: { method: 'card' },
        expiresAt: new Date(first.time.atMs + EXPIRY_MS).toISOString(),
      },
    },
    {
      type: 'RecordStock',
      data: {
        lines: quantities.map(({ lineId, quantity }) => ({
          lineId,
          reserved: quantity,
          backordered: 0,
          short: 0,
        })),
      },
    },
    { type: 'RecordAuthorization', data: { attempt: 1, authorizationId, amountMinor: linesMinor } },
    { type: 'RequestShipment', data: {} },
    { type: 'RecordDispatch', data: { shipmentId, parcelId, lines: quantities } },
    {
      type: 'RecordCapture',
      data: { captureId: `import-${parcelId}`, authorizationId, parcelId, amountMinor: linesMinor },
    },
    { type: 'RecordDelivery', data: { shipmentId, parcelId } },
  ];
  return commands.map((command) => ({ step: command.type, command }));
};

const check = (stream: string, state: OrderState): void => {
  const [broken] = brokenOrderRules(state);
  if (broken) throw new Error(`${stream} breaks a rule after its import: ${broken}`);
};

/** All steps at once, so that they are decided together and stored by one append. */
const tell = async (
  executor: Executor,
  orderId: string,
  steps: readonly Step[],
  context: (step: string) => Context,
) => {
  const stream = orderStream(orderId);
  const told = await Promise.all(
    steps.map(({ step, command }) => executor.execute(orders, stream, command, context(step))),
  );
  let events = 0;
  for (const one of told) {
    if (one.ok) events += one.events.length;
    // The money was given back already, by someone's goodwill: there is no refund to record.
    else if (one.reason.code !== 'unknown_refund')
      return { events, refused: { code: one.reason.code, sentence: one.reason.sentence }, stream };
  }
  const state = told.at(-1)?.state;
  if (state) check(stream, state);
  return { events, state, stream };
};

/**
 * An invoice's sales as an order that was placed, paid, sent and delivered on its day. Repeating it stores
 * nothing.
 */
export const tellSale = async (
  executor: Executor,
  source: string,
  currency: string,
  orderId: string,
  sales: readonly Taken[],
  first: Taken,
): Promise<Told> => {
  const steps = saleSteps(orderId, sales, first, currency);
  const { events, refused, state, stream } = await tell(executor, orderId, steps, (step) =>
    importContext(source, first.time.at, first.invoice, step),
  );
  if (refused) return { events, refused };
  const delivered = state && statusOf(state) === 'delivered' && state.closedAt !== undefined;
  // What was there before may have gone on meanwhile (a return, say).
  if (events > 0 && state && state.revision + 1 === events && !delivered)
    throw new Error(`${stream} is not delivered and closed after its import`);
  return { events };
};

/**
 * What a cancellation gives back of one order: one return, received and refunded on that day. Repeating it
 * stores nothing.
 */
export const tellReturn = async (
  executor: Executor,
  source: string,
  orderId: string,
  parts: readonly Part[],
  first: Taken,
): Promise<Told> => {
  const units = new Map<string, number>();
  for (const { lineId, quantity } of parts) units.set(lineId, (units.get(lineId) ?? 0) + quantity);
  const lines = [...units].map(([lineId, quantity]) => ({ lineId, quantity }));
  const returnId = derivedUuid('import', source, first.invoice, 'return', orderId);
  const context = (step: string): Context =>
    importContext(source, first.time.at, first.invoice, orderId, step);
  const steps: readonly Step[] = [
    {
      step: 'RequestReturn',
      command: { type: 'RequestReturn', data: { returnId, lines, reason: `cancelled by ${first.invoice}` } },
    },
    {
      step: 'RecordReturnReceived',
      command: { type: 'RecordReturnReceived', data: { returnId, lines, restock: true } },
    },
    // An imported order has one capture, so its return leads to this one refund.
    { step: 'RecordRefund', command: { type: 'RecordRefund', data: { refundId: `return-${returnId}` } } },
  ];
  const told = await tell(executor, orderId, steps, context);
  if (told.refused) return { events: told.events, refused: told.refused };
  const left = (told.state?.refunds ?? []).filter(
    (refund) => refund.returnId === returnId && refund.state === 'requested',
  );
  const rest = left.map(({ refundId }): Step => ({
    step: `RecordRefund ${refundId}`,
    command: { type: 'RecordRefund', data: { refundId } },
  }));
  const more = rest.length === 0 ? undefined : await tell(executor, orderId, rest, context);
  return { events: told.events + (more?.events ?? 0) };
};

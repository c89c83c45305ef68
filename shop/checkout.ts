/**
 * Checkout: price from the catalogue, seal what is personal, append one event unless it is a repeat. Nothing
 * outside is called.
 */
import type { Actor, EventEnvelope, Refusal } from '../domain/kernel.ts';
import type { OrderRefusal } from '../domain/order/commands.ts';
import {
  orderEvent,
  orderStream,
  type OrderEvent,
  type OrderLine,
  type ShortagePolicy,
} from '../domain/order/events.ts';
import { isPlaced } from '../domain/order/state.ts';
import { totalsOf, type PriceRules } from '../domain/pricing.ts';
import type { Money } from '../domain/money.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Clock } from '../ports/system.ts';
import type { Vault } from '../ports/vault.ts';
import { orders } from '../domain/order/order.ts';
import type { Executor } from '../runtime/command/execute.ts';
import { derivedUuid, derivedUuidAt } from '../runtime/command/identity.ts';
import type { Prices } from './prices.ts';

export type Address = Readonly<{
  name: string;
  line1: string;
  line2?: string | undefined;
  city: string;
  region?: string | undefined;
  postcode: string;
  country: string;
}>;
export type CheckoutRequest = Readonly<{
  lines: readonly Readonly<{ sku: string; quantity: number }>[];
  contact: Readonly<{ name: string; email: string; phone?: string | undefined }>;
  shippingAddress: Address;
  payment: Readonly<{ method: 'card'; token?: string | undefined }>;
  onShortage?: ShortagePolicy | undefined;
  expectedTotal?: Money | undefined;
}>;
type PlacedEvent = Extract<EventEnvelope<OrderEvent>, { type: 'OrderPlaced' }>;
export type CheckoutRefusal =
  OrderRefusal | Refusal<'price_changed'> | (Refusal<'unknown_sku'> & Readonly<{ lines: readonly number[] }>);
/**
 * `created` is false when the same request had been carried out before: `placed` is the event that it led to
 * then.
 */
export type CheckedOut =
  | Readonly<{ ok: true; created: boolean; placed: PlacedEvent }>
  | Readonly<{ ok: false; reason: CheckoutRefusal }>;

export type CheckoutDeps = Readonly<{
  store: EventStore;
  executor: Executor;
  vault: Vault;
  prices: Prices;
  clock: Clock;
  rules: PriceRules;
  currency: string;
  expiryMs: number;
}>;

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** The order that a customer's key stands for, in order of the key's own time when it is a UUIDv7. */
export const orderIdOf = (customerId: string, idempotencyKey: string): string => {
  const v7 = UUID_V7.exec(idempotencyKey);
  const parts = ['order', customerId, idempotencyKey];
  return v7 ? derivedUuidAt(parseInt(`${v7[1]}${v7[2]}`, 16), ...parts) : derivedUuid(...parts);
};

/**
 * The answer to a checkout's repeat is the event that is stored, whatever has become of prices and order
 * since.
 */
const stored = async (store: EventStore, stream: string): Promise<PlacedEvent> => {
  for await (const event of store.readStream(stream, { limit: 1 })) return orderEvent(event) as PlacedEvent;
  throw new Error(`${stream} has no first event`);
};

export type Checkout = (
  customerId: string,
  idempotencyKey: string,
  request: CheckoutRequest,
  actor: Actor,
  traceparent?: string,
) => Promise<CheckedOut>;

export const createCheckout =
  ({ store, executor, vault, prices, clock, rules, currency, expiryMs }: CheckoutDeps): Checkout =>
  async (customerId, idempotencyKey, request, actor, traceparent) => {
    const orderId = orderIdOf(customerId, idempotencyKey);
    const stream = orderStream(orderId);
    // As text: the edge's schema has put the fields in one order, whichever the client sent.
    const text = JSON.stringify(request);
    // The stream is read only where it matters: a repeat stands whatever the catalogue says now, and else the
    // append finds it.
    const unlessRepeated = async (reason: CheckoutRefusal): Promise<CheckedOut> => {
      const [{ state }, requestHash] = await Promise.all([
        executor.load(orders, stream),
        vault.fingerprint(customerId, text),
      ]);
      return isPlaced(state)
        ? repeated(state.requestHash === requestHash, store, stream)
        : { ok: false, reason };
    };

    const found = request.lines.map(({ sku }) => prices.of(sku));
    const products = found.some((product) => product instanceof Promise)
      ? await Promise.all(found.map(async (product) => product))
      : found;
    const unknown: number[] = [];
    let linesMinor = 0;
    const lines = request.lines.flatMap(({ sku, quantity }, index): OrderLine[] => {
      const product = products[index];
      if (!product || product instanceof Promise || product.currency !== currency) {
        unknown.push(index);
        return [];
      }
      linesMinor += product.priceMinor * quantity;
      return [
        { lineId: String(index + 1), sku, name: product.name, quantity, unitPriceMinor: product.priceMinor },
      ];
    });
    if (unknown.length > 0) {
      const skus = unknown
        .map((index) => request.lines[index]?.sku)
        .slice(0, 5)
        .join(', ');
      return unlessRepeated({
        code: 'unknown_sku',
        sentence: `The catalogue does not list ${skus}.`,
        lines: unknown,
      });
    }
    const totals = totalsOf(linesMinor, rules);
    const { expectedTotal } = request;
    if (
      expectedTotal &&
      (expectedTotal.amountMinor !== totals.totalMinor || expectedTotal.currency !== currency)
    ) {
      const sentence = `The order costs ${totals.totalMinor} minor units ${currency}, not ${expectedTotal.amountMinor} ${expectedTotal.currency}; show the new price and ask again.`;
      return unlessRepeated({ code: 'price_changed', sentence });
    }
    const [requestHash, contact, shippingAddress] = await Promise.all([
      vault.fingerprint(customerId, text),
      vault.seal(customerId, request.contact),
      vault.seal(customerId, request.shippingAddress),
    ]);
    const { method, token } = request.payment;
    const placed = await executor.execute(
      orders,
      stream,
      {
        type: 'PlaceOrder',
        data: {
          orderId,
          customerId,
          currency,
          lines,
          totals,
          taxRate: rules.taxRate,
          onShortage: request.onShortage ?? 'cancelOrder',
          contact,
          shippingAddress,
          country: request.shippingAddress.country,
          payment: token === undefined ? { method } : { method, token },
          requestHash,
          expiresAt: new Date(clock.now().getTime() + expiryMs).toISOString(),
        },
      },
      {
        commandId: orderId,
        actor,
        correlationId: orderId,
        ...(traceparent === undefined ? {} : { traceparent }),
      },
    );
    if (!placed.ok) return { ok: false, reason: placed.reason };
    const [event] = placed.events;
    // A request with this key came first, and had this body: another one is refused.
    if (event?.type !== 'OrderPlaced') return repeated(true, store, stream);
    return { ok: true, created: true, placed: event as PlacedEvent };
  };

const repeated = async (same: boolean, store: EventStore, stream: string): Promise<CheckedOut> =>
  same
    ? { ok: true, created: false, placed: await stored(store, stream) }
    : {
        ok: false,
        reason: {
          code: 'idempotency_key_reused',
          sentence: 'This Idempotency-Key has been used for another order; send a new key with a new order.',
        },
      };

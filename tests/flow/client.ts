/** A shop's customers and operators over HTTP. */
import * as assert from 'uvu/assert';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import type { TokenRole } from '../../api/auth.ts';
import { until } from '../fake-clock.ts';

/** `as`: a role, or `customer:ID`. `key`: Idempotency-Key, a new one unless given. */
export type Asked = Readonly<{ as?: string; key?: string; body?: unknown }>;
export type Answer = Readonly<{ status: number; text: string; body: any; headers: Headers }>;
export type NewLine = Readonly<{ sku: string; quantity: number }>;
export type Placing = Readonly<{ token?: string; onShortage?: string; key?: string; customer?: string }>;

export type Client = Readonly<{
  call(method: string, path: string, asked?: Asked): Promise<Answer>;
  /** As `call`; fails the test unless the answer is a success, and gives its body. */
  ok(method: string, path: string, asked?: Asked): Promise<any>;
  /** Lists `sku` for 10.00 and receives `units` of it. */
  product(sku: string, units: number): Promise<void>;
  place(lines: readonly NewLine[], placing?: Placing): Promise<any>;
  /** The order's document, not older than its history is now. */
  order(orderId: string): Promise<any>;
  /** A command on an order, by an operator unless told. */
  command(orderId: string, name: string, body: unknown, as?: string): Promise<any>;
  /** All events of an order. */
  history(orderId: string): Promise<readonly any[]>;
  types(orderId: string): Promise<readonly string[]>;
  /** Waits until an event of `type` is in the order's history. */
  happened(orderId: string, type: string): Promise<void>;
  /** Waits until the order is closed and gives its document, folded from the stream itself. */
  closed(orderId: string): Promise<any>;
  stock(sku: string): Promise<any>;
  /** Waits until the stock is at these levels: it hears of what has left after the order does. */
  stocked(
    sku: string,
    levels: Readonly<{ onHand: number; reserved?: number; backordered?: number }>,
  ): Promise<void>;
}>;

export const CUSTOMER = 'ada';
/** Nothing in a test takes this long; on a busy machine it may. */
const WAIT_MS = 30_000;
/** Asking more often would take the time from those who are asked. */
const LOOK_MS = 15;

/** As `until`, for a condition that costs a request. */
export const eventually = (
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = WAIT_MS,
): Promise<void> =>
  until(
    what,
    async () => {
      if (await condition()) return true;
      await systemClock.sleep(LOOK_MS);
      return false;
    },
    withinMs,
  );

export const newOrder = (lines: readonly NewLine[], { token, onShortage }: Placing = {}) => ({
  lines,
  contact: { name: 'Ada Lovelace', email: 'ada@example.org' },
  shippingAddress: {
    name: 'Ada Lovelace',
    line1: "12 St James's Square",
    city: 'London',
    postcode: 'SW1Y 4JH',
    country: 'GB',
  },
  payment: { method: 'card', ...(token === undefined ? {} : { token }) },
  ...(onShortage === undefined ? {} : { onShortage }),
});

const NEEDS_KEY = /^(POST \/orders|PUT|DELETE|POST \/stock)/;

export const clientOf = (url: string): Client => {
  const tokens = new Map<string, Promise<string>>();
  const session = async (as: string): Promise<string> => {
    const [role, customerId] = as.split(':') as [TokenRole, string | undefined];
    const response = await fetch(`${url}/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ role, ...(customerId === undefined ? {} : { customerId }) }),
    });
    return ((await response.json()) as { token: string }).token;
  };
  const tokenOf = (as: string): Promise<string> => {
    const known = tokens.get(as) ?? session(as);
    tokens.set(as, known);
    return known;
  };

  const call: Client['call'] = async (method, path, { as = 'operator', key, body } = {}) => {
    const sent = key ?? (NEEDS_KEY.test(`${method} ${path}`) ? systemRandomness.uuid() : undefined);
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${await tokenOf(as)}`,
        ...(sent === undefined ? {} : { 'idempotency-key': sent }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const { status, headers } = response;
    return { status, headers, text, body: text === '' ? undefined : JSON.parse(text) };
  };
  const ok: Client['ok'] = async (method, path, asked) => {
    const { status, text, body } = await call(method, path, asked);
    assert.ok(status < 300, `${method} ${path}: ${status} ${text.slice(0, 500)}`);
    return body;
  };
  /** Adds to `items` what has happened since. */
  const history = async (orderId: string, items: any[] = []): Promise<any[]> => {
    for (let cursor: string | null = String(items.length); cursor !== null;) {
      const page: any = await ok('GET', `/orders/${orderId}/history?limit=200&cursor=${cursor}`);
      items.push(...page.items);
      cursor = page.nextCursor;
    }
    return items;
  };
  const types: Client['types'] = async (orderId) => (await history(orderId)).map(({ type }) => type);
  const order: Client['order'] = async (orderId) =>
    ok('GET', `/orders/${orderId}?atLeast=${(await history(orderId)).at(-1).revision}`);
  const stock: Client['stock'] = (sku) => ok('GET', `/stock/${sku}`);

  return {
    call,
    ok,
    history: (orderId) => history(orderId),
    types,
    order,
    stock,
    async product(sku, units) {
      await ok('PUT', `/catalogue/${sku}`, {
        body: { name: sku, price: { amountMinor: 1_000, currency: 'GBP' } },
      });
      if (units > 0) await ok('POST', `/stock/${sku}/receive`, { body: { quantity: units } });
    },
    place: (lines, placing = {}) =>
      ok('POST', '/orders', {
        as: `customer:${placing.customer ?? CUSTOMER}`,
        body: newOrder(lines, placing),
        ...(placing.key === undefined ? {} : { key: placing.key }),
      }),
    command: (orderId, name, body, as = 'operator') => ok('POST', `/orders/${orderId}/${name}`, { as, body }),
    happened: (orderId, type) =>
      eventually(`${type} of ${orderId}`, async () => (await types(orderId)).includes(type)),
    async closed(orderId) {
      const events: any[] = [];
      let last: any;
      await eventually(`the end of order ${orderId}`, async () => {
        last = (await history(orderId, events)).findLast(({ type }) => type !== 'CustomerNotified');
        return last?.type === 'OrderClosed';
      }).catch((error: Error) =>
        assert.unreachable(`${error.message}: ${events.map(({ type }) => type).join(' ')}`),
      );
      return ok('GET', `/orders/${orderId}?revision=${last.revision}`);
    },
    async stocked(sku, { onHand, reserved = 0, backordered = 0 }) {
      let found: any;
      await eventually(`the levels of ${sku}`, async () => {
        found = await stock(sku);
        return found.onHand === onHand && found.reserved === reserved && found.backordered === backordered;
      }).catch((error: Error) => assert.unreachable(`${error.message}: ${JSON.stringify(found)}`));
    },
  };
};

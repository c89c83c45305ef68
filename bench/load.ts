/** Checkouts as a shop front sends them: a few hundred customers, one to three lines, a new key each time. */
import autocannon from 'autocannon';
import { systemRandomness } from '../adapters/system.ts';

export type Basket = Readonly<{ token: string; body: Buffer }>;
/** `perSecond`: answers 201 a second. Latencies in milliseconds. */
export type Measured = Readonly<{
  answered: number;
  seconds: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}>;

const STREETS = ['High Street', 'Station Road', 'Church Lane', 'Mill Lane', 'Victoria Road'];

/**
 * It looks this often whether it is done: with its default, a second, whole seconds are all that `amount`
 * would measure.
 */
const SAMPLE_MS = 20;
const PRODUCTS = 24;
const STOCK = 10_000;

const sent = async <T>(
  method: string,
  url: string,
  token: string | undefined,
  body?: unknown,
): Promise<T> => {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'idempotency-key': systemRandomness.uuid() }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
};
export const getJson = <T>(url: string, token: string): Promise<T> => sent('GET', url, token);
export const postJson = <T>(url: string, token: string): Promise<T> => sent('POST', url, token, {});
export const tokenOf = async (url: string, role: 'customer' | 'operator'): Promise<string> =>
  (await sent<{ token: string }>('POST', `${url}/session`, undefined, { role })).token;

/** Lists the products and receives their stock. */
const stocked = async (url: string): Promise<readonly string[]> => {
  const operator = await tokenOf(url, 'operator');
  const skus = Array.from({ length: PRODUCTS }, (_, index) => `BENCH-${index + 1}`);
  for (const [index, sku] of skus.entries()) {
    await sent('PUT', `${url}/catalogue/${sku}`, operator, {
      name: `Product ${index + 1}`,
      price: { amountMinor: 450 + 125 * index, currency: 'GBP' },
    });
    await sent('POST', `${url}/stock/${sku}/receive`, operator, { quantity: STOCK });
  }
  return skus;
};

/**
 * Stocks the shop and makes new customers, one basket each. Products and quantities are the same in every
 * run.
 */
export const basketsOf = async (url: string, customers: number): Promise<readonly Basket[]> => {
  const skus = await stocked(url);
  const baskets: Basket[] = [];
  for (let customer = 0; customer < customers; customer++) {
    const lines = Array.from({ length: 1 + (customer % 3) }, (_, line) => ({
      sku: skus[(customer * 5 + line) % skus.length],
      quantity: 1 + ((customer + line) % 2),
    }));
    const name = `Customer ${customer}`;
    const order = {
      lines,
      contact: { name, email: `customer-${customer}@example.com`, phone: '+44 20 7946 0000' },
      shippingAddress: {
        name,
        line1: `${customer + 1} ${STREETS[customer % STREETS.length]}`,
        city: 'London',
        postcode: 'E1 6AN',
        country: 'GB',
      },
      payment: { method: 'card' },
    };
    baskets.push({
      token: await tokenOf(url, 'customer'),
      body: Buffer.from(JSON.stringify(order)),
    });
  }
  return baskets;
};

/** One checkout; throws unless the answer is a success. */
export const placeOne = (url: string, { token, body }: Basket): Promise<{ orderId: string }> =>
  sent('POST', `${url}/orders`, token, JSON.parse(body.toString()));

/**
 * Runs for `seconds` or `amount` requests, each connection sending as soon as it is answered. Throws unless
 * every answer is 201.
 */
export const checkouts = async (
  url: string,
  baskets: readonly Basket[],
  connections: number,
  extent: Readonly<{ seconds: number }> | Readonly<{ amount: number }>,
): Promise<Measured> => {
  let next = 0;
  const { duration, errors, timeouts, statusCodeStats, latency } = await autocannon({
    url,
    connections,
    sampleInt: SAMPLE_MS,
    ...('seconds' in extent ? { duration: extent.seconds } : { amount: extent.amount }),
    requests: [
      {
        method: 'POST',
        path: '/orders',
        setupRequest(request) {
          const { token, body } = baskets[next++ % baskets.length] as Basket;
          return {
            ...request,
            headers: {
              authorization: `Bearer ${token}`,
              'content-type': 'application/json',
              'idempotency-key': systemRandomness.uuid(),
            },
            body,
          };
        },
      },
    ],
  });
  const answered = statusCodeStats['201']?.count ?? 0;
  if (errors > 0 || timeouts > 0 || answered === 0 || Object.keys(statusCodeStats).length > 1)
    throw new Error(
      `not every checkout was answered 201: ${JSON.stringify({ errors, timeouts, statusCodeStats })}`,
    );
  return {
    answered,
    seconds: duration,
    perSecond: answered / duration,
    p50Ms: latency.p50,
    p99Ms: latency.p99,
  };
};

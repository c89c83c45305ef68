/**
 * Plays planned orders as live checkouts: each starts at its time, whether or not those before it have been
 * answered.
 */
import { LRUCache } from 'lru-cache';
import type { Clock, Randomness } from '../../ports/system.ts';
import type { Progress } from '../cli/progress.ts';
import { inFlight } from '../import/in-flight.ts';
import { complaint, type Client } from './client.ts';
import { limited } from './limited.ts';
import type { PlannedOrder } from './plan.ts';

export type Acknowledged = Readonly<{ orderId: string; invoice: string; customerId: string; at: string }>;
export type PlayOptions = Readonly<{
  client: Client;
  clock: Clock;
  randomness: Randomness;
  /** Times are divided by this. */
  speed: number;
  /** How many there are, for the progress. */
  total: number;
  /** How long to go on waiting, after the last checkout, for orders to be confirmed. */
  waitMs: number;
  acknowledged(order: Acknowledged): void;
  failed(sentence: string): void;
  progress: Progress;
}>;
/**
 * `latenciesMs`: from the first try of a checkout to its 201, tries again included. `confirmationsMs`: from
 * the 201 until the order was seen confirmed. `late`: checkouts that began more than 100 ms behind their
 * time.
 */
export type Played = Readonly<{
  orders: number;
  acknowledged: number;
  failed: number;
  late: number;
  confirmed: number;
  cancelled: number;
  notYet: number;
  seconds: number;
  latenciesMs: readonly number[];
  confirmationsMs: readonly number[];
}>;

const IN_FLIGHT = 256;
const LATE_MS = 100;
const POLLS = 32;
const FIRST_POLL_MS = 50;
const MOST_POLL_MS = 2_000;
const SESSIONS = 20_000;

/**
 * A UUID version 7 whose time is `atMs`: the orders' ids are in the order of their times, as the store likes
 * them.
 */
export const uuidAt = (atMs: number, randomness: Randomness): string => {
  const time = Math.max(0, Math.floor(atMs)).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}${randomness.uuid().slice(13)}`;
};

const checkoutOf = ({ customerId, country, lines }: PlannedOrder) => ({
  lines,
  contact: { name: `Customer ${customerId}`, email: `customer-${customerId}@example.com`.toLowerCase() },
  shippingAddress: {
    name: `Customer ${customerId}`,
    line1: '1 Example Street',
    city: 'Exampleton',
    postcode: 'EX1 1AA',
    country,
  },
  payment: { method: 'card' },
});

export const playOrders = async (
  orders: AsyncIterable<PlannedOrder>,
  options: PlayOptions,
): Promise<Played> => {
  const { client, clock, randomness, speed, total, waitMs, acknowledged, failed, progress } = options;
  const nowMs = (): number => clock.now().getTime();
  const counts = { orders: 0, acknowledged: 0, failed: 0, late: 0, confirmed: 0, cancelled: 0 };
  const latenciesMs: number[] = [];
  const confirmationsMs: number[] = [];
  const flight = inFlight(IN_FLIGHT);
  const polls = limited(POLLS);
  const sessions = new LRUCache<string, Promise<string>>({ max: SESSIONS });
  let giveUpAtMs = Number.POSITIVE_INFINITY;

  const session = (customerId: string): Promise<string> => {
    const known = sessions.get(customerId);
    if (known) return known;
    const token = client
      .call({ method: 'POST', path: '/session', body: { role: 'customer', customerId } })
      .then((outcome) => {
        if (outcome.answered && outcome.reply.status === 200)
          return (outcome.reply.body as { token: string }).token;
        sessions.delete(customerId);
        throw new Error(complaint('POST /session', outcome));
      });
    sessions.set(customerId, token);
    return token;
  };

  const untilConfirmed = async (orderId: string, token: string): Promise<void> => {
    const sinceMs = nowMs();
    for (let pauseMs = FIRST_POLL_MS; nowMs() < giveUpAtMs; pauseMs = Math.min(MOST_POLL_MS, pauseMs * 1.5)) {
      await clock.sleep(Math.min(pauseMs, Math.max(0, giveUpAtMs - nowMs())));
      // A server that is away now may be back for the next look.
      const reply = await polls(() =>
        client.once({ method: 'GET', path: `/orders/${orderId}`, token }).catch(() => undefined),
      );
      const status = reply?.status === 200 ? (reply.body as { status: string }).status : 'placed';
      if (status === 'placed' || status === 'held') continue;
      if (status === 'cancelled') counts.cancelled += 1;
      else {
        counts.confirmed += 1;
        confirmationsMs.push(nowMs() - sinceMs);
      }
      return;
    }
  };

  const confirmations: Promise<void>[] = [];
  const checkout = async (order: PlannedOrder, key: string): Promise<void> => {
    const { invoice, customerId } = order;
    try {
      const token = await session(customerId);
      const sinceMs = nowMs();
      const outcome = await client.call({
        method: 'POST',
        path: '/orders',
        token,
        key,
        body: checkoutOf(order),
      });
      if (!outcome.answered || outcome.reply.status !== 201)
        throw new Error(complaint('POST /orders', outcome));
      latenciesMs.push(nowMs() - sinceMs);
      const { orderId } = outcome.reply.body as { orderId: string };
      counts.acknowledged += 1;
      acknowledged({ orderId, invoice, customerId, at: clock.now().toISOString() });
      confirmations.push(untilConfirmed(orderId, token));
    } catch (error) {
      counts.failed += 1;
      failed(`invoice ${invoice}: ${(error as Error).message}`);
    }
  };

  const startedMs = nowMs();
  let firstAtMs: number | undefined;
  for await (const order of orders) {
    firstAtMs ??= order.atMs;
    const plannedMs = startedMs + (order.atMs - firstAtMs) / speed;
    if (plannedMs > nowMs()) await clock.sleep(plannedMs - nowMs());
    const key = uuidAt(plannedMs, randomness);
    await flight.start(key, () => checkout(order, key));
    counts.orders += 1;
    if (nowMs() - plannedMs > LATE_MS) counts.late += 1;
    progress.report('checking out', counts.orders, total);
  }
  await flight.finish();
  const seconds = (nowMs() - startedMs) / 1000;
  giveUpAtMs = nowMs() + waitMs;
  await Promise.all(confirmations);
  progress.end();
  return {
    ...counts,
    notYet: counts.acknowledged - counts.confirmed - counts.cancelled,
    seconds,
    latenciesMs,
    confirmationsMs,
  };
};

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { NO_PROGRESS } from '../../scripts/cli/progress.ts';
import { createClient } from '../../scripts/shop/client.ts';
import { limited } from '../../scripts/shop/limited.ts';
import { plannedOrders, surveyPlan, type PlannedOrder } from '../../scripts/shop/plan.ts';
import { playOrders, uuidAt, type Acknowledged, type PlayOptions } from '../../scripts/shop/play.ts';
import { prepareShop } from '../../scripts/shop/prepare.ts';
import { percentiles } from '../../scripts/shop/report.ts';
import { csv, world, type Cells } from './world.ts';

type Asked = Readonly<{
  method: string;
  path: string;
  key: string | undefined;
  token: string | undefined;
  body: unknown;
  atMs: number;
}>;
type Answer = Readonly<{ status: number; body?: unknown; headers?: Record<string, string> }> | 'hang up';

/** An API that answers as it is told. */
const server = async (answer: (asked: Asked) => Answer) => {
  const asked: Asked[] = [];
  const listening = createServer((request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const { authorization, 'idempotency-key': key } = request.headers;
      const one: Asked = {
        method: request.method ?? '',
        path: request.url ?? '',
        key: key as string | undefined,
        token: authorization?.replace('Bearer ', ''),
        body: text === '' ? undefined : JSON.parse(text),
        atMs: systemClock.now().getTime(),
      };
      asked.push(one);
      const reply = answer(one);
      if (reply === 'hang up') return void request.socket.destroy();
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
      response.end(JSON.stringify(reply.body ?? {}));
    });
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const close = async (): Promise<void> => {
    listening.closeAllConnections();
    listening.close();
    await once(listening, 'close');
  };
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}`, asked, close };
};

const shopFile: readonly Cells[] = [
  { invoice: '500001', quantity: 6, customer: '17850' },
  { invoice: '500001', quantity: 2, customer: '17850' },
  { invoice: '500001', sku: '10002', customer: '17850', price: '1.00' },
  { invoice: '500002', sku: 'POST', customer: 'NA', date: '2011-01-10 10:00:00' },
  { invoice: 'C500003', quantity: -1, date: '2011-01-10 10:05:00' },
  { invoice: '500004', quantity: 20_000, date: '2011-01-10 10:07:00' },
  {
    invoice: '500005',
    sku: '10002',
    customer: 'NA',
    country: 'EIRE',
    price: '1.00',
    date: '2011-01-10 11:00:00',
  },
];

const planOf = (file: string, warnings: string[] = []) => ({
  file,
  timezone: 'Europe/London',
  decimals: 2,
  from: 0,
  limit: Number.POSITIVE_INFINITY,
  warn: (sentence: string) => void warnings.push(sentence),
});

const plan = suite('shop: plan');

plan('orders of goods, a line a SKU; the enormous are left out aloud', async () => {
  const here = world();
  const warnings: string[] = [];
  const options = planOf(here.file('shop.csv', csv(...shopFile)), warnings);
  const orders: PlannedOrder[] = [];
  for await (const order of plannedOrders(options)) orders.push(order);
  assert.equal(orders, [
    {
      invoice: '500001',
      customerId: '17850',
      country: 'GB',
      atMs: Date.parse('2011-01-10T10:00:00Z'),
      lines: [
        { sku: '10001', quantity: 8 },
        { sku: '10002', quantity: 1 },
      ],
    },
    {
      invoice: '500005',
      customerId: 'guest-500005',
      country: 'IE',
      atMs: Date.parse('2011-01-10T11:00:00Z'),
      lines: [{ sku: '10002', quantity: 1 }],
    },
  ]);
  assert.is(warnings.length, 1);
  assert.match(warnings[0] ?? '', /500004 is left out: it asks for 20000/);
  assert.equal(await surveyPlan(options), {
    orders: 2,
    needs: [
      { sku: '10001', name: 'MUG', priceMinor: 255, quantity: 8 },
      { sku: '10002', name: 'MUG', priceMinor: 100, quantity: 2 },
    ],
  });
  assert.is((await surveyPlan({ ...options, limit: 1 })).orders, 1);
  assert.is((await surveyPlan({ ...options, from: 1 })).needs.length, 1);
  here.end();
});

plan('keys are UUIDs of version 7 in the order of their times', () => {
  const [early, late] = [
    uuidAt(1_700_000_000_000, systemRandomness),
    uuidAt(1_700_000_000_001, systemRandomness),
  ];
  assert.match(early, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(early < late);
  assert.is(Number.parseInt(early.replaceAll('-', '').slice(0, 12), 16), 1_700_000_000_000);
});

plan('percentiles are of the nearest rank', () => {
  assert.is(percentiles([]), null);
  assert.equal(percentiles(Array.from({ length: 100 }, (_, i) => 100 - i)), {
    p50: 50,
    p95: 95,
    p99: 99,
    max: 100,
  });
  assert.equal(percentiles([7]), { p50: 7, p95: 7, p99: 7, max: 7 });
});

plan('no more at once than the limit', async () => {
  const atOnce = limited(3);
  let [running, most] = [0, 0];
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  await Promise.all(
    Array.from({ length: 20 }, () =>
      atOnce(async () => {
        most = Math.max(most, ++running);
        await turn();
        running -= 1;
      }),
    ),
  );
  assert.equal([running, most], [0, 3]);
});

const play = suite('shop: play');

/** A clock whose sleeps are over at once: pauses between tries cost the test nothing, time passes by them. */
const hastyClock = () => {
  let nowMs = 1_700_000_000_000;
  const slept: number[] = [];
  return {
    slept,
    clock: {
      now: () => new Date(nowMs),
      sleep: (ms: number, signal?: AbortSignal): Promise<void> => {
        // The watch over an answer, which comes.
        if (signal)
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        nowMs += ms;
        slept.push(ms);
        return new Promise((resolve) => setImmediate(resolve));
      },
    },
  };
};

play('tries again under the same key on no answer, 429 and 503, and no other time', async () => {
  const statuses: Answer[] = [
    'hang up',
    { status: 503, headers: { 'retry-after': '7' } },
    { status: 429 },
    { status: 201, body: { orderId: 'a' } },
  ];
  const api = await server(
    () => statuses.shift() ?? { status: 422, body: { code: 'unknown_sku', detail: 'No such SKU.' } },
  );
  const { clock, slept } = hastyClock();
  const client = createClient({ url: api.url, clock, randomness: systemRandomness });
  const outcome = await client.call({ method: 'POST', path: '/orders', key: 'k', body: { a: 1 } });
  assert.equal(outcome, { answered: true, reply: { status: 201, body: { orderId: 'a' } }, attempts: 4 });
  assert.equal(new Set(api.asked.map(({ key }) => key)), new Set(['k']));
  assert.is(slept[1], 7_000, 'Retry-After is honoured');
  assert.is(
    (await client.call({ method: 'POST', path: '/orders', key: 'l', body: {} })).attempts,
    1,
    'a refusal is final',
  );
  await api.close();
});

play('gives up after two minutes', async () => {
  const api = await server(() => ({ status: 503 }));
  const { clock, slept } = hastyClock();
  const outcome = await createClient({ url: api.url, clock, randomness: systemRandomness }).call({
    method: 'GET',
    path: '/',
  });
  assert.not.ok(outcome.answered);
  const total = slept.reduce((a, b) => a + b, 0);
  assert.ok(total > 100_000 && total <= 120_000, String(total));
  await api.close();
});

play('lists what is ordered and receives what is missing', async () => {
  const api = await server(({ method, path }) => {
    if (method === 'GET' && path === '/stock/10001') return { status: 200, body: { available: 3 } };
    if (method === 'GET' && path === '/stock/10002') return { status: 200, body: { available: 50 } };
    return method === 'GET' ? { status: 404, body: { code: 'sku_not_found' } } : { status: 200 };
  });
  const need = (sku: string, quantity: number) => ({ sku, name: 'MUG', priceMinor: 255, quantity });
  const client = createClient({ url: api.url, clock: systemClock, randomness: systemRandomness });
  const delivered = await prepareShop({
    client,
    token: 't',
    currency: 'GBP',
    needs: [need('10001', 8), need('10002', 9), need('10003', 1_500_000)],
    randomness: systemRandomness,
    progress: NO_PROGRESS,
  });
  assert.is(delivered, 2);
  const writes = api.asked
    .filter(({ method }) => method === 'POST')
    .map(({ path, body }) => [path, (body as { quantity: number }).quantity]);
  assert.equal(writes.sort(), [
    ['/stock/10001/receive', 5],
    ['/stock/10003/receive', 1_000_000],
    ['/stock/10003/receive', 500_000],
  ]);
  assert.equal(
    api.asked.filter(({ method }) => method === 'PUT').map(({ body }) => body),
    Array.from({ length: 3 }, () => ({ name: 'MUG', price: { amountMinor: 255, currency: 'GBP' } })),
  );
  await api.close();
});

const order = (invoice: string, atMs: number, customerId = '17850'): PlannedOrder => ({
  invoice,
  customerId,
  country: 'GB',
  atMs,
  lines: [{ sku: '10001', quantity: 1 }],
});
async function* all(...orders: readonly PlannedOrder[]): AsyncGenerator<PlannedOrder> {
  yield* orders;
}
const playing = (url: string, more: Partial<PlayOptions> = {}) => {
  const [acknowledged, failures]: [Acknowledged[], string[]] = [[], []];
  const client = createClient({ url, clock: systemClock, randomness: systemRandomness });
  const options: PlayOptions = {
    client,
    clock: systemClock,
    randomness: systemRandomness,
    speed: 1_000,
    total: 3,
    waitMs: 2_000,
    acknowledged: (one) => void acknowledged.push(one),
    failed: (sentence) => void failures.push(sentence),
    progress: NO_PROGRESS,
    ...more,
  };
  return { options, acknowledged, failures };
};

play('an order starts at its time whether or not those before it are answered', async () => {
  let polls = 0;
  const placed = new Map<string, string>();
  const api = await server(({ method, path, key, body }) => {
    if (path === '/session')
      return { status: 200, body: { token: `token of ${(body as { customerId: string }).customerId}` } };
    if (method === 'GET')
      return {
        status: 200,
        body: { status: path.endsWith('2') ? 'cancelled' : ++polls > 2 ? 'confirmed' : 'placed' },
      };
    // The first checkout gets no answer until the others have been made.
    if (
      placed.size === 0 &&
      key !== undefined &&
      api.asked.filter((one) => one.path === '/orders' && one.key !== key).length < 2
    )
      return { status: 503, headers: { 'retry-after': '0' } };
    placed.set(key ?? '', `order-${placed.size}`);
    return { status: 201, body: { orderId: `order-${placed.size}` } };
  });
  const { options, acknowledged, failures } = playing(api.url);
  const played = await playOrders(
    all(order('1', 0), order('2', 100_000, 'guest-2'), order('3', 200_000)),
    options,
  );
  assert.equal(failures, []);
  assert.equal([played.orders, played.acknowledged, played.failed, played.notYet], [3, 3, 0, 0]);
  assert.equal([played.confirmed, played.cancelled], [2, 1]);
  assert.equal([played.latenciesMs.length, played.confirmationsMs.length], [3, 2]);
  assert.equal(acknowledged.map(({ invoice }) => invoice).sort(), ['1', '2', '3']);
  const keys = [...placed.keys()];
  assert.is(new Set(keys).size, 3, 'tried again under its key');
  const first = api.asked.find(({ path }) => path === '/orders');
  const third = api.asked.find(({ key }) => key === keys.toSorted()[2]);
  assert.ok((third?.atMs ?? 0) - (first?.atMs ?? 0) >= 150, 'spacing divided by the speed');
  assert.is(api.asked.filter(({ path }) => path === '/session').length, 2, 'one session a customer');
  assert.equal(third?.token, 'token of 17850');
  const { contact, payment, lines } = third!.body as {
    contact: { email: string };
    payment: unknown;
    lines: unknown;
  };
  assert.match(contact.email, /@example\.com$/);
  assert.equal([payment, lines], [{ method: 'card' }, [{ sku: '10001', quantity: 1 }]]);
  await api.close();
});

play('says what failed and what was not confirmed in time', async () => {
  const api = await server(({ method, path, body }) => {
    if (path === '/session') return { status: 200, body: { token: 't' } };
    if (method === 'GET') return { status: 200, body: { status: 'placed' } };
    return (body as { lines: { sku: string }[] }).lines[0]?.sku === 'none'
      ? { status: 422, body: { code: 'unknown_sku', detail: 'No such SKU.' } }
      : { status: 201, body: { orderId: 'x' } };
  });
  const { options, failures } = playing(api.url, { waitMs: 120 });
  const played = await playOrders(
    all({ ...order('1', 0), lines: [{ sku: 'none', quantity: 1 }] }, order('2', 0)),
    options,
  );
  assert.equal([played.acknowledged, played.failed, played.confirmed, played.notYet], [1, 1, 0, 1]);
  assert.match(failures[0] ?? '', /invoice 1: POST \/orders: status 422, unknown_sku: No such SKU\./);
  await api.close();
});

plan.run();
play.run();

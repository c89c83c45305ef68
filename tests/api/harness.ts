/**
 * The API over real HTTP on memory adapters, with views that follow the store. Every answer is checked
 * against its route's declaration.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as assert from 'uvu/assert';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { type ApiDeps } from '../../api/index.ts';
import type { TokenRole } from '../../api/auth.ts';
import { statusOfProblem } from '../../api/problems.ts';
import { boundPipelining } from '../../api/pipelining.ts';
import { routes } from '../../api/routes/index.ts';
import { Problem } from '../../api/schemas/common.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import { orderStream } from '../../domain/order/events.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { orders } from '../../domain/order/order.ts';
import { until } from '../fake-clock.ts';
import { memoryShop } from '../memory-shop.ts';
import { fakeOperations, type FakeOperations } from './fake-operations.ts';

export type Call = Readonly<{
  /** A role, or `customer:ID`; no token when missing. */
  as?: string;
  token?: string;
  /** Idempotency-Key; a new one for each call of a route that wants one unless given; null leaves it out. */
  key?: string | null;
  body?: unknown;
  /** Sent as it is, in place of `body`. */
  raw?: string | Buffer;
  headers?: Readonly<Record<string, string>>;
}>;
/** `body`: parsed JSON, checked against the route's declaration before it is handed out. */
export type Answered = Readonly<{ status: number; headers: Headers; text: string; body: any }>;

export type Harness = Readonly<{
  url: string;
  deps: ApiDeps;
  operations: FakeOperations;
  logged: readonly Readonly<Record<string, unknown>>[];
  moveOn(ms: number): void;
  token(as: string): Promise<string>;
  call(method: string, path: string, call?: Call): Promise<Answered>;
  /** Runs until both views have folded all that is stored. */
  settled(): Promise<void>;
  /** Views stop following until `resume`. */
  pauseViews(): Promise<void>;
  resumeViews(): void;
  /** Lists `sku` and puts units on hand. */
  product(sku: string, name: string, amountMinor: number, units?: number): Promise<void>;
  /** Places an order of customer `ada` (or another) and answers its body. */
  place(
    lines: readonly Readonly<{ sku: string; quantity: number }>[],
    options?: Readonly<{ customer?: string; key?: string }>,
  ): Promise<any>;
  /** What the consumers would do. */
  command(orderId: string, command: OrderCommand): Promise<void>;
  /** Stock reserved and payment authorized. */
  confirm(orderId: string): Promise<void>;
  /** Asked for and dispatched as parcel `p1` of the shipment whose id is answered, and paid for. */
  ship(orderId: string): Promise<string>;
  close(): Promise<void>;
}>;

export const WAREHOUSE_SECRET = 'warehouse-secret-of-the-tests';
export const PAYMENT_SECRET = 'payment-secret-of-the-tests';

export const NEW_ORDER = {
  lines: [{ sku: 'MUG-RED', quantity: 2 }],
  contact: { name: 'Ada Lovelace', email: 'ada@example.org', phone: '+44 20 7946 0000' },
  shippingAddress: {
    name: 'Ada Lovelace',
    line1: "12 St James's Square",
    city: 'London',
    postcode: 'SW1Y 4JH',
    country: 'GB',
  },
  payment: { method: 'card', token: 'tok_good' },
} as const;

const patterns = routes.map((route) => ({
  route,
  pattern: new RegExp(`^${route.path.replace(/\{\w+\}/g, '[^/]+')}$`),
}));
const routeOf = (method: string, path: string) => {
  const [plain = ''] = path.split('?');
  return patterns.find(({ route, pattern }) => route.method.toUpperCase() === method && pattern.test(plain))
    ?.route;
};
/** Codes that any route may answer with. */
const ANYWHERE = [
  'missing_token',
  'invalid_token',
  'forbidden',
  'missing_idempotency_key',
  'invalid_idempotency_key',
  'malformed_json',
  'body_too_large',
  'unsupported_media_type',
  'invalid_request',
  'bad_request',
  'unavailable',
  'internal_error',
];

const checkDeclared = (
  method: string,
  path: string,
  { status, text, headers }: Omit<Answered, 'body'>,
): void => {
  const route = routeOf(method, path);
  const what = `${method} ${path} ${status} ${text.slice(0, 300)}`;
  if (status >= 400) {
    assert.is(headers.get('content-type'), 'application/problem+json', what);
    const problem = Problem.parse(JSON.parse(text));
    assert.is(problem.status, status, what);
    assert.is(statusOfProblem(problem.code), status, what);
    if (route)
      assert.ok(
        [...ANYWHERE, ...(route.problems ?? [])].some((code) => code === problem.code),
        `undeclared problem: ${what}`,
      );
    return;
  }
  const declared = route?.responses[status];
  assert.ok(declared, `undeclared status: ${what}`);
  const parsed = text === '' ? undefined : declared?.schema?.safeParse(JSON.parse(text));
  assert.ok(parsed?.success ?? true, `${what}: ${parsed?.error?.message ?? ''}`);
};

/** `change`: deps to replace, for faults. `limits`: of live streams. Close it, or the test hangs. */
export const startApi = async (
  change: (deps: ApiDeps) => ApiDeps = (deps) => deps,
  limits: Readonly<{ streams?: number; streamsPerClient?: number }> = {},
): Promise<Harness> => {
  let aheadMs = 0;
  const clock: Clock = {
    now: () => new Date(systemClock.now().getTime() + aheadMs),
    sleep: systemClock.sleep,
  };
  const logged: Readonly<Record<string, unknown>>[] = [];
  const log: Log = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields) => void logged.push(fields),
  };
  const { parts, shop } = memoryShop(
    { clock, log },
    {},
    {
      WAREHOUSE_SECRET,
      PAYMENT_WEBHOOK_SECRET: PAYMENT_SECRET,
      REBUILD_SHARE: '1',
      ...(limits.streams === undefined ? {} : { LIVE_STREAMS: String(limits.streams) }),
      ...(limits.streamsPerClient === undefined
        ? {}
        : { LIVE_STREAMS_PER_CLIENT: String(limits.streamsPerClient) }),
    },
  );
  const { store } = parts;
  const { executor, views } = shop;
  const operations = fakeOperations(clock);
  const api = await shop.openApi((deps) => change({ ...deps, operations }));
  const { deps } = api;
  const { auth } = deps;
  let stopViews = shop.followViews();

  const server = createServer(api.app);
  boundPipelining(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const tokens = new Map<string, string>();
  const token = async (as: string): Promise<string> => {
    const [role = '', customerId] = as.split(':');
    const made =
      tokens.get(as) ??
      (await auth.session?.({
        role: role as TokenRole,
        ...(customerId === undefined ? {} : { customerId }),
      })) ??
      '';
    tokens.set(as, made);
    return made;
  };
  const call: Harness['call'] = async (
    method,
    path,
    { as, token: given, key, body, raw, headers = {} } = {},
  ) => {
    const bearer = given ?? (as === undefined ? undefined : await token(as));
    const wanted =
      key === undefined && routeOf(method, path)?.idempotent ? systemRandomness.uuid() : (key ?? undefined);
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...(wanted === undefined ? {} : { 'idempotency-key': wanted }),
        ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(payload === undefined ? {} : { body: payload as string }),
    });
    // A stream has no end to read to: that it began is the answer.
    const endless = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
    if (endless) await response.body?.cancel();
    const answer = {
      status: response.status,
      headers: response.headers,
      text: endless ? '' : await response.text(),
    };
    if (method !== 'HEAD') checkDeclared(method, path, answer);
    return {
      ...answer,
      body:
        answer.text === '' || answer.headers.get('content-type')?.includes('ndjson')
          ? undefined
          : JSON.parse(answer.text),
    };
  };
  const ok = async (method: string, path: string, options: Call): Promise<any> => {
    const answer = await call(method, path, options);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
  const command: Harness['command'] = async (orderId, given) => {
    const done = await executor.execute(orders, orderStream(orderId), given, {
      commandId: systemRandomness.uuid(),
      actor: { id: 'tests', role: 'system' },
    });
    assert.ok(done.ok, done.ok ? '' : done.reason.sentence);
  };
  const stateOf = async (orderId: string) => (await executor.load(orders, orderStream(orderId))).state;

  return {
    url,
    deps,
    operations,
    logged,
    token,
    call,
    command,
    moveOn: (ms) => void (aheadMs += ms),
    settled: () =>
      until('the views to follow the store', async () => {
        const tail = await store.tail();
        return views.every((view) => {
          const { state, position } = view.status();
          return state === 'running' && (tail === undefined || (position !== undefined && position >= tail));
        });
      }),
    pauseViews: () => stopViews(),
    resumeViews: () => void (stopViews = shop.followViews()),
    async product(sku, name, amountMinor, units = 100) {
      await ok('PUT', `/catalogue/${sku}`, {
        as: 'operator',
        body: { name, price: { amountMinor, currency: 'GBP' } },
      });
      if (units > 0) await ok('POST', `/stock/${sku}/receive`, { as: 'operator', body: { quantity: units } });
    },
    place: (lines, { customer = 'ada', key } = {}) =>
      ok('POST', '/orders', {
        as: `customer:${customer}`,
        ...(key === undefined ? {} : { key }),
        body: { ...NEW_ORDER, lines },
      }),
    async confirm(orderId) {
      const state = await stateOf(orderId);
      await command(orderId, {
        type: 'RecordStock',
        data: {
          lines: state.lines.map(({ lineId, ordered }) => ({
            lineId,
            reserved: ordered,
            backordered: 0,
            short: 0,
          })),
        },
      });
      await command(orderId, {
        type: 'RecordAuthorization',
        data: { attempt: 1, authorizationId: 'auth-1', amountMinor: state.totals.totalMinor },
      });
    },
    async ship(orderId) {
      await command(orderId, { type: 'RequestShipment', data: {} });
      const {
        shipments: [shipment],
        lines,
      } = await stateOf(orderId);
      const shipmentId = shipment?.shipmentId ?? '';
      await command(orderId, {
        type: 'RecordDispatch',
        data: {
          shipmentId,
          parcelId: 'p1',
          lines: lines.map(({ lineId, reserved }) => ({ lineId, quantity: reserved })),
        },
      });
      const {
        parcels: [parcel],
      } = await stateOf(orderId);
      await command(orderId, {
        type: 'RecordCapture',
        data: {
          captureId: 'capture-1',
          authorizationId: 'auth-1',
          parcelId: 'p1',
          amountMinor: parcel?.amountMinor ?? 0,
        },
      });
      return shipmentId;
    },
    async close() {
      api.stopServing();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await api.close();
      await stopViews();
      await parts.close();
    },
  };
};

/** Puts the roles that this process has together and starts them. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApi, devAuthentication, jwksAuthentication, type Authentication } from '../api/index.ts';
import { projectionsOf } from '../projections/index.ts';
import { auditLog } from '../projections/audit-log.ts';
import { catalogue } from '../projections/catalogue.ts';
import { customerOrders } from '../projections/customer-orders.ts';
import { operations as operationsView } from '../projections/operations.ts';
import { orderStatus, type OrderStatusRow } from '../projections/order-status.ts';
import { sales } from '../projections/sales.ts';
import { stockLevels } from '../projections/stock-levels.ts';
import type { Position } from '../domain/kernel.ts';
import { createLive } from '../runtime/live.ts';
import { createPacer, type Pacer } from '../runtime/pacer.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import { createCheckout } from '../runtime/checkout.ts';
import type { RunningConsumer } from '../runtime/consume.ts';
import { createExecutor, type Executor } from '../runtime/execute.ts';
import { recordWarehouseNews } from '../runtime/news.ts';
import { followPrices } from '../runtime/prices.ts';
import { runProjection, type RunningProjection } from '../runtime/project.ts';
import { decimalDistance, storeLog } from '../runtime/store-log.ts';
import { viewReader } from '../runtime/views.ts';
import { auditTrail, recordOperation, startConsumers } from './consumers.ts';
import { createViewBuilds } from './view-builds.ts';
import { seedDemo } from './demo.ts';
import type { Environment } from './environment.ts';
import { createOperations } from './operations.ts';
import { openOutside } from './outside.ts';
import { openStores, type Stores } from './stores.ts';

export type System = Readonly<{ clock: Clock; randomness: Randomness; log: Log }>;
/** `url` is undefined without the role api. `seeded`: products of the demo shop that this start listed. */
export type RunningServer = Readonly<{
  url: string | undefined;
  dataFolder: string;
  seeded: number;
  close(): Promise<void>;
}>;

const REQUEST_MS = 30_000;
const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;
/** How long answers that are under way hold up the end. */
const ANSWER_MS = 10_000;

const listen = (server: Server, host: string, port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`port ${port} on ${host} is in use; set PORT to another one (0 takes any free one)`)
          : error,
      ),
    );
    server.listen(port, host, () => {
      const { port: actual } = server.address() as AddressInfo;
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${actual}`);
    });
  });

/**
 * Requests that are being answered are; their connections are kept for no others, or they would hold up the
 * end.
 */
const stopListening = async (server: Server, clock: Clock): Promise<void> => {
  const closed = new AbortController();
  server.keepAliveTimeout = 1;
  server.close(() => closed.abort());
  server.closeIdleConnections();
  await clock.sleep(ANSWER_MS, closed.signal);
  server.closeAllConnections();
};

const authentication = (
  environment: Environment,
  secret: (name: string) => Buffer,
  clock: Clock,
): Authentication => {
  const {
    AUTH,
    JWKS_URL: jwksUrl,
    JWT_ISSUER: issuer,
    JWT_AUDIENCE: audience,
    JWT_ROLE_CLAIM: roleClaim,
  } = environment;
  if (AUTH === 'jwks' && jwksUrl && issuer && audience)
    return jwksAuthentication({ jwksUrl, issuer, audience, roleClaim, clock });
  return devAuthentication({ secret: secret('dev-auth'), clock });
};

type Parts = Readonly<{
  environment: Environment;
  system: System;
  stores: Stores;
  executor: Executor;
  eventLog: EventLog;
  following: Following;
  pacer: Pacer;
  distance(after: Position | undefined, to: Position): number;
}>;
/** What runs beside the API; filled as it starts. */
type Following = Readonly<{ consumers: Map<string, RunningConsumer>; projections: RunningProjection[] }>;

const startApi = async ({
  environment,
  system,
  stores,
  executor,
  eventLog,
  following,
  pacer,
  distance,
}: Parts) => {
  const { clock, randomness, log } = system;
  const { store, books, reads, vault, folder } = stores;
  const prices = await followPrices(store, executor, log);
  const {
    CURRENCY: currency,
    TAX_RATE: taxRate,
    SHIPPING_FLAT_MINOR: shippingFlatMinor,
    SHIPPING_FREE_FROM_MINOR: shippingFreeFromMinor,
  } = environment;
  const checkout = createCheckout({
    store,
    executor,
    vault,
    prices,
    clock,
    currency,
    expiryMs: environment.ORDER_EXPIRY_MS,
    rules: { taxRate, shippingFlatMinor, shippingFreeFromMinor },
  });
  const { WAREHOUSE_SECRET, PAYMENT_WEBHOOK_SECRET } = environment;
  const timeZone = environment.SHOP_TIMEZONE;
  const orders = viewReader<OrderStatusRow>(reads, orderStatus, clock);
  const live = createLive({
    reads,
    orderStatus: orders,
    clock,
    streams: environment.LIVE_STREAMS,
    streamsPerClient: environment.LIVE_STREAMS_PER_CLIENT,
  });
  const views = createViewBuilds({
    store,
    reads,
    clock,
    distance,
    pacer,
    log,
    projections: projectionsOf(timeZone),
    running: following.projections,
    record: recordOperation(executor, clock),
    newId: randomness.uuid,
  });
  let stopping = false;
  const app = createApi({
    store,
    executor,
    vault,
    clock,
    randomness,
    log,
    checkout,
    prices,
    currency,
    live,
    timeZone,
    orderStatus: orders,
    catalogue: viewReader(reads, catalogue, clock),
    stockLevels: viewReader(reads, stockLevels, clock),
    customerOrders: viewReader(reads, customerOrders, clock),
    auditLog: viewReader(reads, auditLog, clock),
    sales: viewReader(reads, sales({ timeZone }), clock),
    operationsView: viewReader(reads, operationsView({ timeZone }), clock),
    auth: authentication(environment, folder.secret, clock),
    webhooks: {
      ...(WAREHOUSE_SECRET === undefined ? {} : { warehouseSecret: WAREHOUSE_SECRET }),
      ...(PAYMENT_WEBHOOK_SECRET === undefined ? {} : { paymentSecret: PAYMENT_WEBHOOK_SECRET }),
    },
    operations: createOperations({
      books,
      eventLog,
      clock,
      running: following.consumers,
      views,
      audit: auditTrail(executor),
    }),
    async ready() {
      if (stopping) return { ok: false, why: 'The server is stopping.' };
      try {
        await store.tail();
        return { ok: true };
      } catch {
        return { ok: false, why: 'The event store cannot be reached.' };
      }
    },
  });
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: HEADERS_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => {
      if (stopping) response.setHeader('Connection', 'close');
      app(request, response);
    },
  );
  try {
    const url = await listen(server, environment.HOST, environment.PORT);
    return {
      url,
      async close() {
        await views.close();
        await prices.close();
      },
      stopListening() {
        stopping = true;
        live.close();
        return stopListening(server, clock);
      },
    };
  } catch (error) {
    await prices.close();
    throw error;
  }
};

/** Starts the views and consumers that this process has, and answers how to end them. */
const startFollowing = async ({
  environment,
  system,
  stores,
  executor,
  eventLog,
  following,
  pacer,
  distance,
  has,
}: Parts & Readonly<{ has(role: string): boolean }>) => {
  const { clock, randomness, log } = system;
  const { store, books, reads, vault, folder } = stores;
  const outside = openOutside(environment, folder, system);
  if (has('project'))
    for (const projection of projectionsOf(environment.SHOP_TIMEZONE))
      following.projections.push(runProjection({ store, reads, clock, log, pacer, distance }, projection));
  const wanted = (name: string): boolean => has('consume') || has(`consume:${name}`);
  const consumption = await startConsumers(
    { executor, books, eventLog, clock, randomness, log, vault, ...outside },
    following.consumers,
    wanted,
  );
  if (following.consumers.has('warehouse')) {
    outside.warehouse.setReport(async (news) => {
      const recorded = await recordWarehouseNews({ executor, clock }, news);
      if (!recorded.ok)
        log.error(
          { orderId: news.orderId, newsId: news.newsId, code: recorded.reason.code },
          'an order refused what the warehouse reported',
        );
    });
    outside.warehouse.start();
  }
  return async (): Promise<void> => {
    await outside.warehouse.stop();
    await consumption.close();
    await Promise.all(following.projections.map((projection) => projection.close()));
    await outside.close();
  };
};

/** Starts everything, the API first, or rejects with nothing left running. */
export const startServer = async (environment: Environment, system: System): Promise<RunningServer> => {
  const { clock, log } = system;
  const { ROLES } = environment;
  const has = (role: string): boolean => ROLES.includes('all') || ROLES.includes(role);
  const stores = await openStores(environment, { lock: true });
  // First no more requests come in, then the rest ends in reverse, the stores last.
  const first: (() => Promise<void>)[] = [];
  const ends: (() => Promise<void>)[] = [stores.close];
  const close = async (): Promise<void> => {
    for (const end of first.splice(0)) await end();
    for (let end = ends.pop(); end; end = ends.pop()) await end();
  };
  try {
    const { store, books, folder } = stores;
    const executor = createExecutor({ store, books, clock, log });
    const seeded =
      environment.SEED === 'demo' && (await store.tail()) === undefined
        ? await seedDemo(executor, environment.CURRENCY)
        : 0;
    const distance = decimalDistance(1);
    const eventLog = storeLog({ store, books, clock, log, distance });
    const pacer = createPacer(clock, environment.REBUILD_SHARE);

    // Requests are served before the followers start: with a long history to catch up with they keep the
    // process busy.
    const following: Following = { consumers: new Map(), projections: [] };
    let url: string | undefined;
    if (has('api')) {
      const api = await startApi({
        environment,
        system,
        stores,
        executor,
        eventLog,
        following,
        pacer,
        distance,
      });
      ends.push(api.close);
      url = api.url;
      first.push(api.stopListening);
    }
    ends.push(
      await startFollowing({
        environment,
        system,
        stores,
        executor,
        eventLog,
        following,
        pacer,
        distance,
        has,
      }),
    );
    return { url, dataFolder: folder.path, seeded, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Makes a shop of its parts: the server, the scripts, the tests and the benchmark assemble the same one. */
import { hostname } from 'node:os';
import { createApi, type ApiDeps } from '../api/index.ts';
import { consumers } from '../consumers/index.ts';
import type { Projection } from '../ports/projection.ts';
import { auditLog } from '../projections/audit-log.ts';
import { catalogue } from '../projections/catalogue.ts';
import { customerOrders } from '../projections/customer-orders.ts';
import { projectionsOf } from '../projections/index.ts';
import { operations as operationsView } from '../projections/operations.ts';
import { orderStatus, type OrderStatusRow } from '../projections/order-status.ts';
import { sales } from '../projections/sales.ts';
import { stockLevels } from '../projections/stock-levels.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import { createExecutor, type Executor, type ExecutorOptions } from '../runtime/command/execute.ts';
import { consume, type RunningConsumer } from '../runtime/deliver/consume.ts';
import { runForward, type RunningForward } from '../runtime/feed/forward.ts';
import { goingOn, storeFeed } from '../runtime/feed/store-feed.ts';
import { createLeased } from '../runtime/lease.ts';
import { createPresences } from '../runtime/presence.ts';
import { createViewChanges } from '../runtime/view/changes.ts';
import { runBuilder } from '../runtime/view/builder.ts';
import { createPacer } from '../runtime/view/pacer.ts';
import { runProjection, type RunningProjection } from '../runtime/view/project.ts';
import { readableSoon, viewReader, type ViewReader } from '../runtime/view/read.ts';
import type { BuildDeps } from '../runtime/view/rebuild.ts';
import { createCheckout } from '../shop/checkout.ts';
import { createConsumerOperations } from '../shop/consumer-operations.ts';
import type { ConsumerDeps } from '../shop/consumer-deps.ts';
import { misfits } from '../shop/fit.ts';
import { handedTo } from '../shop/handed.ts';
import { createLive } from '../shop/live.ts';
import { auditTrail, recordOperation, type RecordOperation } from '../shop/operations-log.ts';
import { createOperations } from '../shop/operations.ts';
import { createParked, type Parked } from '../shop/parked.ts';
import { followPrices } from '../shop/prices.ts';
import { createReplays, type Replays } from '../shop/replays.ts';
import { createSeats } from '../shop/seats.ts';
import { auditBuilds, createViewBuilds, type ViewBuilds } from '../shop/view-builds.ts';
import { authentication } from './authentication.ts';
import type { Environment } from './environment.ts';
import type { Parts } from './parts.ts';

/** `app` takes requests of an HTTP server; `deps`: what its routes are handed. */
export type OpenApi = Readonly<{
  app: ReturnType<typeof createApi>;
  deps: ApiDeps;
  /** From now on it is not ready, and live streams end. */
  stopServing(): void;
  close(): Promise<void>;
}>;

/** Nothing runs until it is asked for. Whatever was started is to be closed before the parts are. */
export type Shop = Readonly<{
  executor: Executor;
  feed: EventFeed;
  projections: readonly Projection<never>[];
  builds: BuildDeps;
  record: RecordOperation;
  parked: Parked;
  replays: Replays;
  /** Consumers and views that run in this process. */
  consumers: ReadonlyMap<string, RunningConsumer>;
  views: readonly RunningProjection[];
  read<D>(projection: Pick<Projection<D>, 'name' | 'version' | 'setting'>): ViewReader<D>;
  /** A sentence for each consumer and view whose place is not one in this event store. */
  misfits(): Promise<readonly string[]>;
  /** What the consumer called `name` is handed. */
  handedTo(name: string): ConsumerDeps;
  /** `change`: deps of the routes to replace. */
  openApi(change?: (deps: ApiDeps) => ApiDeps): Promise<OpenApi>;
  viewBuilds: ViewBuilds;
  /** Starts to carry out what is asked about builds of these views. `share`: of this process's time. Answers how to stop. */
  buildViews(projections: readonly Projection<never>[], share?: number): () => Promise<void>;
  /** Starts to follow with every view, and to carry out what is asked about their builds. Answers how to stop. */
  followViews(): () => Promise<void>;
  /** Resolves when every view can be read, at the latest after `waitMs`. */
  viewsReadable(waitMs: number): Promise<void>;
  /** Starts to fill the log, where the store is not its own. Answers how to stop. */
  startForward(): () => Promise<void>;
  /** Starts to tell other processes what runs in this one. Answers how to stop. */
  announce(): () => Promise<void>;
  /** Starts the consumers for which `wanted` says so. Answers how to stop. */
  startConsumers(wanted: (name: string) => boolean): Promise<() => Promise<void>>;
}>;

/** Requests that wait for a view at once. */
const WAITS = 2_000;

/** `tuning`: of the executor, where not its defaults. */
export const assemble = (
  parts: Parts,
  environment: Environment,
  tuning: Partial<Pick<ExecutorOptions, 'cacheWeight'>> = {},
): Shop => {
  const {
    store,
    eventLog,
    checkpoints,
    blockedLanes,
    schedule,
    snapshots,
    controls,
    leases,
    reads,
    vault,
    distance,
    system,
  } = parts;
  const { clock, randomness, log } = system;
  const { CURRENCY: currency, SHOP_TIMEZONE: timeZone } = environment;
  const executor = createExecutor({ store, snapshots, clock, log, ...tuning });
  const leased = createLeased({
    leases,
    holder: randomness.uuid(),
    ttlMs: environment.LEASE_MS,
    clock,
    log,
  });
  const onStore = storeFeed({ store, checkpoints, leased, clock, log, distance });
  const feed = eventLog ? goingOn(eventLog.feed, { store, checkpoints }) : onStore;
  const projections = projectionsOf(timeZone);
  const builds: BuildDeps = { store, reads, clock, distance };
  const changes = createViewChanges({ reads, log });
  const pacer = createPacer(clock, environment.REBUILD_SHARE);
  const record = recordOperation(executor, clock);
  const audit = auditTrail(executor);
  const running = new Map<string, RunningConsumer>();
  const views: RunningProjection[] = [];
  const forwarding: (Readonly<{ category: string }> & RunningForward)[] = [];
  const presences = createPresences(
    { controls, clock, log, newId: randomness.uuid },
    { roles: environment.ROLES, host: hostname(), pid: process.pid },
    () => ({
      consumers: [...running.values()].map((one) => one.status()),
      views: views.map((one) => one.status()),
      forward: forwarding.map(({ category, status }) => ({ category, ...status() })),
    }),
  );
  const viewBuilds = createViewBuilds({
    ...builds,
    controls,
    projections,
    present: presences.all,
    record,
    newId: randomness.uuid,
  });
  const buildViews: Shop['buildViews'] = (wanted, share) =>
    runBuilder(
      {
        ...builds,
        controls,
        leased,
        pacer: share === undefined ? pacer : createPacer(clock, share),
        log,
        audit: auditBuilds(record),
      },
      wanted,
    ).close;
  const parkedDeps = { blockedLanes, controls, clock, newId: randomness.uuid };
  const parked = createParked(parkedDeps);
  const replays = createReplays({ ...parkedDeps, store, feed, record, consumers });
  const read: Shop['read'] = (projection) => viewReader({ reads, changes, clock }, projection);
  const handed = (name: string): ConsumerDeps =>
    handedTo(name, { executor, schedule, vault, clock, log, outside: parts.outside() });

  const openApi: Shop['openApi'] = async (change = (deps) => deps) => {
    const prices = followPrices({ store, clock, log }, executor);
    const rules = {
      taxRate: environment.TAX_RATE,
      shippingFlatMinor: environment.SHIPPING_FLAT_MINOR,
      shippingFreeFromMinor: environment.SHIPPING_FREE_FROM_MINOR,
    };
    const orders = read<OrderStatusRow>(orderStatus);
    const live = createLive({
      changes,
      orderStatus: orders,
      clock,
      streams: environment.LIVE_STREAMS,
      streamsPerClient: environment.LIVE_STREAMS_PER_CLIENT,
    });
    const { WAREHOUSE_SECRET: warehouseSecret, PAYMENT_WEBHOOK_SECRET: paymentSecret } = environment;
    let stopping = false;
    const deps = change({
      store,
      executor,
      vault,
      clock,
      randomness,
      log,
      checkout: createCheckout({
        store,
        executor,
        vault,
        prices,
        clock,
        currency,
        rules,
        expiryMs: environment.ORDER_EXPIRY_MS,
      }),
      prices,
      currency,
      live,
      waits: createSeats(WAITS),
      timeZone,
      orderStatus: orders,
      catalogue: read(catalogue),
      stockLevels: read(stockLevels),
      customerOrders: read(customerOrders),
      auditLog: read(auditLog),
      sales: read(sales({ timeZone })),
      operationsView: read(operationsView({ timeZone })),
      auth: authentication(environment, parts),
      webhooks: {
        ...(warehouseSecret === undefined ? {} : { warehouseSecret }),
        ...(paymentSecret === undefined ? {} : { paymentSecret }),
      },
      operations: createOperations({
        present: presences.all,
        forwarded: eventLog?.categories ?? [],
        onStore,
        consumers: createConsumerOperations({
          ...parkedDeps,
          consumers,
          feed,
          present: presences.all,
          record,
        }),
        views: viewBuilds,
        parked,
        replays,
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
    return {
      app: createApi(deps),
      deps,
      stopServing() {
        stopping = true;
        live.close();
      },
      async close() {
        live.close();
        await prices.close();
      },
    };
  };

  return {
    executor,
    feed,
    projections,
    builds,
    record,
    parked,
    replays,
    viewBuilds,
    buildViews,
    consumers: running,
    views,
    read,
    misfits: () =>
      misfits({
        store,
        feed,
        reads,
        consumers: consumers.map(({ name }) => name),
        views: projections.map(({ name }) => name),
      }),
    handedTo: handed,
    openApi,
    followViews() {
      const started = projections.map((projection) =>
        runProjection({ ...builds, log, pacer, leased }, projection),
      );
      views.push(...started);
      const stopBuilding = buildViews(projections);
      return async () => {
        await stopBuilding();
        await Promise.all(started.map((view) => view.close()));
        for (const view of started) views.splice(views.indexOf(view), 1);
      };
    },
    startForward() {
      if (!eventLog) return async () => undefined;
      const { categories, publisher } = eventLog;
      const started = categories.map((category) => ({
        category,
        ...runForward({ store, publisher, checkpoints, leased, clock, log, category }),
      }));
      forwarding.push(...started);
      return async () => {
        await Promise.all(started.map((one) => one.close()));
      };
    },
    announce: presences.announce,
    viewsReadable: (waitMs) => readableSoon({ reads, clock }, projections, waitMs),
    async startConsumers(wanted) {
      const started = consumers.filter(({ name }) => wanted(name));
      const stop = async (): Promise<void> => {
        await Promise.all(started.map(async ({ name }) => running.get(name)?.close()));
      };
      try {
        for (const { make, ...declared } of started) {
          const { name } = declared;
          const consumer = { ...declared, ...make(handed(name)) };
          running.set(
            name,
            await consume({
              consumer,
              feed,
              store,
              blockedLanes,
              schedule,
              controls,
              leased,
              clock,
              randomness,
              log,
              audit,
            }),
          );
        }
      } catch (error) {
        await stop();
        throw error;
      }
      return stop;
    },
  };
};

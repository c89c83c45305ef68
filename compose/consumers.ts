/** Starts consumers, each with commands that carry its name. */
import { consumers } from '../consumers/index.ts';
import { deadlineOf } from '../consumers/deadlines/index.ts';
import type { Actor, Refusal } from '../domain/kernel.ts';
import { orderStream } from '../domain/order/events.ts';
import { stockStream } from '../domain/stock/stock.ts';
import type { Bookkeeping } from '../ports/bookkeeping.ts';
import type { Cause, Consumer, ConsumerDeps, Orders, Stocks } from '../ports/consumer.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Clock, Log, Randomness } from '../ports/system.ts';
import { operationsStream, type OperationsEvent } from '../domain/operations/operations.ts';
import { operationsLog, orders, stocks } from '../runtime/aggregates.ts';
import type { ParkingEntry } from '../runtime/blocked-streams.ts';
import { consume, type RunningConsumer } from '../runtime/consume.ts';
import type { Context, Executor } from '../runtime/execute.ts';
import { outsidePolicy } from '../runtime/failure-policy.ts';
import { derivedUuid } from '../runtime/identity.ts';
import { runSchedule, type RunningSchedule } from '../runtime/schedule.ts';

const EXPIRY = 'order-expiry';

/** A fact that the order says cannot be: trying again would not make it true. */
class Refused extends Error {
  override readonly name = 'Refused';
  constructor(stream: string, type: string, { code, sentence }: Refusal) {
    super(`${stream} refused ${type}: ${sentence} (${code})`);
  }
}

const contextOf = (consumer: string, { event, step }: Cause): Context => ({
  commandId: derivedUuid('consumer', consumer, event.id, step),
  actor: { id: consumer, role: 'system' },
  causationId: event.id,
  correlationId: event.meta.correlationId,
  ...(event.meta.traceparent === undefined ? {} : { traceparent: event.meta.traceparent }),
});

/** Orders as the consumer called `name` commands them. */
export const ordersFor = (executor: Executor, name: () => string): Orders => ({
  load: async (orderId) => (await executor.load(orders, orderStream(orderId))).state,
  async command(orderId, command, cause) {
    const done = await executor.execute(orders, orderStream(orderId), command, contextOf(name(), cause));
    if (!done.ok) throw new Refused(orderStream(orderId), command.type, done.reason);
    return done.state;
  },
});

export const stocksFor = (executor: Executor, name: () => string): Stocks => ({
  async command(sku, command, cause) {
    const done = await executor.execute(stocks, stockStream(sku), command, contextOf(name(), cause));
    return { state: done.state, events: done.ok ? done.events : [] };
  },
});

/** Runs `work` on all items, `limit` at once; waits for all and then rejects with the first error. */
export const inParallel: ConsumerDeps['inParallel'] = async (items, limit, work) => {
  const results: Awaited<ReturnType<typeof work>>[] = [];
  const errors: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && errors.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index] as (typeof items)[number]);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (errors.length > 0) throw errors[0];
  return results;
};

/**
 * Writes what an operator did into the month's operations stream; the same `commandId` again has no effect.
 */
export const recordOperation =
  (executor: Executor, clock: Clock) =>
  async (event: OperationsEvent, actor: Actor, commandId: string): Promise<void> => {
    await executor.execute(operationsLog, operationsStream(clock.now().toISOString()), event, {
      commandId,
      actor,
    });
  };

/** Writes what was parked, retried or discarded into the month's operations stream. */
export const auditTrail =
  (executor: Executor) =>
  async ({
    type,
    id,
    at,
    actor,
    why,
    consumer,
    stream,
    eventId,
    eventType,
    revision,
    attempts,
  }: ParkingEntry): Promise<void> => {
    const data = { parkedId: id, consumer, stream, eventId, eventType, revision, attempts, why };
    await executor.execute(
      operationsLog,
      operationsStream(at),
      { type, data },
      { commandId: derivedUuid('parking', type, id, eventId, at), actor, causationId: eventId },
    );
  };

export type Consumption = Readonly<{ close(): Promise<void> }>;

export type ConsumptionDeps = Readonly<{
  executor: Executor;
  books: Bookkeeping;
  eventLog: EventLog;
  clock: Clock;
  randomness: Randomness;
  log: Log;
}> &
  Omit<ConsumerDeps, 'orders' | 'stocks' | 'deadlines' | 'onFailure' | 'inParallel'>;

const expiry = ({ executor, books, clock, log }: ConsumptionDeps): RunningSchedule =>
  runSchedule({
    books,
    clock,
    logger: log,
    name: EXPIRY,
    batch: 256,
    async onDue(orderId) {
      const stream = orderStream(orderId);
      const done = await executor.execute(
        orders,
        stream,
        { type: 'ExpireOrder', data: {} },
        {
          commandId: derivedUuid('expire', orderId),
          actor: { id: 'deadlines', role: 'system' },
          correlationId: orderId,
        },
      );
      const dueAt = deadlineOf(done.state);
      await (dueAt === undefined
        ? books.unschedule(EXPIRY, orderId)
        : books.schedule(EXPIRY, orderId, dueAt));
    },
  });

/**
 * Starts the consumers for which `wanted` says so, and with deadlines what expires orders; each stands in
 * `running` once it runs.
 */
export const startConsumers = async (
  deps: ConsumptionDeps,
  running: Map<string, RunningConsumer>,
  wanted: (name: string) => boolean,
): Promise<Consumption> => {
  const { executor, books, eventLog, clock, randomness, log, ...handed } = deps;
  const schedules: RunningSchedule[] = [];
  for (const make of consumers) {
    const name = (): string => consumer.name;
    const consumer: Consumer = make({
      ...handed,
      inParallel,
      onFailure: outsidePolicy,
      orders: ordersFor(executor, name),
      stocks: stocksFor(executor, name),
      deadlines: {
        set: (key, dueAt) => books.schedule(EXPIRY, key, dueAt),
        clear: (key) => books.unschedule(EXPIRY, key),
      },
    });
    if (!wanted(consumer.name)) continue;
    running.set(
      consumer.name,
      await consume({
        consumer,
        log: eventLog,
        books,
        clock,
        randomness,
        logger: log,
        audit: auditTrail(executor),
      }),
    );
    if (consumer.name === 'deadlines') schedules.push(expiry(deps));
  }
  return {
    async close() {
      await Promise.all([...running.values()].map((consumer) => consumer.close()));
      await Promise.all(schedules.map((schedule) => schedule.close()));
    },
  };
};

/** Makes what this shop hands a consumer: every command carries the consumer's name and its cause. */
import type { Message, Refusal } from '../domain/kernel.ts';
import { orderStream } from '../domain/order/events.ts';
import { orders } from '../domain/order/order.ts';
import { stockStream, stocks } from '../domain/stock/stock.ts';
import type { Schedule } from '../ports/schedule.ts';
import type { Clock, Log } from '../ports/system.ts';
import type { Vault } from '../ports/vault.ts';
import type { Context, Executed, Executor } from '../runtime/command/execute.ts';
import { derivedUuid } from '../runtime/command/identity.ts';
import { outsidePolicy } from '../runtime/retry.ts';
import { Refused, type Answer, type Cause, type ConsumerDeps } from './consumer-deps.ts';
import { recordWarehouseNews } from './news.ts';

/** The outside world that consumers act on. */
export type Outside = Pick<ConsumerDeps, 'gateway' | 'warehouse' | 'mailer' | 'sink'>;
export type HandedDeps = Readonly<{
  executor: Executor;
  schedule: Schedule;
  vault: Vault;
  clock: Clock;
  log: Log;
  outside: Outside;
}>;

/** Ids of commands are storage: a repeat of one that has shipped must be found under the id that it had then. */
const contextOf = (consumer: string, orderId: string, cause: Cause): Context => {
  const actor = { id: consumer, role: 'system' } as const;
  if ('due' in cause) return { commandId: derivedUuid(cause.step, cause.due), actor, correlationId: orderId };
  const { event, step } = cause;
  return {
    commandId: derivedUuid('consumer', consumer, event.id, step),
    actor,
    causationId: event.id,
    correlationId: event.meta.correlationId,
    ...(event.meta.traceparent === undefined ? {} : { traceparent: event.meta.traceparent }),
  };
};

const answer = <S, E extends Message>(
  stream: string,
  command: string,
  done: Executed<E, S, Refusal>,
): Answer<S, E> =>
  done.ok
    ? { ok: true, state: done.state, events: done.events }
    : { ok: false, state: done.state, refused: new Refused(stream, command, done.reason) };

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

/** What the consumer called `name` is handed. */
export const handedTo = (
  name: string,
  { executor, schedule, vault, clock, log, outside }: HandedDeps,
): ConsumerDeps => ({
  ...outside,
  vault,
  inParallel,
  onFailure: outsidePolicy,
  orders: {
    load: async (orderId) => (await executor.load(orders, orderStream(orderId))).state,
    async command(orderId, command, cause) {
      const stream = orderStream(orderId);
      const done = await executor.execute(orders, stream, command, contextOf(name, orderId, cause));
      return answer(stream, command.type, done);
    },
  },
  stocks: {
    async command(sku, command, cause) {
      const stream = stockStream(sku);
      const done = await executor.execute(stocks, stream, command, contextOf(name, stream, cause));
      return answer(stream, command.type, done);
    },
  },
  deadlines: (own) => ({
    set: (key, dueAt) => schedule.set(own, key, dueAt),
    clear: (key) => schedule.clear(own, key),
  }),
  async recordWarehouseNews(news) {
    const recorded = await recordWarehouseNews({ executor, clock }, news);
    if (recorded.ok) return;
    const { orderId, newsId } = news;
    log.error(
      { orderId, newsId, code: recorded.reason.code },
      'an order refused what the warehouse reported',
    );
  },
});

/** An executor on a store that counts, loses races and breaks on demand; all in memory. */
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import { stockStream, stocks, type StockCommand } from '../../domain/stock/stock.ts';
import { StoreUnavailable, type EventStore } from '../../ports/event-store.ts';
import { createExecutor, type Context, type ExecutorOptions } from '../../runtime/command/execute.ts';
import { fakeClock } from '../fake-clock.ts';

export const actor: Actor = { id: 'test', role: 'system' };
export const START = '2030-01-01T00:00:00.000Z';
export const STREAM = stockStream('MUG');
export const receive = (quantity = 1): StockCommand => ({ type: 'ReceiveGoods', data: { quantity } });
export const as = (commandId: string, more: Partial<Context> = {}): Context => ({
  commandId,
  actor,
  ...more,
});

type Fault = 'before' | 'after' | undefined;
/** A store that counts, loses races and breaks on demand; all in memory. */
export const world = (options: Partial<ExecutorOptions> = {}) => {
  const store = memoryEventStore();
  const { snapshots } = memoryBookkeeping(store.id);
  const clock = fakeClock(START);
  const counts = { appends: 0, reads: 0, events: 0 };
  let fault: Fault;
  let race: (() => Promise<unknown>) | undefined;
  const watched: EventStore = {
    ...store,
    async append(stream, expected, events) {
      counts.appends++;
      if (fault === 'before') throw new StoreUnavailable('broken');
      await race?.();
      const answer = await store.append(stream, expected, events);
      if (fault === 'after') throw new StoreUnavailable('the answer was lost');
      return answer;
    },
    async *readStream(stream, range) {
      counts.reads++;
      for await (const event of store.readStream(stream, range)) {
        counts.events++;
        yield event;
      }
    },
  };
  const executor = createExecutor({ store: watched, snapshots, clock, ...options });
  return {
    store,
    snapshots,
    clock,
    counts,
    executor,
    watched,
    breaks: (how: Fault) => void (fault = how),
    /** `work` runs just before each append: another process that is faster. */
    races: (work: (() => Promise<unknown>) | undefined) => void (race = work),
    give: (commandId: string, command: StockCommand = receive(), more: Partial<Context> = {}) =>
      executor.execute(stocks, STREAM, command, as(commandId, more)),
    async stored(stream = STREAM): Promise<EventEnvelope[]> {
      const events: EventEnvelope[] = [];
      for await (const event of store.readStream(stream)) events.push(event);
      return events;
    },
  };
};

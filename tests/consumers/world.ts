/**
 * What one consumer's `handle` is tried in: real orders and stock on memory adapters, an outside that a test
 * steers.
 */
import * as assert from 'uvu/assert';
import type { Consumer } from '../../ports/consumer.ts';
import type { ConsumerDeps, ShopConsumer } from '../../shop/consumer-deps.ts';
import { memoryShop } from '../memory-shop.ts';
import { categoryOf, type EventEnvelope } from '../../domain/kernel.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import { orderStream, type OrderEventType } from '../../domain/order/events.ts';
import type { OrderState } from '../../domain/order/state.ts';
import { stockStream, stocks, type StockCommand, type StockState } from '../../domain/stock/stock.ts';
import type { OrderFact } from '../../ports/outside/analytics-sink.ts';
import type { Mail } from '../../ports/outside/mailer.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import { orders } from '../../domain/order/order.ts';
import { type Context } from '../../runtime/command/execute.ts';
import { ORDER_ID, placing } from '../domain/scenario.ts';
import { fakeClock, type FakeClock } from '../fake-clock.ts';
import { fakeGateway, type FakeGateway } from './fake-gateway.ts';
import { fakeWarehouse, type FakeWarehouse } from './fake-warehouse.ts';

export const NOW = '2030-01-01T00:00:00.000Z';
export const CONTACT = { name: 'Ada Lovelace', email: 'ada@example.org' };
export const ADDRESS = {
  name: 'Ada Lovelace',
  line1: "12 St James's Square",
  city: 'London',
  postcode: 'SW1Y 4JH',
  country: 'GB',
};
export const unknown = (): OutsideError =>
  new OutsideError('the connection broke', { retriable: true, outcome: 'unknown' });

export type World = Readonly<{
  clock: FakeClock;
  gateway: FakeGateway;
  warehouse: FakeWarehouse;
  mails: Mail[];
  facts: OrderFact[];
  /** What is due of the consumer's own schedule, by key. */
  deadlines(): Promise<readonly (readonly [key: string, dueAt: string])[]>;
  deps: ConsumerDeps;
  /** Thrown by the next command of the consumer on an order: what it did outside is not on record then. */
  breakNextCommand(error: Error): void;
  place(change?: Parameters<typeof placing>[0]): Promise<void>;
  command(command: OrderCommand, context?: Partial<Context>): Promise<OrderState>;
  stockCommand(sku: string, command: StockCommand): Promise<StockState>;
  stock(sku: string): Promise<StockState>;
  state(): Promise<OrderState>;
  types(): Promise<readonly string[]>;
  /** The last stored event of `type` of the order, or of another stream. */
  last(type: OrderEventType | string, stream?: string): Promise<EventEnvelope>;
  /** Reserved and authorized. */
  confirm(): Promise<void>;
}>;

let commands = 0;

/** `over`: what it is handed in place of the shop's own. */
export const worldOf = (
  { make, ...declared }: ShopConsumer,
  over: (deps: ConsumerDeps) => Partial<ConsumerDeps> = () => ({}),
): World & Readonly<{ consumer: Consumer; handle(event: EventEnvelope): Promise<void> }> => {
  const clock = fakeClock(NOW);
  const [gateway, warehouse] = [fakeGateway(), fakeWarehouse()];
  const [mails, facts] = [[] as Mail[], [] as OrderFact[]];
  const { parts, shop } = memoryShop(
    { clock },
    {
      outside: () => ({
        gateway,
        warehouse,
        mailer: { send: async (mail) => void mails.push(mail) },
        sink: { write: async (fact) => void facts.push(fact), close: async () => undefined },
        close: async () => undefined,
      }),
    },
  );
  const { store, schedule, vault } = parts;
  const { executor } = shop;
  const stream = orderStream(ORDER_ID);
  let breaks: Error | undefined;

  const handed = shop.handedTo(declared.name);
  const deps: ConsumerDeps = {
    ...handed,
    orders: {
      load: handed.orders.load,
      async command(...args) {
        const error = breaks;
        breaks = undefined;
        if (error) throw error;
        return handed.orders.command(...args);
      },
    },
    ...over(handed),
  };
  const context = (): Context => ({ commandId: `test-${++commands}`, actor: { id: 'test', role: 'system' } });
  const command: World['command'] = async (asked, more = {}) => {
    const done = await executor.execute(orders, stream, asked, { ...context(), ...more });
    if (!done.ok) throw new Error(`${asked.type} was refused: ${done.reason.sentence}`);
    return done.state;
  };
  const state = async (): Promise<OrderState> => (await executor.load(orders, stream)).state;
  const events = async (of: string): Promise<EventEnvelope[]> => {
    const all: EventEnvelope[] = [];
    for await (const event of store.readStream(of)) all.push(event);
    return all;
  };
  const consumer: Consumer = { ...declared, ...make(deps) };

  return {
    clock,
    gateway,
    warehouse,
    mails,
    facts,
    async deadlines() {
      const due = await schedule.due(consumer.schedules?.[0]?.name ?? '', '9999', 100);
      return due.map(({ key, dueAt }) => [key, dueAt] as const);
    },
    deps,
    consumer,
    command,
    state,
    handle(event) {
      assert.ok(
        consumer.handles.categories.includes(categoryOf(event.stream)) &&
          consumer.handles.types.includes(event.type),
        `${consumer.name} does not listen to ${event.type}`,
      );
      return consumer.handle(event, new AbortController().signal);
    },
    breakNextCommand: (error) => void (breaks = error),
    async place(change = {}) {
      const [contact, shippingAddress] = await Promise.all([
        vault.seal('c-1', CONTACT),
        vault.seal('c-1', ADDRESS),
      ]);
      await command(
        { type: 'PlaceOrder', data: placing({ contact, shippingAddress, ...change }) },
        { commandId: ORDER_ID },
      );
    },
    async stockCommand(sku, asked) {
      const done = await executor.execute(stocks, stockStream(sku), asked, context());
      if (!done.ok) throw new Error(`${asked.type} was refused: ${done.reason.sentence}`);
      return done.state;
    },
    stock: async (sku) => (await executor.load(stocks, stockStream(sku))).state,
    types: async () => (await events(stream)).map(({ type }) => type),
    async last(type, of = stream) {
      const found = (await events(of)).findLast((event) => event.type === type);
      if (!found) throw new Error(`no ${type} in ${of}`);
      return found;
    },
    async confirm() {
      const { lines, totals } = await state();
      await command({
        type: 'RecordStock',
        data: {
          lines: lines.map(({ lineId, ordered }) => ({
            lineId,
            reserved: ordered,
            backordered: 0,
            short: 0,
          })),
        },
      });
      await command({
        type: 'RecordAuthorization',
        data: { attempt: 1, authorizationId: 'auth-1', amountMinor: totals.totalMinor },
      });
    },
  };
};

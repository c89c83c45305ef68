/** What this shop hands its consumers: orders and stock to command, the outside to act on, deadlines to set. */
import type { EventEnvelope, Refusal } from '../domain/kernel.ts';
import type { OrderCommand } from '../domain/order/commands.ts';
import type { OrderEvent } from '../domain/order/events.ts';
import type { OrderState } from '../domain/order/state.ts';
import type { StockCommand, StockEvent, StockState } from '../domain/stock/stock.ts';
import type { Category, EventType } from '../domain/index.ts';
import type { Consumer, ConsumerBehaviour, ConsumerDeclaration } from '../ports/consumer.ts';
import type { AnalyticsSink } from '../ports/outside/analytics-sink.ts';
import type { Mailer } from '../ports/outside/mailer.ts';
import type { PaymentGateway } from '../ports/outside/payment-gateway.ts';
import type { Warehouse, WarehouseNews } from '../ports/outside/warehouse.ts';
import type { Vault } from '../ports/vault.ts';

/**
 * Why a consumer commands: the event that it handles or the key that fell due, and which of its steps this is.
 * The command's id is derived from both.
 */
export type Cause =
  Readonly<{ event: EventEnvelope; step: string }> | Readonly<{ due: string; step: string }>;

/** A refusal, and the error that it is for a consumer to which it cannot be: not retriable, so its event parks. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: string;
  constructor(stream: string, command: string, { code, sentence }: Refusal) {
    super(`${stream} refused ${command}: ${sentence} (${code})`);
    this.code = code;
  }
}

/** `events`: none when there was nothing to do. A refusal is a value: the consumer says what it means to it. */
export type Answer<S, E> =
  | Readonly<{ ok: true; state: S; events: readonly E[] }>
  | Readonly<{ ok: false; state: S; refused: Refused }>;

/** The state after a command that cannot be refused where it is given; throws Refused if it is. */
export const insist = <S>(answer: Answer<S, unknown>): S => {
  if (!answer.ok) throw answer.refused;
  return answer.state;
};

/** Orders as a consumer sees them. */
export interface Orders {
  load(orderId: string): Promise<OrderState>;
  command(orderId: string, command: OrderCommand, cause: Cause): Promise<Answer<OrderState, OrderEvent>>;
}
export interface Stocks {
  command(sku: string, command: StockCommand, cause: Cause): Promise<Answer<StockState, StockEvent>>;
}
/** Things that fall due in one schedule, by key. */
export interface Deadlines {
  set(key: string, dueAt: string): Promise<void>;
  clear(key: string): Promise<void>;
}

/** What a consumer may be handed; it takes what it needs. `onFailure`: the policy for consumers of the outside. */
export type ConsumerDeps = Readonly<{
  orders: Orders;
  stocks: Stocks;
  gateway: PaymentGateway;
  warehouse: Warehouse;
  mailer: Mailer;
  sink: AnalyticsSink;
  vault: Vault;
  /** The schedule of that name; the consumer that sets deadlines in it declares what is done when they are due. */
  deadlines(schedule: string): Deadlines;
  /** Puts what the warehouse tells on the order's record. */
  recordWarehouseNews(news: WarehouseNews): Promise<void>;
  onFailure: Consumer['onFailure'];
  /** Runs `work` on all items, at most `limit` at once; rejects with the first error after all have ended. */
  inParallel<T, U>(items: readonly T[], limit: number, work: (item: T) => Promise<U>): Promise<U[]>;
}>;

/** A consumer of this shop: what it declares, naming events that exist, and how it is made of what it is handed. */
export type ShopConsumer = Omit<ConsumerDeclaration, 'handles'> &
  Readonly<{
    handles: Readonly<{ categories: readonly Category[]; types: readonly EventType[] }>;
    make(deps: ConsumerDeps): ConsumerBehaviour;
  }>;

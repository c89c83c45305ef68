/**
 * One stream read from its beginning: its chain, its order, its data, and its aggregate's rules after every
 * event.
 */
import {
  categoryOf,
  keyOf,
  upcast,
  type Aggregate,
  type EventEnvelope,
  type EventSchemas,
  type Message,
  type Position,
} from '../../domain/kernel.ts';
import { OPERATIONS_EVENTS, operationsLog } from '../../domain/operations/operations.ts';
import { ORDER_EVENTS, orderStream } from '../../domain/order/events.ts';
import { brokenOrderRules } from '../../domain/order/rules.ts';
import { PRODUCT_EVENTS, products } from '../../domain/product/product.ts';
import { brokenStockRules, STOCK_EVENTS, stocks } from '../../domain/stock/stock.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { orders } from '../../domain/order/order.ts';
import { hashOf, NO_HASH } from '../../runtime/command/chain.ts';

export type Violation = Readonly<{ stream: string; revision: number; sentence: string }>;
/** `events`: read, up to the position that was asked for. */
export type StreamReport = Readonly<{ events: number; violations: readonly Violation[] }>;

/** Folds a stream and says what is wrong: after an event, and at the stream's end. */
type Fold = Readonly<{ after(event: EventEnvelope): readonly string[]; end(): readonly string[] }>;
type Kind = Readonly<{ schemas: EventSchemas; fold(stream: string): Fold }>;

/** The stock's rules look at every reservation, so they are checked this often and at the end. */
const STOCK_RULES_EVERY = 100;

const folding = <C extends Message, E extends Message, S extends Readonly<{ revision: number }>, R>(
  aggregate: Aggregate<C, E, S, R>,
): ((event: EventEnvelope) => S) => {
  let state = aggregate.decider.initial;
  return (event) => (state = aggregate.decider.evolve(state, upcast(aggregate.events, event)));
};

const KINDS: Readonly<Record<string, Kind>> = {
  order: {
    schemas: ORDER_EVENTS,
    fold(stream) {
      const next = folding(orders);
      return {
        after(event) {
          const state = next(event);
          const named =
            event.revision > 0 || orderStream(state.orderId) === stream
              ? []
              : [`the order calls itself ${state.orderId}`];
          return [...named, ...brokenOrderRules(state)];
        },
        end: () => [],
      };
    },
  },
  stock: {
    schemas: STOCK_EVENTS,
    fold() {
      const next = folding(stocks);
      let last: readonly string[] = [];
      let state = stocks.decider.initial;
      let looked = state.revision;
      let command = '';
      return {
        after(event) {
          // Between the events of one decision goods may be free while someone waits: looked at where the
          // next one begins.
          const due = event.meta.commandId !== command && state.revision - looked >= STOCK_RULES_EVERY;
          if (due) {
            last = brokenStockRules(state);
            looked = state.revision;
          }
          command = event.meta.commandId;
          state = next(event);
          return due ? last : [];
        },
        // What was broken at the last look and still is need not be told twice.
        end: () => brokenStockRules(state).filter((sentence) => !last.includes(sentence)),
      };
    },
  },
  product: {
    schemas: PRODUCT_EVENTS,
    fold(stream) {
      const next = folding(products);
      return {
        after(event) {
          const state = next(event);
          return event.revision > 0 || state.sku === keyOf(stream)
            ? []
            : [`the product calls itself ${state.sku || 'nothing'}`];
        },
        end: () => [],
      };
    },
  },
  operations: {
    schemas: OPERATIONS_EVENTS,
    fold() {
      const next = folding(operationsLog);
      return {
        after(event) {
          next(event);
          return [];
        },
        end: () => [],
      };
    },
  },
};

/**
 * Of what version it was stored in; a type or version that is not known has no schema, and its fold says so.
 */
const invalidData = (schemas: Kind['schemas'], event: EventEnvelope): readonly string[] => {
  const known = schemas[event.type];
  const schema = event.schema === known?.version ? known.data : known?.older?.[event.schema];
  const parsed = schema?.safeParse(event.data);
  if (!parsed || parsed.success) return [];
  const [issue] = parsed.error.issues;
  return [
    `the data of ${event.type} is invalid: ${['data', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'unknown'}`,
  ];
};

/**
 * Reads `stream` up to `until` and checks it. A fold that throws ends the folding, not the check of the
 * chain. Streams of categories that are not known have their chain checked alone. At most `limit` violations
 * are collected.
 */
export const checkStream = async (
  store: EventStore,
  stream: string,
  until: Position,
  limit: number,
): Promise<StreamReport> => {
  const violations: Violation[] = [];
  const category = categoryOf(stream);
  const kind = Object.hasOwn(KINDS, category) ? KINDS[category] : undefined;
  let fold = kind?.fold(stream);
  let before: EventEnvelope | undefined;
  let events = 0;
  for await (const event of store.readStream(stream)) {
    if (event.position > until) break;
    const blame = (sentence: string): void => {
      if (violations.length < limit) violations.push({ stream, revision: event.revision, sentence });
    };
    const [revision, hash, at] = before
      ? [before.revision + 1, hashOf(before), before.meta.at]
      : [0, NO_HASH, ''];
    if (event.revision !== revision) blame(`revision ${event.revision} stands where ${revision} should`);
    if (event.meta.previousHash !== hash)
      blame(
        before
          ? `previousHash is not the hash of revision ${before.revision}: one of the two was changed`
          : 'previousHash of the first event is not 64 zeros',
      );
    if (!(event.meta.at >= at))
      blame(`it happened at ${event.meta.at}, before the event in front of it (${at})`);
    if (before && event.position <= before.position) blame('it is stored in front of the event before it');
    try {
      if (kind && fold) {
        const broken = fold.after(event);
        for (const sentence of [...invalidData(kind.schemas, event), ...broken]) blame(sentence);
      }
    } catch (error) {
      if (kind) for (const sentence of invalidData(kind.schemas, event)) blame(sentence);
      blame(`it cannot be folded: ${(error as Error).message}`);
      fold = undefined;
    }
    before = event;
    events += 1;
  }
  if (before && fold)
    for (const sentence of fold.end()) violations.push({ stream, revision: before.revision, sentence });
  return { events, violations };
};

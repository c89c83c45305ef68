/**
 * What operators and the runtime did beside the orders: parking, views rebuilt and switched, consumers set
 * back. One stream a month.
 */
import { z } from 'zod';
import {
  accept,
  upcast,
  type Aggregate,
  type Decider,
  type EventEnvelope,
  type EventSchema,
} from '../kernel.ts';
import { ledTo, NOTHING_REMEMBERED, remember, remembers, sizeOf, type Remembered } from '../remembered.ts';

const Text = z.string().min(1);
const parked = z.strictObject({
  parkedId: Text,
  consumer: Text,
  stream: Text,
  eventId: Text,
  eventType: Text,
  revision: z.int(),
  attempts: z.int().min(0),
  why: z.string(),
});

const Why = z.string().min(1).max(500);

const data = {
  EventParked: parked,
  ParkedEventRetried: parked,
  ParkedEventDiscarded: parked,
  /** A consumer goes on behind `to`; '' is the beginning of history. */
  ConsumerSetBack: z.strictObject({ consumer: Text, to: z.string(), why: Why }),
  /** `events` behind `after` that pass `filter` were handed to the consumer again. */
  EventsReplayed: z.strictObject({
    consumer: Text,
    after: z.string(),
    events: z.int().min(0),
    filter: z.record(z.string(), z.string()),
    why: Why,
  }),
  ViewRebuildStarted: z.strictObject({ view: Text, why: Why }),
  /** Readers see `view`; before they saw `previous`. */
  ViewActivated: z.strictObject({ view: Text, previous: Text.exactOptional(), why: Why }),
  ViewRolledBack: z.strictObject({ view: Text, previous: z.string(), why: Why }),
} as const;
export type OperationsEvent = {
  [T in keyof typeof data]: Readonly<{ type: T; data: Readonly<z.infer<(typeof data)[T]>> }>;
}[keyof typeof data];
export const OPERATIONS_EVENTS = Object.fromEntries(
  Object.entries(data).map(([type, schema]) => [type, { version: 1, data: schema }]),
) as unknown as Readonly<Record<keyof typeof data, EventSchema>>;
export const operationsEvent = (event: EventEnvelope): EventEnvelope<OperationsEvent> =>
  upcast<OperationsEvent>(OPERATIONS_EVENTS, event);
/** `at`: ISO 8601. */
export const operationsStream = (at: string): string => `operations-${at.slice(0, 7)}`;

/** Every record is a command of its own and has nothing to decide; the last ids make a repeat harmless. */
export type OperationsState = Readonly<{
  revision: number;
  recent: Remembered;
}>;
const RECENT_COMMANDS = 1_000;

export const operations: Decider<OperationsEvent, OperationsEvent, OperationsState, never> = {
  initial: { revision: -1, recent: NOTHING_REMEMBERED },
  evolve: ({ revision, recent }, event) => ({
    revision: revision + 1,
    recent: remember(recent, event.meta.commandId, revision + 1, RECENT_COMMANDS),
  }),
  decide: ({ meta, ...event }, { recent }) => (remembers(recent, meta.commandId) ? accept() : accept(event)),
};

/** What operators did, streams `operations-<month>`. */
export const operationsLog: Aggregate<OperationsEvent, OperationsEvent, OperationsState, never> = {
  category: 'operations',
  events: OPERATIONS_EVENTS,
  decider: operations,
  ledTo: (state, commandId) => ledTo(state.recent, commandId),
  weight: (state) => 1 + Math.ceil(sizeOf(state.recent) / 4),
  shape: 'operations-2',
};

/**
 * What operators and the runtime did beside the orders: parking, views rebuilt and switched, consumers set
 * back. One stream a month.
 */
import { z } from 'zod';
import {
  accept,
  upcast,
  v1,
  type Aggregate,
  type Decider,
  type EventEnvelope,
  type EventSchemas,
  type EventsOf,
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

export const OPERATIONS_EVENTS = {
  EventParked: v1(parked),
  ParkedEventRetried: v1(parked),
  ParkedEventDiscarded: v1(parked),
  /** A consumer handles nothing until it is resumed. */
  ConsumerPaused: v1(z.strictObject({ consumer: Text, why: Why })),
  ConsumerResumed: v1(z.strictObject({ consumer: Text, why: Why })),
  /** A consumer is handed `events` again that lie behind `after` ('' is the beginning), up to `through`. */
  ConsumerReplayStarted: v1(
    z.strictObject({
      replay: Text,
      name: Text,
      consumer: Text,
      after: z.string(),
      through: Text,
      events: z.int().min(0),
      stream: Text.exactOptional(),
      types: z.array(Text).exactOptional(),
      why: Why,
    }),
  ),
  /** After `handed` of them. */
  ConsumerReplayStopped: v1(
    z.strictObject({ replay: Text, name: Text, consumer: Text, handed: z.int().min(0), why: Why }),
  ),
  /** A consumer goes on behind `to`; '' is the beginning of history. */
  ConsumerSetBack: v1(z.strictObject({ consumer: Text, to: z.string(), why: Why })),
  /** `events` behind `after` that pass `filter` were handed to the consumer again. */
  EventsReplayed: v1(
    z.strictObject({
      consumer: Text,
      after: z.string(),
      events: z.int().min(0),
      filter: z.record(z.string(), z.string()),
      why: Why,
    }),
  ),
  /** `events` behind `after` and up to `through` went to a topic of Kafka again. */
  EventsPublished: v1(
    z.strictObject({
      topic: Text,
      after: z.string(),
      through: z.string(),
      events: z.int().min(0),
      types: z.array(Text),
      why: Why,
    }),
  ),
  ViewRebuildStarted: v1(z.strictObject({ view: Text, why: Why })),
  /** Readers see `view`; before they saw `previous`. */
  ViewActivated: v1(z.strictObject({ view: Text, previous: Text.exactOptional(), why: Why })),
  /** What was being done about a view's builds was ended: `view` is the build, or the view where none was begun yet. */
  ViewBuildStopped: v1(z.strictObject({ view: Text, why: Why })),
  /** A build that readers did not see was thrown away. */
  ViewBuildDropped: v1(z.strictObject({ view: Text, why: Why })),
  ViewRolledBack: v1(z.strictObject({ view: Text, previous: z.string(), why: Why })),
} as const satisfies EventSchemas;
export type OperationsEvent = EventsOf<typeof OPERATIONS_EVENTS>;
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

/** What operators and the runtime did beside the orders: the audit trail of parking. One stream a month. */
import { z } from 'zod';
import { accept, upcast, type Decider, type EventEnvelope, type EventSchema } from '../kernel.ts';

const Text = z.string().min(1);
const parked = z.strictObject({ parkedId: Text, consumer: Text, stream: Text, eventId: Text, eventType: Text, revision: z.int(), attempts: z.int().min(0), why: z.string() });

const data = { EventParked: parked, ParkedEventRetried: parked, ParkedEventDiscarded: parked } as const;
export type OperationsEvent = { [T in keyof typeof data]: Readonly<{ type: T; data: Readonly<z.infer<(typeof data)[T]>> }> }[keyof typeof data];
export const OPERATIONS_EVENTS = Object.fromEntries(Object.entries(data).map(([type, schema]) => [type, { version: 1, data: schema }])) as unknown as Readonly<
  Record<keyof typeof data, EventSchema>
>;
export const operationsEvent = (event: EventEnvelope): EventEnvelope<OperationsEvent> => upcast<OperationsEvent>(OPERATIONS_EVENTS, event);
/** `at`: ISO 8601. */
export const operationsStream = (at: string): string => `operations-${at.slice(0, 7)}`;

/** Every record is a command of its own and has nothing to decide; the last ids make a repeat harmless. */
export type OperationsState = Readonly<{ revision: number; recent: readonly (readonly [commandId: string, revision: number])[] }>;
const RECENT_COMMANDS = 1_000;

export const operations: Decider<OperationsEvent, OperationsEvent, OperationsState, never> = {
  initial: { revision: -1, recent: [] },
  evolve: ({ revision, recent }, event) => ({ revision: revision + 1, recent: [...recent, [event.meta.commandId, revision + 1] as const].slice(-RECENT_COMMANDS) }),
  decide: ({ meta, ...event }, { recent }) => (recent.some(([id]) => id === meta.commandId) ? accept() : accept(event)),
};

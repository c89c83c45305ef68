/** The words that every aggregate, store and consumer shares. */
import { z } from 'zod';

export type Message<T extends string = string, D = unknown> = Readonly<{ type: T; data: D }>;

/**
 * What a decision needs to know of its command, and a fold of its event: who, when, and which command it was.
 */
export type Stamp = Readonly<{ commandId: string; at: string; actor: Actor }>;
export type Stamped<M extends Message> = M & Readonly<{ meta: Stamp }>;

/**
 * `events: []` means that the command had already been carried out. `state`: after the events, where deciding
 * has folded them already, so that nobody folds them again.
 */
export type Decision<E, R, S = never> =
  | { readonly ok: true; readonly events: readonly E[]; readonly state?: S }
  | { readonly ok: false; readonly reason: R };

/** An aggregate: pure, without clock or randomness. `decide` never throws for what a caller may send. */
export type Decider<C extends Message, E extends Message, S, R> = Readonly<{
  initial: S;
  evolve(state: S, event: Stamped<E>): S;
  decide(command: Stamped<C>, state: S): Decision<E, R, S>;
}>;

/** Why a command was refused: a stable code for programs, a sentence for people. */
export type Refusal<Code extends string = string> = Readonly<{ code: Code; sentence: string }>;

export const accept = <E>(...events: readonly E[]): Decision<E, never> => ({ ok: true, events });
export const refuse = <Code extends string>(
  code: Code,
  sentence: string,
): Decision<never, Refusal<Code>> => ({ ok: false, reason: { code, sentence } });

export const fold = <E extends Message, S>(
  { initial, evolve }: Pick<Decider<Message, E, S, unknown>, 'initial' | 'evolve'>,
  events: Iterable<Stamped<E>>,
): S => {
  let state = initial;
  for (const event of events) state = evolve(state, event);
  return state;
};

/** Place in the whole store: opaque, sorts as text in the order of commit. */
export type Position = string & { readonly __brand: 'Position' };

export const ROLES = ['customer', 'operator', 'auditor', 'system'] as const;
export type Role = (typeof ROLES)[number];

export const Actor = z.strictObject({ id: z.string().min(1).max(200), role: z.enum(ROLES) });
export type Actor = Readonly<z.infer<typeof Actor>>;

/**
 * What every event says of itself beside its data. `at`: when it happened (ISO 8601, UTC), never earlier than
 * the stream's last; `recordedAt`: when it was stored. `previousHash`: SHA-256 (hex) of the stream's event
 * before it, 64 zeros for the first.
 */
export type Meta = Stamp &
  Readonly<{
    recordedAt: string;
    origin: 'live' | 'import';
    correlationId: string;
    causationId: string;
    traceparent?: string;
    previousHash: string;
  }>;

/**
 * An event that is ready to be stored. `id`: UUID derived from stream, revision and command id; `schema`:
 * version of its data.
 */
export type NewEvent<E extends Message = Message> = E & Readonly<{ id: string; schema: number; meta: Meta }>;

/** An event as it was stored. `revision`: place in its stream, from 0; `position`: place in the store. */
export type EventEnvelope<E extends Message = Message> = NewEvent<E> &
  Readonly<{ stream: string; revision: number; position: Position }>;

/** Ciphertext of personal data under the key of one subject (a customer, or a guest's order). */
export const Sealed = z.strictObject({ subject: z.string(), key: z.string(), box: z.string() });
export type Sealed = Readonly<z.infer<typeof Sealed>>;

/**
 * How one kind of event is stored: its current version, the schema of its data, and how older versions become
 * the current one.
 */
export type EventSchema = Readonly<{
  version: number;
  data: z.ZodType;
  /** `older[n]`: what data of version n was stored as; it never changes. */
  older?: Readonly<Record<number, z.ZodType>>;
  /** `upcasters[n]` turns data of version n into version n + 1. */
  upcasters?: Readonly<Record<number, (data: never) => unknown>>;
}>;

/** How the events of a category are stored, by type. */
export type EventSchemas = Readonly<Record<string, EventSchema>>;
/** An event that has had one shape so far. */
export const v1 = <D extends z.ZodType>(data: D) => ({ version: 1, data }) as const;
/** Current data of each type. */
export type DataOf<S extends EventSchemas> = { readonly [T in keyof S]: Readonly<z.infer<S[T]['data']>> };
export type EventsOf<S extends EventSchemas> = {
  [T in keyof S & string]: Readonly<{ type: T; data: DataOf<S>[T] }>;
}[keyof S & string];

/**
 * Written by a newer version of this code, as while a deployment is under way: trying again is right, for as long as it
 * takes until a process of that version does it. The message names type and version alone.
 */
export class NewerEvent extends Error {
  override readonly name = 'NewerEvent';
  readonly retriable = true;
}

/**
 * Brings an event of an older version to the current one; fold and projections read through it, stores do
 * not. Throws NewerEvent for a type that the schemas do not know and for a version newer than this code.
 */
export const upcast = <E extends Message>(schemas: EventSchemas, event: EventEnvelope): EventEnvelope<E> => {
  const schema = schemas[event.type];
  if (!schema)
    throw new NewerEvent(
      `event type ${event.type} (${event.stream}@${event.revision}) is unknown to this version`,
    );
  if (event.schema > schema.version)
    throw new NewerEvent(
      `${event.type} has version ${event.schema}; this version reads up to ${schema.version}`,
    );
  if (event.schema === schema.version) return event as EventEnvelope<E>;
  let data: unknown = event.data;
  for (let version = event.schema; version < schema.version; version++) {
    const up = schema.upcasters?.[version] as ((data: unknown) => unknown) | undefined;
    if (!up) throw new Error(`${event.type} has no upcaster from version ${version}`);
    data = up(data);
  }
  return { ...event, data, schema: schema.version } as EventEnvelope<E>;
};

/** `order` of `order-0190…`: the part before the first dash. */
export const categoryOf = (stream: string): string => stream.slice(0, stream.indexOf('-'));
/** `0190…` of `order-0190…`. */
export const keyOf = (stream: string): string => stream.slice(stream.indexOf('-') + 1);

/**
 * An aggregate as the engine runs it. `category`: of its streams. `events`: how each of its events is stored.
 * `ledTo`: the revision that a remembered command led to. `weight`: about how many lines the state takes in a
 * cache. `shape`: set where streams grow without end: snapshots are kept under this name, which changes with
 * the shape of the state.
 */
export type Aggregate<
  C extends Message,
  E extends Message,
  S extends Readonly<{ revision: number }>,
  R,
> = Readonly<{
  category: string;
  events: Readonly<Record<E['type'], EventSchema>>;
  decider: Decider<C, E, S, R>;
  ledTo(state: S, commandId: string): number | undefined;
  weight(state: S): number;
  shape?: string;
}>;

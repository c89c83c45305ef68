/** Load, decide, append: the one way in which anything is written to a stream. */
import { LRUCache } from 'lru-cache';
import {
  upcast,
  type Actor,
  type EventEnvelope,
  type Message,
  type Meta,
  type NewEvent,
  type Position,
  type Aggregate,
} from '../../domain/kernel.ts';
import type { Snapshot, Snapshots } from '../../ports/snapshots.ts';
import { AppendTooLarge, type EventStore } from '../../ports/event-store.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { within } from '../wake.ts';
import { hashOf, NO_HASH } from './chain.ts';
import { eventIdOf } from './identity.ts';

/** Who commands, why, and when it happened if not now. `commandId` makes a repeat harmless. */
export type Context = Readonly<{
  commandId: string;
  actor: Actor;
  at?: string;
  origin?: Meta['origin'];
  correlationId?: string;
  causationId?: string;
  traceparent?: string;
}>;

/**
 * `revision`: of the last event that the command led to, also when it is repeated (-1 in an empty stream).
 * `position`: a reader that has come this far has seen it (that of the append's last event).
 */
export type Executed<E extends Message, S, R> =
  | Readonly<{
      ok: true;
      events: readonly EventEnvelope<E>[];
      state: S;
      revision: number;
      position: Position | undefined;
    }>
  | Readonly<{ ok: false; reason: R; state: S; revision: number }>;
export type Loaded<S> = Readonly<{ state: S; revision: number; position: Position | undefined }>;

export interface Executor {
  /**
   * Decides `command` on the stream as it now is and resolves when its events are durable. Commands of one
   * stream that wait in this process are decided together and stored with one append. A conflict with another
   * process decides again. Refusals are values. Throws StoreUnavailable, ConflictError (it lost too often:
   * try later), Overloaded, AppendTooLarge (its own events are).
   */
  execute<C extends Message, E extends Message, S extends Readonly<{ revision: number }>, R>(
    aggregate: Aggregate<C, E, S, R>,
    stream: string,
    command: C,
    context: Context,
  ): Promise<Executed<E, S, R>>;
  /** The stream folded to its last event. */
  load<C extends Message, E extends Message, S extends Readonly<{ revision: number }>, R>(
    aggregate: Aggregate<C, E, S, R>,
    stream: string,
  ): Promise<Loaded<S>>;
}

/** Another process won every time: nothing was stored, trying again is right. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError';
  readonly retriable = true;
}
/** Too many commands wait for one stream. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
  readonly retriable = true;
}

type Entry = Readonly<{
  state: { readonly revision: number };
  position: Position | undefined;
  at: string;
  last: EventEnvelope | undefined;
  lastHash: string;
  snapshotAt: number;
}>;
type AnyAggregate = Aggregate<Message, Message, Readonly<{ revision: number }>, unknown>;
const versionOf = ({ category, events }: AnyAggregate, type: string): number => {
  const schema = events[type];
  if (!schema) throw new Error(`${type} is no event of ${category}: give it a schema`);
  return schema.version;
};
type Waiting = Readonly<{
  aggregate: AnyAggregate;
  command: Message;
  context: Context;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}>;

/**
 * `cacheWeight`: how much (as aggregates weigh their states) is kept folded in memory. `snapshotEvery`: events between snapshots of
 * streams that have them.
 */
export type ExecutorOptions = Readonly<{
  store: EventStore;
  snapshots?: Snapshots;
  clock: Clock;
  log?: Log;
  cacheWeight?: number;
  attempts?: number;
  batch?: number;
  waiting?: number;
  snapshotEvery?: number;
}>;

const SNAPSHOT_MS = 100;

export const createExecutor = (options: ExecutorOptions): Executor => {
  const {
    store,
    snapshots,
    clock,
    log,
    attempts = 20,
    batch = 256,
    waiting = 20_000,
    snapshotEvery = 500,
  } = options;
  const maxSize = options.cacheWeight ?? 50_000;
  const cache = new LRUCache<string, { aggregate: AnyAggregate; entry: Entry }>({
    maxSize,
    sizeCalculation: ({ aggregate, entry }) => Math.min(maxSize, Math.max(1, aggregate.weight(entry.state))),
  });
  const queues = new Map<string, Waiting[]>();

  /** One that cannot be read in time is none: what writes orders waits for the event store alone. */
  const snapshotOf = async (stream: string, shape: string): Promise<Snapshot | undefined> => {
    try {
      return await within(clock, SNAPSHOT_MS, snapshots?.get(stream, shape));
    } catch (error) {
      log?.warn({ stream, error: String(error) }, 'a snapshot cannot be read; the stream is folded whole');
      return undefined;
    }
  };
  const empty = async (aggregate: AnyAggregate, stream: string): Promise<Entry> => {
    const snapshot = aggregate.shape === undefined ? undefined : await snapshotOf(stream, aggregate.shape);
    const { initial } = aggregate.decider;
    return snapshot
      ? {
          state: snapshot.state as Entry['state'],
          position: undefined,
          at: snapshot.at,
          last: undefined,
          lastHash: snapshot.previousHash,
          snapshotAt: snapshot.revision,
        }
      : { state: initial, position: undefined, at: '', last: undefined, lastHash: NO_HASH, snapshotAt: -1 };
  };

  /** Only what is new since the cached state is read. */
  const current = async (aggregate: AnyAggregate, stream: string): Promise<Entry> => {
    const known = cache.get(stream)?.entry ?? (await empty(aggregate, stream));
    let { state, last, at } = known;
    for await (const event of store.readStream(stream, { from: state.revision + 1 })) {
      state = aggregate.decider.evolve(state, upcast(aggregate.events, event));
      last = event;
      at = event.meta.at;
    }
    if (last === known.last) return known;
    const entry = { ...known, state, last, at, position: last?.position ?? known.position };
    cache.set(stream, { aggregate, entry });
    return entry;
  };

  const snapshot = (aggregate: AnyAggregate, stream: string, entry: Entry): Entry => {
    if (
      aggregate.shape === undefined ||
      !snapshots ||
      !entry.last ||
      entry.state.revision - entry.snapshotAt < snapshotEvery
    )
      return entry;
    const { state, at } = entry;
    snapshots
      .save(stream, aggregate.shape, {
        revision: state.revision,
        state,
        previousHash: hashOf(entry.last),
        at,
      })
      .catch((error: unknown) =>
        log?.warn(
          { stream, error: String(error) },
          'a snapshot was not saved; the stream is folded from an older one',
        ),
      );
    return { ...entry, snapshotAt: state.revision };
  };

  /**
   * Decides what waits on the stream as `entry` has it, and appends; undefined means that another process was
   * first.
   */
  const decideTogether = async (
    stream: string,
    entry: Entry,
    commands: readonly Waiting[],
  ): Promise<Entry | undefined> => {
    const recordedAt = clock.now().toISOString();
    let { state, at, last } = entry;
    const events: EventEnvelope[] = [];
    const answers: ((position: Position | undefined) => void)[] = [];
    for (const { aggregate, command, context, resolve, reject } of commands) {
      const happened = context.at ?? recordedAt;
      const stamp = { commandId: context.commandId, at: happened > at ? happened : at, actor: context.actor };
      const decision = (() => {
        try {
          return { ok: true as const, value: aggregate.decider.decide({ ...command, meta: stamp }, state) };
        } catch (error) {
          return { ok: false as const, error };
        }
      })();
      if (!decision.ok) {
        answers.push(() => reject(decision.error));
        continue;
      }
      const { value } = decision;
      if (!value.ok) {
        const refused = { ok: false, reason: value.reason, state, revision: state.revision };
        answers.push(() => resolve(refused));
        continue;
      }
      let { revision } = state;
      const mine = value.events.map((event): EventEnvelope => {
        const meta: Meta = {
          ...stamp,
          recordedAt,
          origin: context.origin ?? 'live',
          correlationId: context.correlationId ?? stream,
          causationId: context.causationId ?? context.commandId,
          ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
          previousHash: last ? hashOf(last) : entry.lastHash,
        };
        const { type, data } = event;
        const envelope: EventEnvelope = {
          id: eventIdOf(stream, context.commandId, revision + 1, JSON.stringify([type, data, meta])),
          type,
          schema: versionOf(aggregate, type),
          data,
          meta,
          stream,
          revision: revision + 1,
          position: '' as Position,
        };
        revision += 1;
        if (value.state === undefined) state = aggregate.decider.evolve(state, envelope);
        last = envelope;
        at = stamp.at;
        return envelope;
      });
      events.push(...mine);
      if (value.state !== undefined) state = value.state as typeof state;
      const led =
        mine.length > 0 ? state.revision : (aggregate.ledTo(state, context.commandId) ?? state.revision);
      const decided = state;
      answers.push((position) =>
        resolve({
          ok: true,
          events: mine.map((event) => ({ ...event, position })),
          state: decided,
          revision: led,
          position,
        }),
      );
    }
    if (events.length === 0) {
      for (const answer of answers) answer(entry.position);
      return entry;
    }
    const fresh: NewEvent[] = events.map(({ id, type, schema, data, meta }) => ({
      id,
      type,
      schema,
      data,
      meta,
    }));
    const appended = await store.append(
      stream,
      entry.state.revision < 0 ? 'none' : entry.state.revision,
      fresh,
    );
    if (!appended.ok) return undefined;
    for (const answer of answers) answer(appended.position);
    return { ...entry, state, at, last, position: appended.position };
  };

  const drain = async (stream: string): Promise<void> => {
    const queue = queues.get(stream) ?? [];
    for (let most = batch; queue.length > 0;) {
      const commands = queue.splice(0, most);
      most = batch;
      try {
        const [{ aggregate }] = commands as [Waiting];
        let done: Entry | undefined;
        for (let attempt = 0; !done && attempt < attempts; attempt++)
          done = await decideTogether(stream, await current(aggregate, stream), commands);
        if (!done) throw new ConflictError(`${stream} was changed by others ${attempts} times in a row`);
        cache.set(stream, { aggregate, entry: snapshot(aggregate, stream, done) });
      } catch (error) {
        if (error instanceof AppendTooLarge && commands.length > 1) {
          queue.unshift(...commands);
          most = Math.ceil(commands.length / 2);
          continue;
        }
        // What another process may have stored meanwhile is read anew.
        cache.delete(stream);
        for (const { reject } of commands) reject(error);
      }
    }
    queues.delete(stream);
  };

  return {
    execute(aggregate, stream, command, context) {
      return new Promise((resolve, reject) => {
        const one = {
          aggregate: aggregate as unknown as AnyAggregate,
          command,
          context,
          resolve: resolve as (value: unknown) => void,
          reject,
        };
        const queue = queues.get(stream);
        if (!queue) {
          queues.set(stream, [one]);
          // In a microtask, so that what is asked for at once is decided together.
          queueMicrotask(() => void drain(stream));
        } else if (queue.length >= waiting)
          reject(new Overloaded(`${queue.length} commands wait for ${stream}`));
        else queue.push(one);
      });
    },
    async load(aggregate, stream) {
      const { state, position } = await current(aggregate as unknown as AnyAggregate, stream);
      return { state: state as never, revision: state.revision, position };
    },
  };
};

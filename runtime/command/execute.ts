/** Load, decide, append: the one way in which anything is written to a stream. */
import type {
  Actor,
  Aggregate,
  EventEnvelope,
  Message,
  Meta,
  NewEvent,
  Position,
} from '../../domain/kernel.ts';
import { AppendTooLarge } from '../../ports/event-store.ts';
import { hashOf } from './chain.ts';
import { createFolded, type AnyAggregate, type Folded, type FoldedOptions } from './folded.ts';
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
 * `attempts`: how often others may be first. `batch`: commands that are decided together at most, `waiting`: that wait for one
 * stream.
 */
export type ExecutorOptions = FoldedOptions &
  Readonly<{ attempts?: number; batch?: number; waiting?: number }>;

export const createExecutor = (options: ExecutorOptions): Executor => {
  const { store, clock, attempts = 20, batch = 256, waiting = 20_000 } = options;
  const folded = createFolded(options);
  const queues = new Map<string, Waiting[]>();

  /**
   * Decides what waits on the stream as `entry` has it, and appends. Undefined means that the stream is to be read: another
   * process was first, or, of what is only likely, nothing was appended that would have told.
   */
  const decideTogether = async (
    stream: string,
    entry: Folded,
    commands: readonly Waiting[],
    isProven: boolean,
  ): Promise<Folded | undefined> => {
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
      if (!isProven) return undefined;
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
        const guess = folded.likely(aggregate, stream);
        let done = guess && (await decideTogether(stream, guess, commands, false));
        for (let attempt = 0; !done && attempt < attempts; attempt++)
          done = await decideTogether(stream, await folded.current(aggregate, stream), commands, true);
        if (!done) throw new ConflictError(`${stream} was changed by others ${attempts} times in a row`);
        folded.keep(aggregate, stream, done);
      } catch (error) {
        if (error instanceof AppendTooLarge && commands.length > 1) {
          queue.unshift(...commands);
          most = Math.ceil(commands.length / 2);
          continue;
        }
        // What another process may have stored meanwhile is read anew.
        folded.forget(stream);
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
      const { state, position } = await folded.current(aggregate as unknown as AnyAggregate, stream);
      return { state: state as never, revision: state.revision, position };
    },
  };
};

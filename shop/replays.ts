/** Replays of consumers: previewed, started, listed and stopped, whichever process runs them. */
import type { Position } from '../domain/kernel.ts';
import type { ConsumerDeclaration } from '../ports/consumer.ts';
import type { Controls } from '../ports/controls.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Clock } from '../ports/system.ts';
import type { By } from '../runtime/deliver/parked.ts';
import {
  askForReplay,
  followReplay,
  planReplay,
  replayTarget,
  stopReplay,
  type ReplayPlan,
  type ReplayReport,
} from '../runtime/deliver/replay.ts';
import type { RecordOperation } from './operations-log.ts';

type Replayable = Pick<ConsumerDeclaration, 'name' | 'handles' | 'effects'>;

/**
 * Of what the consumer has handled, what lies behind `after` (undefined: all), of one stream and of these types where
 * they are given. `name`: for people. `perSecond`: events at most.
 */
export type ReplayWish = Readonly<{
  consumer: Replayable;
  after: Position | undefined;
  stream?: string;
  types?: readonly string[];
  name?: string;
  perSecond?: number;
  dryRun?: boolean;
  withSideEffects?: boolean;
  onProgress?(events: number): void;
}>;
/** `id`: of the replay, undefined for a dry run. */
export type Replayed =
  | Readonly<{ ok: true; id: string | undefined; plan: ReplayPlan }>
  | Readonly<{
      ok: false;
      code: 'side_effects' | 'unknown_type' | 'nothing_handled' | 'too_many';
      sentence: string;
    }>;

export interface Replays {
  /** Refusals are values; throws StoreUnavailable. Audited. */
  start(wish: ReplayWish, by: By): Promise<Replayed>;
  /** The newest first, 100 at most; those that ended are kept for 30 days. */
  list(): Promise<readonly ReplayReport[]>;
  get(id: string): Promise<ReplayReport | undefined>;
  /** What was handed over stays so. Undefined when there is none; one that has ended stays as it is. Audited. */
  stop(id: string, by: By): Promise<ReplayReport | undefined>;
}

export type ReplaysDeps = Readonly<{
  store: EventStore;
  feed: EventFeed;
  controls: Controls;
  clock: Clock;
  newId(): string;
  record: RecordOperation;
  consumers: readonly Pick<ConsumerDeclaration, 'name'>[];
}>;

const LISTED = 100;
/** Of one consumer at once: each reads the store. */
const MOST_RUNNING = 5;

export const createReplays = (deps: ReplaysDeps): Replays => {
  const { store, feed, controls, clock, newId, record, consumers } = deps;
  const targets = consumers.map(({ name }) => replayTarget(name));
  const find = async (id: string): Promise<ReplayReport | undefined> => {
    const control = await controls.get(id);
    return control && targets.includes(control.target) ? followReplay(controls, control) : undefined;
  };

  return {
    async start(wish, by) {
      const { consumer, after, stream, types, perSecond, dryRun = false } = wish;
      const { name, handles, effects } = consumer;
      const unknown = types?.find((type) => !handles.types.includes(type));
      if (unknown !== undefined)
        return {
          ok: false,
          code: 'unknown_type',
          sentence: `${name} does not handle ${unknown}; it handles ${handles.types.join(', ')}.`,
        };
      if (effects.length > 0 && !dryRun && !wish.withSideEffects)
        return {
          ok: false,
          code: 'side_effects',
          sentence: `${name} ${effects.join(', and ')}. It finds most of it done already and the keys of its calls are the same, yet say --with-side-effects to mean it (--dry-run shows what it would be handed).`,
        };
      // What comes behind it reaches the consumer anyway, in its order.
      const through = await feed.reached(name);
      if (through === undefined)
        return {
          ok: false,
          code: 'nothing_handled',
          sentence: `${name} has handled nothing from the beginning on yet: there is nothing to hand it again.`,
        };
      const range = {
        through,
        ...(after === undefined ? {} : { after }),
        ...(stream === undefined ? {} : { stream }),
        ...(types === undefined ? {} : { types }),
      };
      const plan = await planReplay(store, consumer, range, wish.onProgress);
      if (dryRun) return { ok: true, id: undefined, plan };
      if ((await controls.open([replayTarget(name)], MOST_RUNNING)).length === MOST_RUNNING)
        return {
          ok: false,
          code: 'too_many',
          sentence: `${MOST_RUNNING} replays of ${name} are running: wait for one to end, or stop it (GET /ops/replays).`,
        };
      const id = newId();
      const called = wish.name ?? `${name} ${clock.now().toISOString()}`;
      const { events } = plan;
      const data = {
        replay: id,
        name: called,
        consumer: name,
        after: after ?? '',
        through,
        events,
        ...(stream === undefined ? {} : { stream }),
        ...(types === undefined ? {} : { types: [...types] }),
        why: by.reason,
      };
      // Audited first: a crash between the two repeats the entry, the other way round it would be missing for ever.
      await record({ type: 'ConsumerReplayStarted', data }, by.actor, newId());
      const asked = { ...range, name: called, events, ...(perSecond === undefined ? {} : { perSecond }) };
      await askForReplay({ controls, feed, clock }, id, consumer, asked, by);
      return { ok: true, id, plan };
    },
    async list() {
      const found = await controls.latest(targets, LISTED);
      const reports = await Promise.all(found.map((control) => followReplay(controls, control)));
      return reports.filter((report) => report !== undefined);
    },
    get: find,
    async stop(id, by) {
      const report = await find(id);
      if (report?.state !== 'running') return report;
      const { name, consumer, handed } = report;
      await record(
        { type: 'ConsumerReplayStopped', data: { replay: id, name, consumer, handed, why: by.reason } },
        by.actor,
        newId(),
      );
      await stopReplay(controls, report, clock);
      return find(id);
    },
  };
};

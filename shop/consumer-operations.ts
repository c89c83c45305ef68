/** Consumers as operators see them, and tell them to wait. */
import type { BlockedLanes } from '../ports/blocked-lanes.ts';
import type { ConsumerDeclaration } from '../ports/consumer.ts';
import type { Controls } from '../ports/controls.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import type { EventFilter } from '../ports/event-store.ts';
import type { Clock } from '../ports/system.ts';
import type { ConsumerStatus } from '../runtime/deliver/consume.ts';
import type { By } from '../runtime/deliver/parked.ts';
import { pause, pauseOf, resume, type Pause } from '../runtime/deliver/pause.ts';
import type { Presence } from '../runtime/presence.ts';
import type { RecordOperation } from './operations-log.ts';
import { consumerIn } from './overview.ts';

/**
 * How one consumer is doing, in all processes together. `paused`: by an operator; `inFlight`: handlers running;
 * `retrying`, `parked`: lanes that wait; `heartbeatAt`: when a process that runs it told of itself last; times are ISO
 * 8601.
 */
export type ConsumerReport = Readonly<{
  name: string;
  state: ConsumerStatus['state'];
  paused?: Pause;
  lag: Readonly<{ events: number; seconds: number }>;
  heartbeatAt: string | null;
  inFlight: number;
  retrying: number;
  parked: number;
  breaker: ConsumerStatus['breaker'];
  oldestBlocked?: Readonly<{ stream: string; since: string }>;
}>;

/** Each answers undefined for a name that no consumer has. Audited by whoever implements this. */
export interface ConsumerOperations {
  list(): Promise<readonly ConsumerReport[]>;
  /**
   * No handler and nothing that is due starts any more, in any process, within a second, until `resume`; what runs ends.
   * One that is paused already stays so, with the reason it has.
   */
  pause(name: string, by: By): Promise<ConsumerReport | undefined>;
  /** It goes on with what has come meanwhile. */
  resume(name: string, by: By): Promise<ConsumerReport | undefined>;
}

export type ConsumerOperationsDeps = Readonly<{
  consumers: readonly Pick<ConsumerDeclaration, 'name' | 'handles'>[];
  feed: EventFeed;
  blockedLanes: BlockedLanes;
  controls: Controls;
  clock: Clock;
  newId(): string;
  /** What every process does. */
  present(): Promise<readonly Presence[]>;
  record: RecordOperation;
}>;

/** Over all partitions of the group. */
export const lagOf = async (
  feed: EventFeed,
  group: string,
  filter: EventFilter,
): Promise<ConsumerReport['lag']> => {
  const lags = await feed.lag(group, filter);
  return {
    events: lags.reduce((sum, { events }) => sum + events, 0),
    seconds: Math.max(0, ...lags.map(({ seconds }) => seconds)),
  };
};

export const createConsumerOperations = (deps: ConsumerOperationsDeps): ConsumerOperations => {
  const { consumers, feed, blockedLanes, controls, newId, present, record } = deps;
  type Declared = (typeof consumers)[number];

  const reportOf = async (
    { name, handles }: Declared,
    processes: readonly Presence[],
  ): Promise<ConsumerReport> => {
    const [lag, blocked, paused] = await Promise.all([
      lagOf(feed, name, handles),
      blockedLanes.tally(name),
      pauseOf(controls, name),
    ]);
    return {
      name,
      ...consumerIn(processes, name),
      ...(paused ? { paused } : {}),
      lag,
      retrying: blocked.retrying,
      parked: blocked.parked,
      ...(blocked.oldest && {
        oldestBlocked: { stream: blocked.oldest.stream, since: blocked.oldest.firstAt },
      }),
    };
  };
  const named = (name: string): Declared | undefined => consumers.find((one) => one.name === name);

  return {
    async list() {
      const processes = await present();
      return Promise.all(consumers.map((one) => reportOf(one, processes)));
    },
    async pause(name, by) {
      const consumer = named(name);
      if (!consumer) return undefined;
      if (!(await pauseOf(controls, name))) {
        // Audited first: a crash between the two repeats the entry, the other way round it would be missing for ever.
        await record({ type: 'ConsumerPaused', data: { consumer: name, why: by.reason } }, by.actor, newId());
        await pause(deps, name, by);
      }
      return reportOf(consumer, await present());
    },
    async resume(name, by) {
      const consumer = named(name);
      if (!consumer) return undefined;
      if (await pauseOf(controls, name)) {
        await record(
          { type: 'ConsumerResumed', data: { consumer: name, why: by.reason } },
          by.actor,
          newId(),
        );
        await resume(deps, name);
      }
      return reportOf(consumer, await present());
    },
  };
};

/** What operators see, from a list that a test fills. */
import type { Position } from '../../domain/kernel.ts';
import type { ReplayReport } from '../../runtime/deliver/replay.ts';
import { BuildRefused } from '../../runtime/view/rebuild.ts';
import type { Clock } from '../../ports/system.ts';
import type { ConsumerReport } from '../../shop/consumer-operations.ts';
import type { Operations } from '../../shop/operations.ts';
import type { ParkedItem } from '../../shop/parked.ts';
import type { ViewReport } from '../../shop/view-builds.ts';

export type FakeOperations = Operations &
  Readonly<{ items: Map<string, ParkedItem>; done: string[]; park(id: string, consumer: string): void }>;

export const fakeOperations = (clock: Clock): FakeOperations => {
  const items = new Map<string, ParkedItem>();
  const done: string[] = [];
  const matching = (filter: Readonly<{ consumer?: string; stream?: string; type?: string }>): ParkedItem[] =>
    [...items.values()]
      .filter(
        ({ consumer, stream, event }) =>
          (filter.consumer ?? consumer) === consumer &&
          (filter.stream ?? stream) === stream &&
          (filter.type ?? event.type) === event.type,
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  const payment = (): ConsumerReport => ({
    name: 'payment',
    state: 'running',
    lag: { events: 2, seconds: 0.5 },
    heartbeatAt: null,
    inFlight: 1,
    retrying: 0,
    parked: items.size,
    breaker: 'closed',
    oldestBlocked: { stream: 'order-1', since: clock.now().toISOString() },
  });
  const view = (): ViewReport => ({
    name: 'order-status',
    view: 'order-status@1+1',
    previous: null,
    state: 'running',
    position: null,
    lag: { events: 0, seconds: 0 },
  });
  const replay = (): ReplayReport => ({
    id: 'r1',
    name: 'after the outage',
    consumer: 'payment',
    state: 'running',
    after: '1' as Position,
    through: '9' as Position,
    types: ['OrderPlaced'],
    events: 8,
    handed: 3,
    perSecond: null,
    partitions: ['all'],
    by: { actor: { id: 'olga', role: 'operator' }, reason: 'the outage' },
    askedAt: clock.now().toISOString(),
    endedAt: null,
  });
  return {
    items,
    done,
    park(id, consumer) {
      const at = clock.now().toISOString();
      items.set(id, {
        id,
        consumer,
        stream: `order-${id}`,
        error: { message: 'down', stack: '' },
        attempts: 3,
        firstAt: at,
        lastAt: at,
        queued: 1,
        event: {
          id: 'e',
          type: 'OrderPlaced',
          schema: 1,
          data: {},
          stream: `order-${id}`,
          revision: 0,
          position: '1' as Position,
          meta: {
            at,
            recordedAt: at,
            origin: 'live',
            actor: { id: 'ada', role: 'customer' },
            commandId: 'c',
            correlationId: 'c',
            causationId: 'c',
            previousHash: '0'.repeat(64),
          },
        },
      });
    },
    processes: async () => [
      {
        id: 'p1',
        roles: ['all'],
        host: 'here',
        pid: 7,
        startedAt: clock.now().toISOString(),
        at: clock.now().toISOString(),
        silent: false,
        consumers: [],
        views: [],
        forward: [],
      },
    ],
    consumers: {
      list: async () => [payment()],
      async pause(name, { actor, reason }) {
        done.push(`pause ${name} by ${actor.id}: ${reason}`);
        const paused = { since: clock.now().toISOString(), by: actor, reason };
        return name === 'payment' ? { ...payment(), state: 'paused', paused } : undefined;
      },
      async resume(name, { actor, reason }) {
        done.push(`resume ${name} by ${actor.id}: ${reason}`);
        return name === 'payment' ? payment() : undefined;
      },
    },
    replays: {
      list: async () => [replay()],
      async stop(id, { actor, reason }) {
        done.push(`stop ${id} by ${actor.id}: ${reason}`);
        return id === 'r1'
          ? { ...replay(), state: 'stopped', endedAt: clock.now().toISOString() }
          : undefined;
      },
    },
    forward: async () => [
      { category: 'order', state: 'running', position: null, lag: { events: 0, seconds: 0 } },
    ],
    views: {
      list: async () => [view()],
      async rebuild(name, { compare = false }, { actor, reason }) {
        done.push(`rebuild ${name}${compare ? ' and compare' : ''} by ${actor.id}: ${reason}`);
        return name === 'order-status'
          ? {
              view: 'order-status@1+2',
              state: 'building',
              position: null,
              share: 0,
              eventsPerSecond: null,
              secondsLeft: null,
            }
          : undefined;
      },
      async activate(name, { actor }) {
        done.push(`activate ${name} by ${actor.id}`);
        if (name === 'sales') return 'asked';
        if (name === 'catalogue') throw new BuildRefused('no_build', 'There is no build.');
        return name === 'order-status'
          ? { name, view: 'order-status@1+2', previous: 'order-status@1+1' }
          : undefined;
      },
      async rollBack(name, { actor }) {
        done.push(`roll back ${name} by ${actor.id}`);
        if (name === 'catalogue') throw new BuildRefused('version_gone', 'Its code is gone.');
        return name === 'order-status'
          ? { name, view: 'order-status@1+1', previous: 'order-status@1+2' }
          : undefined;
      },
      async stop(name, { actor }) {
        done.push(`stop ${name} by ${actor.id}`);
        return name === 'order-status' ? view() : undefined;
      },
      async drop(name, { actor, reason }) {
        done.push(`drop ${name} by ${actor.id}: ${reason}`);
        if (name === 'catalogue') throw new BuildRefused('no_build', 'There is no build.');
        return name === 'order-status' ? view() : undefined;
      },
    },
    parked: {
      async find(filter, { after, limit }) {
        const left = matching(filter).filter(({ id }) => after === undefined || id > after);
        return {
          items: left.slice(0, limit),
          next: left.length > limit ? (left[limit - 1]?.id ?? null) : null,
        };
      },
      get: async (id) => items.get(id),
      async retry(id, actor) {
        done.push(`retry ${id} by ${actor.id}`);
        return items.delete(id) ? { done: 1, asked: 0 } : undefined;
      },
      async discard(id, { actor, reason }) {
        done.push(`discard ${id} by ${actor.id}: ${reason}`);
        return items.delete(id) ? { done: 1, asked: 0 } : undefined;
      },
      count: async (filter) => matching(filter).length,
      async discardMatching(filter, { actor, reason }) {
        const found = matching(filter);
        for (const { id } of found) items.delete(id);
        done.push(`discard ${found.length} by ${actor.id}: ${reason}`);
        return { done: found.length, asked: 0 };
      },
      async retryMatching(filter, actor) {
        const found = matching(filter);
        for (const { id } of found) items.delete(id);
        done.push(`retry ${found.length} by ${actor.id}`);
        return { done: found.length, asked: 0 };
      },
    },
  };
};

import type { EventEnvelope } from '../../domain/kernel.ts';
import type { Blocked, Bookkeeping, Snapshot } from '../../ports/bookkeeping.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { openEnvironment } from './environment.ts';

const HIGHEST = '\u{10FFFF}';

/**
 * Bookkeeping in an LMDB environment: `checkpoints` [group, partition]; `blocked` by id and `blockedIds`
 * [consumer, stream] → id; `queues` [consumer, stream, number] → event with `queued` [consumer, stream, event
 * id] → number; `schedules` [schedule, key] → due time with `due` [schedule, due time, key]; `snapshots`
 * [stream, shape]. Every write is flushed when it resolves; writes asked for together share a flush.
 */
export const openLmdbBookkeeping = ({ folder }: Readonly<{ folder: string }>): Bookkeeping => {
  const env = openEnvironment(
    folder,
    'the bookkeeping',
    (message, cause) => new StoreUnavailable(message, { cause }),
  );
  const checkpoints = env.strings<[string, string]>('checkpoints');
  const blockedById = env.strings<string>('blocked');
  const blockedIds = env.strings<[string, string]>('blockedIds');
  const queues = env.strings<[string, string, number]>('queues');
  const queued = env.numbers<[string, string, string]>('queued');
  const schedules = env.strings<[string, string]>('schedules');
  const dueTimes = env.strings<[string, string, string]>('due');
  const snapshots = env.strings<[string, string]>('snapshots');

  const headOf = (
    consumer: string,
    stream: string,
  ): { readonly number: number; readonly event: EventEnvelope } | undefined => {
    for (const { key, value } of queues.getRange({
      start: [consumer, stream, 0],
      end: [consumer, stream, Infinity],
      limit: 1,
    }))
      return { number: key[2], event: JSON.parse(value) as EventEnvelope };
    return undefined;
  };
  const push = (consumer: string, stream: string, event: EventEnvelope): void => {
    let number = 1;
    for (const [, , last] of queues.getKeys({
      start: [consumer, stream, Infinity],
      end: [consumer, stream, 0],
      reverse: true,
      limit: 1,
    }))
      number = last + 1;
    void queues.put([consumer, stream, number], JSON.stringify(event));
    void queued.put([consumer, stream, event.id], number);
  };
  const blockedAt = (id: string): Blocked | undefined => {
    const text = blockedById.get(id);
    return text === undefined ? undefined : (JSON.parse(text) as Blocked);
  };

  return {
    async checkpoint(group, partition) {
      return env.read(() => checkpoints.get([group, partition]));
    },
    saveCheckpoint: (group, partition, expected, to) =>
      env.transaction(() => {
        if (checkpoints.get([group, partition]) !== expected) return false;
        void checkpoints.put([group, partition], to);
        return true;
      }),

    block: (blocked) =>
      env.transaction(() => {
        const { id, consumer, stream, event } = blocked;
        void blockedById.put(id, JSON.stringify(blocked));
        void blockedIds.put([consumer, stream], id);
        if (!headOf(consumer, stream)) push(consumer, stream, event);
      }),
    enqueue: (consumer, stream, event) =>
      env.transaction(() => {
        if (!queued.doesExist([consumer, stream, event.id])) push(consumer, stream, event);
      }),
    async head(consumer, stream) {
      return env.read(() => headOf(consumer, stream)?.event);
    },
    dequeue: (consumer, stream, eventId) =>
      env.transaction(() => {
        const head = headOf(consumer, stream);
        if (head && head.event.id !== eventId) return 'more';
        if (head) {
          void queues.remove([consumer, stream, head.number]);
          void queued.remove([consumer, stream, eventId]);
          if (headOf(consumer, stream)) return 'more';
        }
        const id = blockedIds.get([consumer, stream]);
        if (id !== undefined) {
          void blockedById.remove(id);
          void blockedIds.remove([consumer, stream]);
        }
        return 'empty';
      }),
    async blocked(id) {
      return env.read(() => {
        const blocked = blockedAt(id);
        if (!blocked) return undefined;
        const { consumer, stream } = blocked;
        return {
          ...blocked,
          queued: queues.getKeysCount({ start: [consumer, stream, 0], end: [consumer, stream, Infinity] }),
        };
      });
    },
    async findBlocked({ consumer, stream, type, state }, { after, limit }) {
      return env.read(() => {
        const items: Blocked[] = [];
        for (const { value } of blockedById.getRange(
          after === undefined ? {} : { start: after, exclusiveStart: true },
        )) {
          const blocked = JSON.parse(value) as Blocked;
          if (
            (consumer && blocked.consumer !== consumer) ||
            (stream && blocked.stream !== stream) ||
            (state && blocked.state !== state)
          )
            continue;
          if (type && blocked.event.type !== type) continue;
          if (items.length === limit) return { items, next: items.at(-1)?.id ?? null };
          items.push(blocked);
        }
        return { items, next: null };
      });
    },

    schedule: (schedule, key, dueAt) =>
      env.transaction(() => {
        const before = schedules.get([schedule, key]);
        if (before !== undefined) void dueTimes.remove([schedule, before, key]);
        void schedules.put([schedule, key], dueAt);
        void dueTimes.put([schedule, dueAt, key], '');
      }),
    unschedule: (schedule, key) =>
      env.transaction(() => {
        const before = schedules.get([schedule, key]);
        if (before === undefined) return;
        void schedules.remove([schedule, key]);
        void dueTimes.remove([schedule, before, key]);
      }),
    async due(schedule, now, limit) {
      return env.read(() =>
        [...dueTimes.getKeys({ start: [schedule, ''], end: [schedule, now, HIGHEST], limit })].map(
          ([, dueAt, key]) => ({ key, dueAt }),
        ),
      );
    },

    async snapshot(stream, shape) {
      return env.read(() => {
        const text = snapshots.get([stream, shape]);
        return text === undefined ? undefined : (JSON.parse(text) as Snapshot);
      });
    },
    saveSnapshot: (stream, shape, snapshot) =>
      env.transaction(() => void snapshots.put([stream, shape], JSON.stringify(snapshot))),

    async close() {
      await env.close();
    },
  };
};

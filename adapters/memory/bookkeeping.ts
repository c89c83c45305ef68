import type { EventEnvelope } from '../../domain/kernel.ts';
import type { Blocked, Bookkeeping, Snapshot } from '../../ports/bookkeeping.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';

const copyOf = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts);

/** The bookkeeping's specification: lost with the process, what it holds kept as JSON would keep it. */
export const memoryBookkeeping = (): Bookkeeping => {
  const checkpoints = new Map<string, string>();
  const blockedById = new Map<string, Blocked>();
  const queues = new Map<string, EventEnvelope[]>();
  const schedules = new Map<string, Map<string, string>>();
  const snapshots = new Map<string, Snapshot>();
  let closed = false;
  const queueOf = (consumer: string, stream: string): EventEnvelope[] =>
    queues.get(keyOf(consumer, stream)) ?? [];
  const push = (consumer: string, stream: string, event: EventEnvelope): void => {
    queues.set(keyOf(consumer, stream), [...queueOf(consumer, stream), copyOf(event)]);
  };
  const open = (): void => {
    if (closed) throw new StoreUnavailable('the bookkeeping is closed');
  };

  return {
    async checkpoint(group, partition) {
      open();
      return checkpoints.get(keyOf(group, partition));
    },
    async saveCheckpoint(group, partition, expected, to) {
      open();
      if (checkpoints.get(keyOf(group, partition)) !== expected) return false;
      checkpoints.set(keyOf(group, partition), to);
      return true;
    },

    async block(blocked) {
      open();
      blockedById.set(blocked.id, copyOf(blocked));
      if (queueOf(blocked.consumer, blocked.stream).length === 0)
        push(blocked.consumer, blocked.stream, blocked.event);
    },
    async enqueue(consumer, stream, event) {
      open();
      if (!queueOf(consumer, stream).some(({ id }) => id === event.id)) push(consumer, stream, event);
    },
    async head(consumer, stream) {
      open();
      return copyOf(queueOf(consumer, stream).slice(0, 1))[0];
    },
    async dequeue(consumer, stream, eventId) {
      open();
      const [head, ...rest] = queueOf(consumer, stream);
      if (head && head.id !== eventId) return 'more';
      queues.set(keyOf(consumer, stream), rest);
      if (rest.length > 0) return 'more';
      queues.delete(keyOf(consumer, stream));
      for (const [id, blocked] of blockedById)
        if (blocked.consumer === consumer && blocked.stream === stream) blockedById.delete(id);
      return 'empty';
    },
    async blocked(id) {
      open();
      const blocked = blockedById.get(id);
      return blocked && { ...copyOf(blocked), queued: queueOf(blocked.consumer, blocked.stream).length };
    },
    async findBlocked({ consumer, stream, type, state }, { after = '', limit }) {
      open();
      const items = [...blockedById.values()]
        .filter((b) => b.id > after)
        .filter(
          (b) =>
            (!consumer || b.consumer === consumer) &&
            (!stream || b.stream === stream) &&
            (!type || b.event.type === type) &&
            (!state || b.state === state),
        )
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      const page = items.slice(0, limit);
      return { items: copyOf(page), next: items.length > limit ? (page.at(-1)?.id ?? null) : null };
    },

    async schedule(schedule, key, dueAt) {
      open();
      schedules.set(schedule, (schedules.get(schedule) ?? new Map<string, string>()).set(key, dueAt));
    },
    async unschedule(schedule, key) {
      open();
      schedules.get(schedule)?.delete(key);
    },
    async due(schedule, now, limit) {
      open();
      const due = [...(schedules.get(schedule) ?? [])]
        .map(([key, dueAt]) => ({ key, dueAt }))
        .filter(({ dueAt }) => dueAt <= now);
      return due.sort((a, b) => (keyOf(a.dueAt, a.key) < keyOf(b.dueAt, b.key) ? -1 : 1)).slice(0, limit);
    },

    async snapshot(stream, shape) {
      open();
      const snapshot = snapshots.get(keyOf(stream, shape));
      return snapshot && copyOf(snapshot);
    },
    async saveSnapshot(stream, shape, snapshot) {
      open();
      snapshots.set(keyOf(stream, shape), copyOf(snapshot));
    },
    async close() {
      closed = true;
    },
  };
};

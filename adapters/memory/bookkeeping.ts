/** The specification of what the runtime remembers beside events: lost with the process, kept as JSON would keep it. */
import type { EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../../ports/blocked-lanes.ts';
import type { Checkpoints } from '../../ports/checkpoints.ts';
import type { Control, Controls } from '../../ports/controls.ts';
import { OtherStore } from '../../ports/event-store.ts';
import type { Lease, Leases } from '../../ports/lease.ts';
import type { Schedule } from '../../ports/schedule.ts';
import type { Snapshot, Snapshots } from '../../ports/snapshots.ts';
import { createListeners } from '../listeners.ts';
import { memoryFences } from './fences.ts';

const copyOf = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts);
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const memoryLeases = (): Leases => {
  const leases = new Map<string, Lease>();
  const same = (a: Lease | undefined, b: Lease | undefined): boolean =>
    a?.token === b?.token && a?.beat === b?.beat && a?.holder === b?.holder;
  const swap = (seen: Lease | undefined, name: string, to: Lease): Lease | undefined => {
    if (!same(leases.get(name), seen)) return undefined;
    leases.set(name, to);
    return to;
  };
  return {
    read: async (name) => leases.get(name),
    take: async (name, holder, seen) =>
      swap(seen, name, { name, holder, token: (seen?.token ?? 0) + 1, beat: 0 }),
    renew: async (held) => swap(held, held.name, { ...held, beat: held.beat + 1 }),
    release: async (held) => void swap(held, held.name, { ...held, holder: '' }),
  };
};

/** `kept`: what an earlier one with the same map has saved. */
export const memoryCheckpoints = (
  store: string,
  kept = new Map<string, Readonly<{ store: string; at: string }>>(),
): Checkpoints => {
  const passes = memoryFences();
  const read = (group: string, partition: string): string | undefined => {
    const found = kept.get(keyOf(group, partition));
    if (found && found.store !== store)
      throw new OtherStore(`the checkpoint of ${group}`, found.store, store);
    return found?.at;
  };
  return {
    get: async (group, partition) => read(group, partition),
    async save(group, partition, expected, to, fence) {
      if (read(group, partition) !== expected || !passes(fence)) return false;
      kept.set(keyOf(group, partition), { store, at: to });
      return true;
    },
  };
};

export const memoryBlockedLanes = (): BlockedLanes => {
  const lanes = new Map<string, BlockedLane>();
  const queues = new Map<string, readonly EventEnvelope[]>();
  const passes = memoryFences();
  const queueOf = (id: string): readonly EventEnvelope[] => queues.get(id) ?? [];
  const push = (id: string, event: EventEnvelope): void => {
    if (queueOf(id).some((waiting) => waiting.id === event.id)) return;
    queues.set(
      id,
      [...queueOf(id), copyOf(event)].sort((a, b) => byText(a.position, b.position) || byText(a.id, b.id)),
    );
  };
  return {
    guard: async (fence) => (passes(fence) ? 'kept' : 'fenced'),
    async block(lane, fence) {
      if (!passes(fence)) return 'fenced';
      lanes.set(lane.id, copyOf(lane));
      push(lane.id, lane.event);
      return 'kept';
    },
    async enqueue(id, event, fence) {
      if (!passes(fence)) return 'fenced';
      push(id, event);
      return 'kept';
    },
    head: async (id) => copyOf(queueOf(id).slice(0, 1))[0],
    async dequeue(id, eventId, fence) {
      if (!passes(fence)) return 'fenced';
      queues.set(
        id,
        queueOf(id).filter((event) => event.id !== eventId),
      );
      if (queueOf(id).length > 0) return 'more';
      lanes.delete(id);
      return 'empty';
    },
    async get(id) {
      const lane = lanes.get(id);
      return lane && { ...copyOf(lane), queued: queueOf(id).length };
    },
    async tally(consumer) {
      const ours = [...lanes.values()].filter((lane) => lane.consumer === consumer);
      const parked = ours.filter(({ state }) => state === 'parked').length;
      const [oldest] = ours.sort((a, b) => byText(a.firstAt, b.firstAt) || byText(a.id, b.id));
      return {
        retrying: ours.length - parked,
        parked,
        ...(oldest && { oldest: { id: oldest.id, stream: oldest.event.stream, firstAt: oldest.firstAt } }),
      };
    },
    async find({ consumer, stream, type, state }, { after = '', limit }) {
      const items = [...lanes.values()]
        .filter(
          (lane) =>
            lane.id > after &&
            (consumer === undefined || lane.consumer === consumer) &&
            (stream === undefined || lane.event.stream === stream) &&
            (type === undefined || lane.event.type === type) &&
            (state === undefined || lane.state === state),
        )
        .sort((a, b) => byText(a.id, b.id));
      const page = items.slice(0, limit);
      return { items: copyOf(page), next: items.length > limit ? (page.at(-1)?.id ?? null) : null };
    },
  };
};

export const memorySchedule = (): Schedule => {
  const schedules = new Map<string, Map<string, string>>();
  return {
    async set(schedule, key, dueAt) {
      schedules.set(schedule, (schedules.get(schedule) ?? new Map<string, string>()).set(key, dueAt));
    },
    clear: async (schedule, key) => void schedules.get(schedule)?.delete(key),
    async due(schedule, now, limit) {
      const due = [...(schedules.get(schedule) ?? [])].map(([key, dueAt]) => ({ key, dueAt }));
      return due
        .filter(({ dueAt }) => dueAt <= now)
        .sort((a, b) => byText(a.dueAt, b.dueAt) || byText(a.key, b.key))
        .slice(0, limit);
    },
  };
};

export const memorySnapshots = (): Snapshots => {
  const snapshots = new Map<string, Snapshot>();
  return {
    async get(stream, shape) {
      const snapshot = snapshots.get(keyOf(stream, shape));
      return snapshot && copyOf(snapshot);
    },
    save: async (stream, shape, snapshot) => void snapshots.set(keyOf(stream, shape), copyOf(snapshot)),
  };
};

export const memoryControls = (): Controls => {
  const controls = new Map<string, Control>();
  const listeners = createListeners();
  const passes = memoryFences();
  return {
    async ask(control) {
      if (!controls.has(control.id)) controls.set(control.id, copyOf(control));
      listeners.tell();
    },
    async get(id) {
      const control = controls.get(id);
      return control && copyOf(control);
    },
    async open(targets, limit) {
      const found = [...controls.values()].filter(
        ({ target, endedAt }) => endedAt === undefined && targets.includes(target),
      );
      return copyOf(found.sort((a, b) => byText(a.id, b.id)).slice(0, limit));
    },
    async latest(targets, limit) {
      const found = [...controls.values()].filter(({ target }) => targets.includes(target));
      return copyOf(found.sort((a, b) => byText(b.id, a.id)).slice(0, limit));
    },
    async report(id, told, fence) {
      const control = controls.get(id);
      if (!passes(fence) || !control || control.endedAt !== undefined) return 'refused';
      controls.set(id, copyOf({ ...control, ...told }));
      listeners.tell();
      return 'kept';
    },
    async forget(time) {
      for (const { id, endedAt } of controls.values())
        if (endedAt !== undefined && endedAt < time) controls.delete(id);
    },
    onChange: listeners.add,
  };
};

/** All of it, of the event store with the id `store`. */
export const memoryBookkeeping = (store: string) => ({
  checkpoints: memoryCheckpoints(store),
  blockedLanes: memoryBlockedLanes(),
  schedule: memorySchedule(),
  snapshots: memorySnapshots(),
  leases: memoryLeases(),
  controls: memoryControls(),
});

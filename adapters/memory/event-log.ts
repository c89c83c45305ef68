/**
 * A log of several partitions, apart from the event store, and the groups that follow it: what Kafka is to us, in
 * memory. A member is one process's; it takes part as long as it shows signs of life, and hears of what it was given and
 * what is gone when it does.
 */
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { Assignment, EventFeed, From, Lag, Member } from '../../ports/event-feed.ts';
import type { EventPublisher, Publishing } from '../../ports/event-publisher.ts';
import type { Clock } from '../../ports/system.ts';
import { createListeners } from '../listeners.ts';
import { passing } from '../stored-event.ts';

/** `sessionMs`: how long a member without a sign of life keeps its partitions. */
export type MemberOptions = Readonly<{ clock: Clock; sessionMs: number }>;
export type MemoryEventLog = Readonly<{
  publisher: EventPublisher;
  /** As another process has it. */
  feed(options: MemberOptions): EventFeed;
}>;

type Held = Readonly<{ assignment: Assignment; end: AbortController }>;
type Holder = Readonly<{ member: number; token: number }>;
/** Of one partition. `committed`: how many of its events are finished. `meant`: who should hold it. */
type Place = { committed: number; token: number; meant: number | undefined; holder: Holder | undefined };
/** `behind`: what stands up to there is not for the group, also when it is published late. */
type Group = Readonly<{
  places: readonly Place[];
  members: Map<number, number>;
  behind: Position | undefined;
}>;

const BEATS = 10;

const cursorOf = (offset: number): string => String(offset).padStart(16, '0');

/** Publishes by `publish`, one after the other. */
export const sequential = (publish: Publishing['publish']): EventPublisher => ({
  publish,
  sequence() {
    let last = Promise.resolve();
    return { publish: (events) => (last = last.then(() => publish(events))) };
  },
});

export const memoryEventLog = (partitions: number): MemoryEventLog => {
  const logs: EventEnvelope[][] = Array.from({ length: partitions }, () => []);
  const groups = new Map<string, Group>();
  const fresh = createListeners();
  let lastMember = 0;

  const partitionIndex = (stream: string): number => {
    let hash = 0;
    for (const character of stream) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0;
    return hash % partitions;
  };
  /** Of each partition, how many of its events do not stand behind `position`. */
  const offsetsAt = (position: Position | undefined): number[] =>
    logs.map((log) => log.findLastIndex((event) => position !== undefined && event.position <= position) + 1);
  const groupOf = (name: string, from: From): Group => {
    let group = groups.get(name);
    if (!group) {
      const starts =
        from === 'now'
          ? logs.map(({ length }) => length)
          : offsetsAt(from === 'beginning' ? undefined : from.behind);
      const places = starts.map((committed): Place => ({
        committed,
        token: 0,
        meant: undefined,
        holder: undefined,
      }));
      const behind = typeof from === 'string' ? undefined : from.behind;
      groups.set(name, (group = { places, members: new Map(), behind }));
    }
    return group;
  };
  const share = ({ places, members }: Group): void => {
    const ids = [...members.keys()];
    for (const [partition, place] of places.entries()) {
      place.meant = ids[partition % Math.max(1, ids.length)];
      if (place.holder && !members.has(place.holder.member)) place.holder = undefined;
    }
  };

  const feed = ({ clock, sessionMs }: MemberOptions): EventFeed => ({
    partitionOf: (stream) => String(partitionIndex(stream)),
    partitionsOf: () => logs.map((_log, partition) => String(partition)),
    homeOf: (partition, stream) =>
      Number(partition) < partitions ? partition : String(partitionIndex(stream)),

    async subscribe(name, { from, batchSize, ...filter }, { onAssigned, onBatch }: Member) {
      const group = groupOf(name, from);
      const { places, members } = group;
      const me = (lastMember += 1);
      const stopping = new AbortController();
      let broken: Readonly<{ error: unknown }> | undefined;
      const held = new Map<number, Held>();
      const delivering = new Set<Promise<void>>();
      const passes = passing(filter);
      const holds = (place: Place, { assignment }: Held): boolean =>
        place.holder?.member === me && place.holder.token === assignment.fence?.token;

      const deliver = async (partition: number, { assignment }: Held): Promise<void> => {
        const { signal } = assignment;
        const log = logs[partition]!;
        await onAssigned(assignment);
        for (let next = places[partition]!.committed; !signal.aborted;) {
          const end = Math.min(log.length, next + batchSize);
          if (end === next)
            await new Promise<void>((resolve) => {
              const woken = (): void => {
                stop();
                resolve();
              };
              const stop = fresh.add(woken);
              signal.addEventListener('abort', woken, { once: true });
            });
          else {
            const deliveries = log
              .slice(next, end)
              .map((event, at) => ({ event, cursor: cursorOf(next + at) }))
              .filter(
                ({ event }) => passes(event) && (group.behind === undefined || event.position > group.behind),
              );
            await onBatch({
              ...assignment,
              deliveries,
              through: cursorOf(end - 1),
              atTail: end === log.length,
            });
            next = end;
          }
        }
      };
      const leave = (partition: number): void => {
        const one = held.get(partition);
        if (!one) return;
        held.delete(partition);
        if (holds(places[partition]!, one)) places[partition]!.holder = undefined;
        one.end.abort();
      };
      /** What is gone is left before anybody else takes it; what is meant for this member is taken once it is free. */
      const settle = (): void => {
        for (const [partition, place] of places.entries()) {
          const one = held.get(partition);
          if (one && (place.meant !== me || !holds(place, one))) leave(partition);
          if (place.meant !== me || place.holder) continue;
          place.holder = { member: me, token: (place.token += 1) };
          const end = new AbortController();
          const fence = { lease: `consume:${name}/${partition}`, token: place.token };
          const taken: Held = {
            end,
            assignment: { partition: String(partition), signal: end.signal, fence },
          };
          held.set(partition, taken);
          const running = deliver(partition, taken)
            .catch((error: unknown) => {
              broken ??= { error };
              stopping.abort();
            })
            .finally(() => delivering.delete(running));
          delivering.add(running);
        }
      };
      const takePart = async (): Promise<void> => {
        while (!stopping.signal.aborted) {
          const nowMs = clock.now().getTime();
          const others = members.size;
          for (const [member, seenMs] of members)
            if (member !== me && nowMs - seenMs > sessionMs) members.delete(member);
          if (!members.has(me) || members.size !== others) {
            members.set(me, nowMs);
            share(group);
          }
          members.set(me, nowMs);
          settle();
          await clock.sleep(sessionMs / BEATS, stopping.signal);
        }
        for (const partition of held.keys()) leave(partition);
        members.delete(me);
        share(group);
        if (broken) throw broken.error;
      };
      const ended = takePart();
      ended.catch(() => undefined); // who subscribed hears of it
      return {
        async commit(partition, cursor) {
          const one = held.get(Number(partition));
          const place = places[Number(partition)];
          if (one && place && holds(place, one))
            place.committed = Math.max(place.committed, Number(cursor) + 1);
        },
        async close() {
          stopping.abort();
          await ended.catch(() => undefined);
          await Promise.all(delivering);
        },
        ended,
      };
    },

    async lag(name): Promise<readonly Lag[]> {
      const { places } = groups.get(name) ?? { places: logs.map(() => ({ committed: 0 })) };
      return places.map(({ committed }, partition) => {
        const waiting = logs[partition]!.slice(committed);
        const ageMs = waiting[0] ? clock.now().getTime() - Date.parse(waiting[0].meta.recordedAt) : 0;
        return { partition: String(partition), events: waiting.length, seconds: Math.max(0, ageMs / 1000) };
      });
    },

    async reached(name) {
      const places = groups.get(name)?.places ?? [];
      const next = places.flatMap(({ committed }, partition) => logs[partition]![committed]?.position ?? []);
      const first = next.sort()[0];
      return logs
        .flat()
        .map(({ position }) => position)
        .filter((position) => places.length > 0 && (first === undefined || position < first))
        .sort()
        .at(-1);
    },
  });

  return {
    publisher: sequential(async (events) => {
      for (const event of events) logs[partitionIndex(event.stream)]!.push(structuredClone(event));
      fresh.tell();
    }),
    feed,
  };
};

/** Events handed to a consumer again: counted before, asked for, seen on their way, stopped. */
import { categoryOf, type EventEnvelope, type Position } from '../../domain/kernel.ts';
import type { Consumer } from '../../ports/consumer.ts';
import type { Control, Controls } from '../../ports/controls.ts';
import type { EventFeed } from '../../ports/event-feed.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Clock } from '../../ports/system.ts';
import type { By } from './parked.ts';

/**
 * Which events: behind `after` (undefined: from the beginning), up to `through` (included), of one stream or of all, of
 * these types or of all that the consumer handles.
 */
export type ReplayRange = Readonly<{
  after?: Position;
  through: Position;
  stream?: string;
  types?: readonly string[];
}>;
/** `perSecond`: events at most, of all partitions together. `partitions`: which have any. `events`: how many there are. */
export type ReplayRequest = ReplayRange &
  Readonly<{ name: string; perSecond?: number; partitions: readonly string[]; events: number }>;

type Replayable = Pick<Consumer, 'name' | 'handles'>;
export type ReplayPlan = Readonly<{
  /** That the consumer is handed. */
  events: number;
  /** History besides, which it passes over. */
  imported: number;
  byType: Readonly<Record<string, number>>;
  /** `meta.at` of the first and the last. */
  firstAt: string | null;
  lastAt: string | null;
}>;
/** How far a replay is. `handed`: events that were handled again, or wait in their lane since that failed. */
export type ReplayReport = Omit<ReplayRequest, 'perSecond'> &
  Readonly<{
    id: string;
    consumer: string;
    state: 'running' | 'done' | 'stopped';
    handed: number;
    perSecond: number | null;
    by: By;
    askedAt: string;
    endedAt: string | null;
  }>;

export const replayTarget = (consumer: string): string => `replay:${consumer}`;

const ASKED = 'replay';
export const replayRequest = (what: unknown): ReplayRequest | undefined => {
  const { do: act, ...request } = what as ReplayRequest & { do?: string };
  return act === ASKED ? request : undefined;
};

/** The part of a replay that a partition's holder sees to. `position`: up to where it is finished. */
export type PartProgress = Readonly<{ events: number; position?: Position }>;
export const partId = (replay: string, partition: string): string => `${replay}/${partition}`;
export const partProgress = (progress: unknown): PartProgress =>
  (progress as PartProgress | undefined) ?? { events: 0 };

/** The events of a range that a consumer handles, in order. */
export async function* eventsIn(
  store: Pick<EventStore, 'readAll' | 'readStream'>,
  { handles }: Pick<Replayable, 'handles'>,
  { after, through, stream, types = handles.types }: ReplayRange,
): AsyncGenerator<EventEnvelope | Readonly<{ scanned: Position }>> {
  if (stream !== undefined) {
    if (!handles.categories.includes(categoryOf(stream))) return;
    for await (const event of store.readStream(stream))
      if (
        (after === undefined || event.position > after) &&
        event.position <= through &&
        types.includes(event.type)
      )
        yield event;
    return;
  }
  for (let at = after, ended = false; !ended;) {
    const page = await store.readAll(at, { categories: handles.categories, types });
    for (const event of page.events) if (event.position <= through) yield event;
    at = page.scanned;
    ended = page.atTail || at === undefined || at >= through;
    if (!ended && at !== undefined) yield { scanned: at };
  }
}

/** What a replay would hand over. Throws StoreUnavailable. */
export const planReplay = async (
  store: Pick<EventStore, 'readAll' | 'readStream'>,
  consumer: Replayable,
  range: ReplayRange,
  onProgress?: (events: number) => void,
): Promise<ReplayPlan> => {
  const byType: Record<string, number> = {};
  let [events, imported] = [0, 0];
  let [firstAt, lastAt]: [string | null, string | null] = [null, null];
  for await (const next of eventsIn(store, consumer, range)) {
    if ('scanned' in next) continue;
    const { type, meta } = next;
    if (meta.origin === 'import') {
      imported += 1;
      continue;
    }
    events += 1;
    byType[type] = (byType[type] ?? 0) + 1;
    firstAt ??= meta.at;
    lastAt = meta.at;
    onProgress?.(events);
  }
  return { events, imported, byType, firstAt, lastAt };
};

/**
 * Asks whoever runs the consumer, now or later, to handle the events of `range` again. Repeating is safe, since a handler
 * does only what its order still needs. `id`: the replay's, new.
 */
export const askForReplay = async (
  { controls, feed, clock }: Readonly<{ controls: Controls; feed: EventFeed; clock: Clock }>,
  id: string,
  consumer: Replayable,
  range: ReplayRange & Readonly<{ name: string; perSecond?: number; events: number }>,
  { actor, reason }: By,
): Promise<void> => {
  const { stream } = range;
  const partitions =
    stream === undefined ? feed.partitionsOf(consumer.handles.categories) : [feed.partitionOf(stream)];
  const what = { do: ASKED, ...range, partitions };
  const askedAt = clock.now().toISOString();
  await controls.ask({ id, target: replayTarget(consumer.name), what, actor, reason, askedAt });
};

/** How far it has come; ended where all its parts have. */
export const followReplay = async (
  controls: Controls,
  control: Control,
): Promise<ReplayReport | undefined> => {
  const request = replayRequest(control.what);
  if (!request) return undefined;
  const { partitions, perSecond } = request;
  const parts = await Promise.all(partitions.map((partition) => controls.get(partId(control.id, partition))));
  const stopped = (control.progress as { stopped?: true } | undefined)?.stopped === true;
  const done = parts.every((part) => part?.endedAt !== undefined);
  return {
    ...request,
    id: control.id,
    consumer: control.target.slice(replayTarget('').length),
    state: stopped ? 'stopped' : done ? 'done' : 'running',
    handed: parts.reduce((sum, part) => sum + partProgress(part?.progress).events, 0),
    perSecond: perSecond ?? null,
    by: { actor: control.actor, reason: control.reason },
    askedAt: control.askedAt,
    endedAt: control.endedAt ?? null,
  };
};

/** Ends it where all its parts have ended. */
export const endReplay = async (controls: Controls, control: Control, clock: Clock): Promise<void> => {
  if ((await followReplay(controls, control))?.state === 'done')
    await controls.report(control.id, { progress: {}, endedAt: clock.now().toISOString() });
};

/** Whoever is at it stops within a second. */
export const stopReplay = async (
  controls: Controls,
  { id, partitions }: Readonly<{ id: string; partitions: readonly string[] }>,
  clock: Clock,
): Promise<void> => {
  const endedAt = clock.now().toISOString();
  await controls.report(id, { progress: { stopped: true }, endedAt });
  for (const partition of partitions) {
    const part = await controls.get(partId(id, partition));
    if (part) await controls.report(part.id, { progress: part.progress, endedAt });
  }
};

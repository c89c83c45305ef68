/** Copies a store's events into another one: in their order, with ids and all that they carry, resumed where it was left. */
import canonicalize from 'canonicalize';
import type { EventEnvelope, NewEvent, Position } from '../../domain/kernel.ts';
import type { EventStore } from '../../ports/event-store.ts';

/** The other store is not a copy of this one, or has gone on by itself; nothing more was written to it. */
export class CopyRefused extends Error {
  override readonly name = 'CopyRefused';
}

export type CopyOptions = Readonly<{
  from: EventStore;
  to: EventStore;
  /** `at`: where it has come to in `from`. */
  onProgress(at: Position): void;
}>;

/** Past every time that an event has. */
const END_OF_TIME = '9999-12-31T23:59:59Z';
/** One append takes no more of a stream's events, and no more characters of their JSON, unless one event has more. */
const RUN_EVENTS = 100;
const RUN_CHARACTERS = 100_000;

const eventAt = async (store: EventStore, position: Position): Promise<EventEnvelope | undefined> => {
  const { events } = await store.readAll(await store.before({ position }), { limit: 1 });
  return events[0]?.position === position ? events[0] : undefined;
};
const eventOf = async (
  store: EventStore,
  { stream, revision }: EventEnvelope,
): Promise<EventEnvelope | undefined> => {
  for await (const event of store.readStream(stream, { from: revision, limit: 1 })) return event;
  return undefined;
};

/** All of an event but its place in the store. */
const textOf = (event: EventEnvelope): string | undefined => canonicalize({ ...event, position: '' });

/** Up to where `to` has everything of `from`. */
const copiedUpTo = async (from: EventStore, to: EventStore): Promise<Position | undefined> => {
  const last = await to.before({ time: END_OF_TIME });
  const event = last === undefined ? undefined : await eventAt(to, last);
  if (!event) return undefined;
  const original = await eventOf(from, event);
  if (!original || textOf(original) !== textOf(event))
    throw new CopyRefused(
      `the other store ends with ${event.type} ${event.id} (${event.stream} at revision ${event.revision}), which this one does not have: it holds another shop, or this one has moved there and gone on; give an empty store, or another --prefix`,
    );
  return original.position;
};

/** Parts of a page, each of one stream and to be appended at once. */
const runsOf = (events: readonly EventEnvelope[]): EventEnvelope[][] => {
  const runs: EventEnvelope[][] = [];
  let characters = 0;
  for (const event of events) {
    const length = JSON.stringify([event.data, event.meta]).length;
    const run = runs.at(-1);
    const fits = run && run.length < RUN_EVENTS && characters + length <= RUN_CHARACTERS;
    if (fits && run[0]!.stream === event.stream) {
      run.push(event);
      characters += length;
    } else {
      runs.push([event]);
      characters = length;
    }
  }
  return runs;
};

/**
 * Copies what `to` lacks, up to the tail, one append after the other, so that the order of the whole store is kept.
 * Answers how many events. Killed and called again it goes on behind the last event that arrived. Throws CopyRefused,
 * StoreUnavailable, AppendTooLarge.
 */
export const copyEvents = async ({ from, to, onProgress }: CopyOptions): Promise<number> => {
  let after = await copiedUpTo(from, to);
  for (let copied = 0; ;) {
    const page = await from.readAll(after);
    for (const run of runsOf(page.events)) {
      const [{ stream, revision, position }] = run as [EventEnvelope];
      const events = run.map(({ type, data, id, schema, meta }): NewEvent => ({
        type,
        data,
        id,
        schema,
        meta,
      }));
      const appended = await to.append(stream, revision === 0 ? 'none' : revision - 1, events);
      if (!appended.ok)
        throw new CopyRefused(
          `in the other store ${stream} is at revision ${appended.actual}, and revision ${revision} comes next: somebody else writes to it`,
        );
      copied += run.length;
      onProgress(position);
    }
    after = page.scanned;
    if (page.atTail) return copied;
  }
};

/** Where the event at a position of `from` stands in its copy. Throws CopyRefused where there is none. */
export const placeInCopy = async (
  from: EventStore,
  to: EventStore,
  position: Position,
): Promise<Position> => {
  const original = await eventAt(from, position);
  const copy = original && (await eventOf(to, original));
  if (!copy || copy.id !== original.id)
    throw new CopyRefused(`the event at ${position} has not been copied: copy the events first`);
  return copy.position;
};

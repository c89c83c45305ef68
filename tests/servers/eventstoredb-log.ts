/**
 * What an EventStoreDB keeps and answers to an append, in memory. Its rules differ from our port's (expected revisions,
 * what counts as the same append, deletions, system streams), so it stands on arrays of its own.
 */
import { systemClock, systemRandomness } from '../../adapters/system.ts';

export type Expected = number | 'any' | 'noStream' | 'streamExists';
export type Proposed = Readonly<{
  id: string;
  type: string;
  contentType: string;
  data: Uint8Array;
  metadata: Uint8Array;
}>;
/** `created`: 100 ns ticks since 1970. */
export type Recorded = Proposed &
  Readonly<{ stream: string; revision: number; position: bigint; created: string }>;
export type Outcome =
  | Readonly<{ kind: 'appended'; revision: number; position: bigint }>
  | Readonly<{ kind: 'wrong'; actual: number | undefined }>
  | Readonly<{ kind: 'deleted' }>
  | Readonly<{ kind: 'tooLarge' }>
  | Readonly<{ kind: 'bad'; message: string }>;

export const MOST_BYTES = 1_048_576;
const FIRST_POSITION = 100n;
const RECORD_BYTES = 96;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** `$tb` of a stream that is deleted, and the revision of what ends one for good. */
export const LAST_REVISION = '9223372036854775807';

/** What the stream's own `$$` stream says of it; `$maxAge` in seconds. */
type Bounds = Partial<Readonly<{ $tb: number; $maxCount: number; $maxAge: number }>>;

export const createLog = () => {
  const all: Recorded[] = [];
  const streams = new Map<string, Recorded[]>();
  const places = new Map<bigint, number>();
  const tombstones = new Set<string>();
  const listeners = new Set<() => void>();
  let end = FIRST_POSITION;
  let created = 0n;
  /** Where each id was written first. */
  const seen = new Map<string, Recorded>();

  const record = (stream: string, event: Proposed, revision?: number): Recorded => {
    const events = streams.get(stream) ?? [];
    const now = BigInt(systemClock.now().getTime()) * 10_000n;
    created = now > created ? now : created + 1n;
    const recorded = {
      ...event,
      id: event.id.toLowerCase(),
      stream,
      revision: revision ?? events.length,
      position: end,
      created: String(created),
    };
    events.push(recorded);
    streams.set(stream, events);
    if (!seen.has(recorded.id)) seen.set(recorded.id, recorded);
    places.set(end, all.push(recorded) - 1);
    end += BigInt(RECORD_BYTES + event.data.length + event.metadata.length);
    return recorded;
  };
  const system = (stream: string, type: string, data: string, revision?: number): Recorded => {
    const event = { id: systemRandomness.uuid(), type, contentType: 'application/json' };
    return record(stream, { ...event, data: Buffer.from(data), metadata: new Uint8Array() }, revision);
  };
  const last = (stream: string): number => (streams.get(stream)?.length ?? 0) - 1;
  const boundsOf = (stream: string): Bounds => {
    const data = streams.get(`$$${stream}`)?.at(-1)?.data;
    return data ? (JSON.parse(Buffer.from(data).toString('utf8')) as Bounds) : {};
  };
  const isDeleted = (stream: string): boolean => boundsOf(stream).$tb === Number(LAST_REVISION);
  const tell = (): void => {
    for (const heard of listeners) heard();
  };
  const wrong = (stream: string): Outcome => ({
    kind: 'wrong',
    actual: last(stream) < 0 ? undefined : last(stream),
  });
  const told = (recorded: Recorded): Outcome => ({
    kind: 'appended',
    revision: recorded.revision,
    position: recorded.position,
  });

  /** The same ids where they were stored before: the answer of then. Undefined: they are new. */
  const repeated = (stream: string, expected: Expected, events: readonly Proposed[]): Outcome | undefined => {
    const ids = events.map(({ id }) => id.toLowerCase());
    if (expected === 'any' || expected === 'streamExists') {
      const found = ids.map((id) => seen.get(id)).map((one) => (one?.stream === stream ? one : undefined));
      if (!found[0]) return undefined;
      const final = found.at(-1);
      return found.every((one) => one !== undefined) && final ? told(final) : wrong(stream);
    }
    const first = expected === 'noStream' ? 0 : expected + 1;
    const there = (streams.get(stream) ?? []).slice(first, first + ids.length);
    const final = there.at(-1);
    return final && there.length === ids.length && there.every(({ id }, i) => id === ids[i])
      ? told(final)
      : wrong(stream);
  };

  const append = (stream: string, expected: Expected, events: readonly Proposed[]): Outcome => {
    if (stream === '')
      return {
        kind: 'bad',
        message: "Specified argument was out of the range of valid values. (Parameter 'eventStreamId')",
      };
    for (const { id, type } of events)
      if (!UUID.test(id) || type === '')
        return { kind: 'bad', message: 'Specified argument was out of the range of valid values.' };
    const bytes = events.reduce(
      (sum, { data, metadata, type }) => sum + data.length + metadata.length + type.length * 2,
      0,
    );
    if (bytes > MOST_BYTES) return { kind: 'tooLarge' };
    if (tombstones.has(stream)) return { kind: 'deleted' };
    const current = last(stream);
    if (expected === 'streamExists') {
      if (isDeleted(stream)) return { kind: 'deleted' };
      if (current < 0) return wrong(stream);
    }
    const fits =
      typeof expected === 'number'
        ? expected === current
        : expected === 'noStream'
          ? current < 0 || isDeleted(stream)
          : true;
    if (events.length === 0)
      return fits ? { kind: 'appended', revision: Math.max(0, current), position: end } : wrong(stream);
    if (!fits || typeof expected === 'string') {
      const before =
        typeof expected === 'number' && expected > current
          ? wrong(stream)
          : repeated(stream, expected, events);
      if (before && !(fits && before.kind === 'wrong' && expected === 'noStream')) return before;
    }
    const deleted = isDeleted(stream);
    const recorded = events.map((event) => record(stream, event));
    if (deleted) system(`$$${stream}`, '$metadata', `{"$tb":${current + 1}}`);
    tell();
    return told(recorded.at(-1)!);
  };

  return {
    all,
    append,
    /** Undefined for a stream that is missing or deleted; 'tombstoned' for one that is gone for good. */
    read(stream: string): readonly Recorded[] | 'tombstoned' | undefined {
      if (tombstones.has(stream)) return 'tombstoned';
      if (last(stream) < 0 || isDeleted(stream)) return undefined;
      const { $tb = 0, $maxCount = Infinity, $maxAge = Infinity } = boundsOf(stream);
      const from = Math.max($tb, last(stream) + 1 - $maxCount);
      const since = systemClock.now().getTime() - $maxAge * 1_000;
      return (streams.get(stream) ?? []).filter(
        (event) => event.revision >= from && Number(event.created) / 10_000 > since,
      );
    },
    /** The index in `all` of the event at a position; undefined where none begins. */
    indexOf: (position: bigint): number | undefined => (position >= end ? all.length : places.get(position)),
    remove(stream: string, expected: Expected, forGood: boolean): Outcome {
      if (tombstones.has(stream)) return { kind: 'deleted' };
      const current = last(stream);
      if (
        (expected === 'noStream' && current >= 0) ||
        (typeof expected === 'number' && expected !== current) ||
        (current < 0 && !forGood)
      )
        return wrong(stream);
      if (forGood) {
        tombstones.add(stream);
        const ended = system(stream, '$streamDeleted', '{}', Number(LAST_REVISION));
        tell();
        return told(ended);
      }
      const deleted = system(`$$${stream}`, '$metadata', `{"$tb":${LAST_REVISION}}`);
      tell();
      return told(deleted);
    },
    isTombstoned: (stream: string): boolean => tombstones.has(stream),
    /** As after a restart: what was written stays, which ids were seen is forgotten. */
    restart() {
      seen.clear();
    },
    /** `heard` is told of every append, until the answer is called. */
    listen(heard: () => void): () => void {
      listeners.add(heard);
      return () => void listeners.delete(heard);
    },
  };
};

/** What an auditor asks of the store: search who did what and when, and take all of it along. */
import type { EventEnvelope, Position } from '../domain/kernel.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { KeyPart } from '../ports/read-store.ts';
import { hashOf } from '../runtime/command/chain.ts';
import type { AuditRow } from '../projections/audit-log.ts';
import type { ViewReader } from '../runtime/view/read.ts';

/**
 * `order`: the id of an order. `from` (inclusive) and `to` (exclusive) bound `meta.at` and are ISO 8601 with
 * milliseconds, UTC.
 */
export type AuditFilters = Readonly<
  Partial<Record<'actor' | 'type' | 'order' | 'stream' | 'from' | 'to', string | undefined>>
>;
/**
 * `events`: as they are stored, newest first. `next`: the cursor of the next page; there may be more though
 * this page is not full.
 */
export type AuditPage = Readonly<{ events: readonly EventEnvelope[]; next: string | null }>;
export type AuditDeps = Readonly<{ auditLog: ViewReader<AuditRow>; store: EventStore }>;

/** Rows looked at for one page: past it the page ends early and says where the next one starts. */
const SCAN_ROWS = 1_000;
const FIND_ROWS = 200;

/** A place in what is searched: `cursor` is behind it. `event`: where it came along with the row. */
type Entry = Readonly<{ row: AuditRow; cursor: string; event?: EventEnvelope }>;
/**
 * What the filters are looked for in, newest first. `name`: tells cursors of one source from those of
 * another.
 */
type Source = Readonly<{
  name: string;
  read(
    after: string | undefined,
    limit: number,
  ): Promise<Readonly<{ entries: readonly Entry[]; more: boolean }>>;
}>;

const instant = (at: string): string => new Date(at).toISOString();

/** One index of the view, between the times asked for. */
const indexSource = (
  view: ViewReader<AuditRow>,
  name: string,
  prefix: readonly KeyPart[],
  { from, to }: AuditFilters,
): Source => ({
  name,
  async read(after, limit) {
    const { rows, next } = await view.find({
      index: name,
      prefix,
      limit,
      descending: true,
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(after === undefined ? {} : { after }),
    });
    return { entries: rows.map(({ doc, cursor }) => ({ row: doc, cursor })), more: next !== null };
  },
});

/** A stream read from its end: it is its own index, and its times never go back. */
const streamSource = (store: EventStore, stream: string, { from }: AuditFilters): Source => ({
  name: 'stream',
  async read(after, limit) {
    if (after !== undefined && !/^\d{1,15}$/.test(after))
      throw new RangeError('this cursor does not belong to the query');
    if (after === '0') return { entries: [], more: false };
    const entries: Entry[] = [];
    for await (const event of store.readStream(stream, {
      direction: 'backward',
      limit,
      ...(after === undefined ? {} : { from: Number(after) - 1 }),
    })) {
      const {
        revision,
        type,
        meta: { actor, at },
      } = event;
      entries.push({
        row: { stream, revision, type, actorId: actor.id, role: actor.role, at: instant(at) },
        cursor: String(revision),
        event,
      });
    }
    const last = entries.at(-1)?.row;
    return {
      entries,
      more: last !== undefined && last.revision > 0 && (from === undefined || last.at >= from),
    };
  },
});

/** The most telling filter says where to look; the others sift what is found there. */
const sourceFor = ({ auditLog, store }: AuditDeps, filters: AuditFilters): Source => {
  const { order, stream, actor, type } = filters;
  if (order !== undefined) return indexSource(auditLog, 'order', [order], filters);
  if (stream !== undefined) return streamSource(store, stream, filters);
  if (actor !== undefined) return indexSource(auditLog, 'actor', [actor], filters);
  return type === undefined
    ? indexSource(auditLog, 'time', [], filters)
    : indexSource(auditLog, 'type', [type], filters);
};

/** All filters again, whatever the source has seen to. */
const passes = (row: AuditRow, { actor, type, order, stream, from, to }: AuditFilters): boolean =>
  (actor === undefined || row.actorId === actor) &&
  (type === undefined || row.type === type) &&
  (order === undefined || row.stream === `order-${order}`) &&
  (stream === undefined || row.stream === stream) &&
  (from === undefined || row.at >= from) &&
  (to === undefined || row.at < to);

const eventOf = async (
  store: EventStore,
  { row: { stream, revision }, event }: Entry,
): Promise<EventEnvelope> => {
  if (event) return event;
  for await (const found of store.readStream(stream, { from: revision, limit: 1 })) return found;
  throw new Error(`the view audit-log names ${stream}@${revision}, which the store does not hold`);
};

/**
 * One page of at most `limit` events. Throws RangeError for a cursor that is none of this search,
 * ViewUnavailable, StoreUnavailable.
 */
export const searchAudit = async (
  deps: AuditDeps,
  filters: AuditFilters,
  { cursor, limit }: Readonly<{ cursor?: string; limit: number }>,
): Promise<AuditPage> => {
  const { name, read } = sourceFor(deps, filters);
  // A cursor is a place in one source; under another filter it would mean nothing.
  const tag = `${name}:`;
  if (cursor !== undefined && !cursor.startsWith(tag))
    throw new RangeError('this cursor does not belong to the query');
  const events: EventEnvelope[] = [];
  let after = cursor?.slice(tag.length);
  for (let scanned = 0; scanned < SCAN_ROWS;) {
    const { entries, more } = await read(after, Math.min(FIND_ROWS, limit + 1, SCAN_ROWS - scanned));
    for (const [place, entry] of entries.entries()) {
      scanned += 1;
      after = entry.cursor;
      if (passes(entry.row, filters)) events.push(await eventOf(deps.store, entry));
      if (events.length === limit)
        return { events, next: more || place < entries.length - 1 ? tag + entry.cursor : null };
    }
    if (!more || entries.length === 0) return { events, next: null };
  }
  return { events, next: after === undefined ? null : tag + after };
};

/**
 * Whole lines, each ended; `events`: how many; `last`: the position of the last, behind which an export can
 * go on.
 */
export type ExportChunk = Readonly<{ text: string; events: number; last: Position }>;
export type Export = Readonly<{
  until: Position | undefined;
  chunks(signal?: AbortSignal): AsyncIterable<ExportChunk>;
}>;

const CHUNK_CHARACTERS = 64 * 1024;
const PAGE_EVENTS = 500;

/**
 * An event as offline verification needs it: all that `hash` is over, `hash` itself, and the place in the
 * store.
 */
export const exportLine = (event: EventEnvelope): string => {
  const { position, stream, revision, id, type, schema, data, meta } = event;
  return JSON.stringify({ position, stream, revision, id, type, schema, data, meta, hash: hashOf(event) });
};

/**
 * Every event behind `after` in the order of commit, up to what is the tail now, as lines of JSON: a page of
 * the store in memory at a time, however slowly they are taken. Throws RangeError when `after` is no position
 * of this store.
 */
export const exportEvents = async (store: EventStore, after: Position | undefined): Promise<Export> => {
  const until = await store.tail();
  if (after !== undefined) {
    if (until === undefined || after > until) throw new RangeError(`${after} is no position of this store`);
    await store.readAll(after, { limit: 1 });
  }
  return {
    until,
    async *chunks(signal) {
      let from = after;
      let [lines, characters, events, last]: [string[], number, number, Position | undefined] = [
        [],
        0,
        0,
        undefined,
      ];
      while (until !== undefined && (from === undefined || from < until) && !signal?.aborted) {
        const page = await store.readAll(from, { limit: PAGE_EVENTS });
        for (const event of page.events) {
          if (event.position > until || signal?.aborted) break;
          const line = exportLine(event);
          lines.push(line, '\n');
          [characters, events, last] = [characters + line.length + 1, events + 1, event.position];
          if (characters < CHUNK_CHARACTERS) continue;
          yield { text: lines.join(''), events, last };
          [lines, characters, events] = [[], 0, 0];
        }
        if (page.scanned === undefined || page.scanned === from) break;
        from = page.scanned;
      }
      if (last !== undefined && events > 0 && !signal?.aborted) yield { text: lines.join(''), events, last };
    },
  };
};

/** Events into rows: what touches one row is folded in memory and written once. */
import { LRUCache } from 'lru-cache';
import { NewerEvent, type EventEnvelope, type Position } from '../../domain/kernel.ts';
import type { Projection } from '../../ports/projection.ts';
import type { Row } from '../../ports/read-store.ts';
import { isRetriable } from '../retry.ts';

/** The event that a view could not fold: a bug of the view, or an event that its code does not know. */
export class ProjectionFailed extends Error {
  override readonly name = 'ProjectionFailed';
  readonly event: EventEnvelope;
  constructor(event: EventEnvelope, cause: unknown) {
    super(
      `${event.type} (${event.stream}@${event.revision}, position ${event.position}) could not be folded: ${String(cause)}`,
      { cause },
    );
    this.event = event;
  }
}

/** `further`: it was named by another row that the same event touched. */
type Folded<D> = Readonly<{ doc: D | null; at: Position | undefined; further: boolean }>;
export type Folding<D> = Readonly<{
  /**
   * Folds `events` into the rows that wait to be written. Throws ProjectionFailed; what was folded before it
   * stays.
   */
  take(events: readonly EventEnvelope[]): Promise<void>;
  /** Rows that wait to be written. */
  waiting(): number;
  /**
   * The rows to write, which wait no longer, those that were named by others before those that named them; folding goes
   * on from them, written or not, until the next call.
   */
  rows(): Row<D>[];
}>;

const REMEMBERED = 2_000;

/**
 * `read` reads a row as it is stored. Only one writer may fold a view at a time: rows that were written are
 * remembered (2,000 of them) instead of read again.
 *
 * An event that a row has in it already is not folded into it again: a crash that left some rows of a batch written
 * repeats the batch. What a row names is told from the row as it was at that event; so what it names is written first,
 * and while it is not written itself, it is folded again from where it was.
 */
export const createFolding = <D>(
  projection: Projection<D>,
  read: (id: string) => Promise<Pick<Row<D>, 'doc' | 'at'> | undefined>,
): Folding<D> => {
  let pending = new Map<string, Folded<D>>();
  let handedOut = new Map<string, Folded<D>>();
  const remembered = new LRUCache<string, Folded<D>>({ max: REMEMBERED });

  const inMemory = (id: string): Folded<D> | undefined =>
    pending.get(id) ?? handedOut.get(id) ?? remembered.get(id);
  const stored = async (id: string): Promise<Folded<D>> => {
    const row = await read(id);
    return { doc: row?.doc ?? null, at: row?.at, further: false };
  };
  /** The document after the event; undefined when it had it in it already, or there is none any more. */
  const touch = (before: Folded<D>, event: EventEnvelope, id: string, from?: D): D | undefined => {
    if (before.at !== undefined && before.at >= event.position) return undefined;
    const doc = projection.apply(before.doc ?? undefined, event, id, from);
    pending.set(id, { doc, at: event.position, further: from !== undefined });
    return doc ?? undefined;
  };
  return {
    async take(events) {
      for (const event of events) {
        try {
          for (const id of projection.idsOf(event)) {
            // Most rows are in memory, and waiting for nothing a hundred thousand times takes its time, too.
            const doc = touch(inMemory(id) ?? (await stored(id)), event, id);
            if (doc === undefined || !projection.furtherIdsOf) continue;
            for (const further of projection.furtherIdsOf(doc, event, id))
              touch(inMemory(further) ?? (await stored(further)), event, further, doc);
          }
        } catch (error) {
          // A store that is away is no fault of the event. One that is too new is left to a newer process, which waits
          // for this one to stand still.
          if (isRetriable(error) && !(error instanceof NewerEvent)) throw error;
          throw new ProjectionFailed(event, error);
        }
      }
    },
    waiting: () => pending.size,
    rows() {
      for (const [id, folded] of handedOut) remembered.set(id, folded);
      handedOut = pending;
      pending = new Map();
      const rows = [...handedOut].map(([id, { doc, at, further }]) => ({
        further,
        row: { id, doc, at: at as Position, columns: doc === null ? {} : projection.columnsOf(doc) },
      }));
      return [...rows.filter(({ further }) => further), ...rows.filter(({ further }) => !further)].map(
        ({ row }) => row,
      );
    },
  };
};

/** The rows after `events`. Throws ProjectionFailed with the event that broke. */
export const foldRows = async <D>(
  projection: Projection<D>,
  events: readonly EventEnvelope[],
  read: (id: string) => Promise<Pick<Row<D>, 'doc' | 'at'> | undefined>,
): Promise<Row<D>[]> => {
  const folding = createFolding(projection, read);
  await folding.take(events);
  return folding.rows();
};

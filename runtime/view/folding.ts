/** Events into rows: what touches one row is folded in memory and written once. */
import { LRUCache } from 'lru-cache';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { Projection, Row } from '../../ports/read-store.ts';
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

type Folded<D> = Readonly<{ doc: D | null; at: Position }>;
export type Folding<D> = Readonly<{
  /**
   * Folds `events` into the rows that wait to be written. Throws ProjectionFailed; what was folded before it
   * stays.
   */
  take(events: readonly EventEnvelope[]): Promise<void>;
  /** Rows that wait to be written. */
  waiting(): number;
  /**
   * The rows to write, which wait no longer; folding goes on from them, written or not, until the next call.
   */
  rows(): Row<D>[];
}>;

const REMEMBERED = 2_000;

/**
 * `get` reads a row as it is stored. Only one writer may fold a view at a time: rows that were written are
 * remembered (2,000 of them) instead of read again.
 */
export const createFolding = <D>(
  projection: Projection<D>,
  get: (id: string) => Promise<D | undefined>,
): Folding<D> => {
  let pending = new Map<string, Folded<D>>();
  let handedOut = new Map<string, Folded<D>>();
  const remembered = new LRUCache<string, Folded<D>>({ max: REMEMBERED });

  const known = (id: string): Folded<D> | undefined =>
    pending.get(id) ?? handedOut.get(id) ?? remembered.get(id);
  const touch = async (event: EventEnvelope, id: string, from?: D): Promise<D | null> => {
    const before = known(id);
    const doc = projection.apply(before ? (before.doc ?? undefined) : await get(id), event, id, from);
    pending.set(id, { doc, at: event.position });
    return doc;
  };
  return {
    async take(events) {
      for (const event of events) {
        try {
          for (const id of projection.idsOf(event)) {
            const doc = await touch(event, id);
            if (doc === null || !projection.furtherIdsOf) continue;
            for (const further of projection.furtherIdsOf(doc, event, id)) await touch(event, further, doc);
          }
        } catch (error) {
          // A store that is away is no fault of the event.
          if (isRetriable(error)) throw error;
          throw new ProjectionFailed(event, error);
        }
      }
    },
    waiting: () => pending.size,
    rows() {
      for (const [id, folded] of handedOut) remembered.set(id, folded);
      handedOut = pending;
      pending = new Map();
      return [...handedOut].map(([id, { doc, at }]) => ({
        id,
        doc,
        at,
        keys: doc === null ? {} : projection.keys(doc),
      }));
    },
  };
};

/** The rows after `events`. Throws ProjectionFailed with the event that broke. */
export const foldRows = async <D>(
  projection: Projection<D>,
  events: readonly EventEnvelope[],
  get: (id: string) => Promise<D | undefined>,
): Promise<Row<D>[]> => {
  const folding = createFolding(projection, get);
  await folding.take(events);
  return folding.rows();
};

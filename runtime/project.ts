/** Keeps a view up with the store: pages in, rows and checkpoint out, together. */
import type { EventEnvelope, Position } from '../domain/kernel.ts';
import type { EventStore } from '../ports/event-store.ts';
import type { Projection, ReadStore, Row } from '../ports/read-store.ts';
import type { Clock, Log } from '../ports/system.ts';
import { viewName } from './views.ts';

/** `failed`: the event that the view could not fold, and why; that view alone stands still there. */
export type ProjectionStatus = Readonly<{
  view: string;
  state: 'running' | 'failed' | 'stopped';
  position: Position | undefined;
  lag: Readonly<{ seconds: number }>;
  failed?: Readonly<{ position: Position; type: string; stream: string; error: string }>;
}>;
export type RunningProjection = Readonly<{ status(): ProjectionStatus; close(): Promise<void> }>;

/** The rows after `events`: what touches one row is folded in memory and written once. Throws ProjectionFailed with the event that broke. */
export const foldRows = async <D>(projection: Projection<D>, events: readonly EventEnvelope[], get: (id: string) => Promise<D | undefined>): Promise<Row<D>[]> => {
  const docs = new Map<string, D | null>();
  for (const event of events) {
    try {
      for (const id of projection.idsOf(event)) {
        const before = docs.has(id) ? (docs.get(id) ?? undefined) : await get(id);
        docs.set(id, projection.apply(before, event, id));
      }
    } catch (error) {
      throw new ProjectionFailed(event, error);
    }
  }
  return [...docs].map(([id, doc]) => ({ id, doc, keys: doc === null ? {} : projection.keys(doc) }));
};

export class ProjectionFailed extends Error {
  override readonly name = 'ProjectionFailed';
  readonly event: EventEnvelope;
  constructor(event: EventEnvelope, cause: unknown) {
    super(`${event.type} (${event.stream}@${event.revision}, position ${event.position}) could not be folded: ${String(cause)}`, { cause });
    this.event = event;
  }
}

const PAGE = 500;
const RETRY_MS = 1_000;

/** Runs until `close()`. A store that is away is waited for; an event that throws stops this view in sight. */
export const runProjection = <D>(deps: Readonly<{ store: EventStore; reads: ReadStore; clock: Clock; log: Log }>, projection: Projection<D>): RunningProjection => {
  const { store, reads, clock, log } = deps;
  const view = viewName(projection);
  const stop = new AbortController();
  let status: ProjectionStatus = { view, state: 'running', position: undefined, lag: { seconds: 0 } };

  const follow = async (): Promise<void> => {
    let from = await reads.checkpoint(view);
    status = { ...status, position: from };
    for await (const page of store.subscribe(from, { categories: projection.categories, limit: PAGE, signal: stop.signal })) {
      const { scanned, events, atTail } = page;
      if (scanned === undefined || scanned === from) continue;
      const rows = await foldRows(projection, events, (id) => reads.get<D>(view, id));
      if ((await reads.commit(view, from, rows, scanned)) === 'stale') {
        // Another process keeps this view; go on from where it is.
        return;
      }
      from = scanned;
      const newest = events.at(-1);
      const behindMs = atTail || !newest ? 0 : clock.now().getTime() - Date.parse(newest.meta.recordedAt);
      status = { ...status, position: from, lag: { seconds: Math.max(0, behindMs / 1000) } };
    }
  };

  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (error instanceof ProjectionFailed) {
          const { position, type, stream } = error.event;
          status = { ...status, state: 'failed', failed: { position, type, stream, error: error.message } };
          log.error({ view, position, type, stream, error: error.message }, 'a view stands still: it could not fold an event');
          return;
        }
        log.warn({ view, error: String(error) }, 'a view could not go on; trying again');
      }
      await clock.sleep(RETRY_MS, stop.signal);
    }
    status = { ...status, state: 'stopped' };
  };
  const running = run();
  return {
    status: () => status,
    async close() {
      stop.abort();
      await running;
    },
  };
};

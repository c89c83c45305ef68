/** Every stream of a store checked, each when its first event is met, in bounded memory. */
import { categoryOf, type Position } from '../../domain/kernel.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Progress } from '../cli/progress.ts';
import { checkStream, type Violation } from './check-stream.ts';

/** `violations` counts all, `first` lists some. `categories`: streams of each. */
export type StoreReport = Readonly<{
  streams: number;
  events: number;
  violations: number;
  first: readonly Violation[];
  categories: Readonly<Record<string, number>>;
}>;

const LISTED = 100;
const PER_STREAM = 1_000;
const PAGE_EVENTS = 1_000;

/** What is appended meanwhile is left for the next time. Throws StoreUnavailable. */
export const checkStore = async (store: EventStore, progress: Progress): Promise<StoreReport> => {
  const until = await store.tail();
  const categories: Record<string, number> = {};
  const first: Violation[] = [];
  let [streams, events, inStreams, violations] = [0, 0, 0, 0];
  const blame = (found: readonly Violation[]): void => {
    violations += found.length;
    first.push(...found.slice(0, LISTED - first.length));
  };
  let after: Position | undefined;
  let lastPosition = '';
  for (let atTail = until === undefined; !atTail;) {
    const page = await store.readAll(after, { limit: PAGE_EVENTS });
    for (const event of page.events) {
      if (until === undefined || event.position > until) break;
      const { stream, revision, position } = event;
      events += 1;
      if (position <= lastPosition)
        blame([{ stream, revision, sentence: `position ${position} stands behind ${lastPosition}` }]);
      lastPosition = position;
      if (revision !== 0) continue;
      streams += 1;
      categories[categoryOf(stream)] = (categories[categoryOf(stream)] ?? 0) + 1;
      const report = await checkStream(store, stream, until, PER_STREAM);
      inStreams += report.events;
      blame(report.violations);
      progress.report('checking events', inStreams, undefined);
    }
    after = page.scanned;
    atTail = page.atTail || (after !== undefined && until !== undefined && after >= until);
  }
  progress.end();
  if (inStreams !== events)
    blame([
      {
        stream: '(the whole store)',
        revision: -1,
        sentence: `it holds ${events} events; the streams that begin at revision 0 hold ${inStreams}: some are missing from one or the other`,
      },
    ]);
  return { streams, events, violations, first, categories };
};

/** How `subscribe` waits: shared by the stores that hear of their own appends. */
import type { Position } from '../domain/kernel.ts';
import type { EventPage, EventStore, PageOptions } from '../ports/event-store.ts';

export type EventSignal = Readonly<{
  /** Counts the rings so far. */
  count(): number;
  ring(): void;
  /** Resolves when the count is past `seen` or `signal` aborts. */
  past(seen: number, signal: AbortSignal): Promise<void>;
}>;

export const eventSignal = (): EventSignal => {
  let rings = 0;
  let waiting = new Set<() => void>();
  return {
    count: () => rings,
    ring() {
      rings += 1;
      const woken = waiting;
      waiting = new Set();
      for (const wake of woken) wake();
    },
    past: (seen, signal) =>
      new Promise((resolve) => {
        if (rings !== seen || signal.aborted) return resolve();
        const wake = (): void => {
          waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      }),
  };
};

/**
 * The pages behind `after` without end: one at once, then one whenever it moved or the tail came into sight.
 * Ends when `signal` aborts; throws what `readAll` throws. `wait` resolves when there may be more.
 */
export async function* follow(
  readAll: EventStore['readAll'],
  ring: EventSignal,
  after: Position | undefined,
  { signal, ...options }: PageOptions & Readonly<{ signal: AbortSignal }>,
): AsyncGenerator<EventPage> {
  let from = after;
  let told: boolean | undefined;
  while (!signal.aborted) {
    const seen = ring.count(); // before reading: what is appended meanwhile ends the wait at once
    const page = await readAll(from, options);
    if (signal.aborted) return;
    const news = page.scanned !== from || page.atTail !== told;
    from = page.scanned;
    told = page.atTail;
    if (news) yield page;
    if (page.atTail) await ring.past(seen, signal);
  }
}

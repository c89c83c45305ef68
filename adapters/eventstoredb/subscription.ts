/** What comes, filtered by the server, as pages of the port. */
import { excludeSystemEvents, START, streamNameFilter, type Filter } from '@eventstore/db-client';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import { StoreUnavailable, type EventFilter, type EventPage } from '../../ports/event-store.ts';
import { PAGE_BYTES, passing } from '../stored-event.ts';
import type { Connection } from './connection.ts';
import { placeOf, positionOf, received } from './record.ts';

/** `limit`: events a page. */
export type SubscriptionOptions = EventFilter &
  Readonly<{ after: Position | undefined; limit: number; prefix: string; signal: AbortSignal }>;

/** The server tells where it is after so many events that do not pass. */
const WINDOW = 500;
const WINDOWS = 4;
const BUFFERED = 256;

/** What stands between two events: how far the server has looked, or that everything is told. */
type Mark = Readonly<{ after: number } & ({ position: Position } | { caughtUp: boolean })>;

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
/** Types are left to us: a filter is on one thing. */
const filterOf = (
  { categories }: EventFilter,
  prefix: string,
  checkpointReached: NonNullable<Filter['checkpointReached']>,
): Filter => {
  const options = { maxSearchWindow: WINDOW, checkpointInterval: WINDOWS, checkpointReached };
  if (categories === undefined || categories.length === 0)
    return prefix === ''
      ? excludeSystemEvents(options)
      : streamNameFilter({ ...options, prefixes: [prefix] });
  return streamNameFilter({
    ...options,
    regex: `^${escaped(prefix)}(?:${categories.map(escaped).join('|')})(?:-|$)`,
  });
};

/**
 * Ends when `signal` aborts, throws StoreUnavailable when the server is gone; who follows begins again behind the last
 * page. The server stops sending while nobody takes pages.
 */
export async function* subscription(
  connection: Connection,
  { after, limit, prefix, signal, ...filter }: SubscriptionOptions,
): AsyncGenerator<EventPage> {
  const passes = passing(filter);
  const marks: Mark[] = [];
  let [taken, caughtUp, confirmed] = [0, false, false];
  let failure: unknown;
  let wake = (): void => undefined;
  const mark = (what: { position: Position } | { caughtUp: boolean }): void => {
    // What is in the buffer came before it.
    marks.push({ after: taken + events.readableLength, ...what });
    wake();
  };
  const fail = (error: unknown): void => {
    failure ??= error;
    wake();
  };
  const events = connection.subscriber().subscribeToAll(
    {
      fromPosition: after === undefined ? START : placeOf(after),
      resolveLinkTos: false,
      filter: filterOf(filter, prefix, async (_subscription, place) => mark({ position: positionOf(place) })),
    },
    { highWaterMark: BUFFERED },
  );
  const stop = (): void => wake();
  signal.addEventListener('abort', stop, { once: true });
  const gone = (): void => fail(new StoreUnavailable('the subscription has ended'));
  events.on('error', fail).on('end', gone).on('close', gone);
  events.on('readable', stop);
  events.on('caughtUp', () => mark({ caughtUp: true }));
  events.on('fellBehind' as 'caughtUp', () => mark({ caughtUp: false }));
  events.on('confirmation', () => {
    confirmed = true;
    wake();
  });
  const news = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  const confirmation = async (): Promise<void> => {
    while (!confirmed && failure === undefined && !signal.aborted) await news();
  };

  let scanned = after;
  let page: { events: EventEnvelope[]; bytes: number } = { events: [], bytes: 0 };
  let told: Readonly<{ scanned: Position | undefined; atTail: boolean | undefined }> = {
    scanned,
    atTail: undefined,
  };
  const isFull = (): boolean => page.events.length >= limit || page.bytes >= PAGE_BYTES;
  /** Takes what is there, up to a full page. */
  const take = (): void => {
    while (!isFull()) {
      const [due] = marks;
      if (due && due.after <= taken) {
        marks.shift();
        if ('caughtUp' in due) caughtUp = due.caughtUp;
        else if (scanned === undefined || due.position > scanned) scanned = due.position;
        continue;
      }
      const item = events.read();
      if (item === null) return;
      taken += 1;
      if (item.event?.position) scanned = positionOf(item.event.position);
      const event = received(item, prefix);
      if (!event || !passes(event)) continue;
      page.events.push(event);
      page.bytes += JSON.stringify(event.data).length;
    }
  };
  try {
    await connection.inTime('be followed', confirmation());
    while (!signal.aborted) {
      take();
      const atTail = caughtUp && !isFull() && marks.length === 0;
      const moved = page.events.length > 0 || scanned !== told.scanned;
      // Short of the tail a page is filled first, or one that filters everything out tells how far it is.
      const due = isFull() || (atTail ? moved || !told.atTail : page.events.length === 0 && moved);
      if (due) {
        if (!atTail) await new Promise(setImmediate);
        if (signal.aborted) return;
        told = { scanned, atTail };
        const { events: some } = page;
        page = { events: [], bytes: 0 };
        yield { events: some, scanned, atTail };
      } else if (failure !== undefined) throw connection.failed('be followed', failure);
      else await news();
    }
  } finally {
    signal.removeEventListener('abort', stop);
    await events.unsubscribe().catch(() => undefined);
  }
}

import type { EventEnvelope, NewEvent, Position } from '../domain/kernel.ts';

/**
 * `actual`: the stream's last revision, or 'none'. A conflict is a value: the caller loads what is new and
 * decides again.
 */
export type Appended =
  | { readonly ok: true; readonly revision: number; readonly position: Position }
  | { readonly ok: false; readonly actual: number | 'none' };

/** `from`: first revision to yield (forward: from 0; backward: from the last). `limit`: events at most. */
export type StreamRange = Readonly<{ from?: number; limit?: number; direction?: 'forward' | 'backward' }>;

/**
 * An event passes when its category (the stream's name before the first dash) and its type are listed; no
 * list passes all.
 */
export type EventFilter = Readonly<{ categories?: readonly string[]; types?: readonly string[] }>;

/**
 * `limit`: events a page at most; a page is also bounded in what it scans and in bytes, so that it can hold
 * fewer, or none, before the tail. `scanned`: where the next page starts, past what the filter left out;
 * undefined in an empty store.
 */
export type PageOptions = EventFilter & Readonly<{ limit?: number }>;
/** `time`: ISO 8601. */
export type Mark = Readonly<{ time: string } | { position: Position }>;
export type EventPage = Readonly<{
  events: readonly EventEnvelope[];
  scanned: Position | undefined;
  atTail: boolean;
}>;

/**
 * Streams of events, appended to under an expected revision and read in the order of commit.
 * Every method throws `StoreUnavailable` when the store cannot be reached or cannot write.
 */
export interface EventStore {
  /** Made with the store, and another for every store: positions mean something in theirs alone. */
  readonly id: string;
  /** Of a store that takes no more events, since they have moved to another one: where to, in words. */
  movedTo?(): Promise<string | undefined>;
  /**
   * Stores all `events` (one at least, APPEND_BYTES at most: else AppendTooLarge) behind revision `expected`, or none of them; resolves only when they
   * are durable. The same ids again at the same place give the same answer and store nothing.
   */
  append(stream: string, expected: number | 'none', events: readonly NewEvent[]): Promise<Appended>;
  /**
   * A missing stream yields nothing. Events come as they were stored (not upcast), PAGE_EVENTS at most between two turns
   * of the event loop: who folds a long stream holds up nobody.
   */
  readStream(stream: string, range?: StreamRange): AsyncIterable<EventEnvelope>;
  /**
   * One page of the whole store in the order of commit, behind `after` (exclusive; undefined = from the
   * beginning). Short of the tail it gives way first: who has many pages to go holds up nobody.
   */
  readAll(after: Position | undefined, options?: PageOptions): Promise<EventPage>;
  /**
   * Pages without end: what is there, then what is appended, also by other processes. Ends when `signal`
   * aborts.
   */
  subscribe(
    after: Position | undefined,
    options: PageOptions & Readonly<{ signal: AbortSignal }>,
  ): AsyncIterable<EventPage>;
  /** The position of the last event, undefined in an empty store. */
  tail(): Promise<Position | undefined>;
  /**
   * The position of the last event recorded before a time, or of the one ahead of a position: behind it a reader finds
   * all that was recorded since, or that event and what came after. Throws RangeError for a position of another store.
   */
  before(mark: Mark): Promise<Position | undefined>;
  close(): Promise<void>;
}

/** What an append may hold on every engine: the data and meta of its events as JSON text, in bytes of UTF-8. */
export const APPEND_BYTES = 1024 * 1024;

/** What one read takes at most, of a stream or of the whole store. */
export const PAGE_EVENTS = 500;

/** Nothing was stored; trying again is of no use. */
export class AppendTooLarge extends RangeError {
  override readonly name = 'AppendTooLarge';
  constructor(stream: string, bytes: number) {
    super(`an append to ${stream} has ${bytes} bytes, and ${APPEND_BYTES} are the most`);
  }
}

/**
 * The store cannot be reached, is full, or broke: nothing was half-written, an append's outcome is unknown,
 * trying again is right.
 */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly retriable = true;
}

/** A position, a checkpoint or a view's build that belongs to another event store than the one at hand. */
export class OtherStore extends Error {
  override readonly name = 'OtherStore';
  constructor(
    what: string,
    theirs: string,
    ours: string,
    whatToDo = 'bring back the folder or database that goes with this store, or carry a shop over with npm run copy',
  ) {
    super(`${what} belongs to the event store ${theirs}, and this one is ${ours}: ${whatToDo}`);
  }
}

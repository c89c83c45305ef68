/** How an event is kept as text, shared by the adapters that number events without gaps. */
import { categoryOf, type EventEnvelope, type NewEvent, type Position } from '../domain/kernel.ts';
import { APPEND_BYTES, AppendTooLarge, type EventFilter } from '../ports/event-store.ts';

/** Bounds of a page beside its events: events looked at, and characters of their JSON (a first event may have more). */
export const PAGE_SCANNED = 10_000;
export const PAGE_BYTES = 4 * 1024 * 1024;

const DIGITS = 16;
/** The place of the nth event (n from 1) as 16 decimal digits, so that positions sort as text. */
export const positionAt = (n: number): Position => String(n).padStart(DIGITS, '0') as Position;
/** 0 for undefined. Throws RangeError for what is no position of these stores. */
export const numberOf = (position: Position | undefined): number => {
  if (position === undefined) return 0;
  const n = Number(position);
  if (!/^\d{16}$/.test(position) || !Number.isSafeInteger(n))
    throw new RangeError(`${position} is no position of this store`);
  return n;
};

/**
 * Throws RangeError for a stream's name that no adapter could keep (empty, longer than 500 bytes, a NUL
 * inside) or for no events.
 */
export const checkAppend = (stream: string, events: readonly NewEvent[]): void => {
  if (stream === '' || stream.includes('\0') || Buffer.byteLength(stream) > 500)
    throw new RangeError(`"${stream}" cannot be a stream's name`);
  if (events.length === 0) throw new RangeError('an append needs one event at least');
};

/** `texts`: the JSON of an append's events. Throws AppendTooLarge. */
export const checkSize = (stream: string, texts: readonly string[]): void => {
  // A character takes three bytes at most: most appends need no counting.
  if (texts.reduce((sum, { length }) => sum + length * 3, 0) <= APPEND_BYTES) return;
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > APPEND_BYTES) throw new AppendTooLarge(stream, bytes);
};

/** The JSON text of an event without its position. */
export const textOf = (
  stream: string,
  revision: number,
  { type, id, schema, data, meta }: NewEvent,
): string => JSON.stringify({ type, stream, revision, id, schema, data, meta });

export const eventOf = (text: string, position: number): EventEnvelope => {
  const event = JSON.parse(text) as { position?: Position };
  event.position = positionAt(position);
  return event as EventEnvelope;
};

export const passing =
  ({ categories, types }: EventFilter) =>
  ({ stream, type }: EventEnvelope): boolean =>
    (types?.includes(type) ?? true) && (categories?.includes(categoryOf(stream)) ?? true);

/** Whether `stored` holds the very events that are to be appended: the same ids at the same place. */
export const sameIds = (stored: readonly (string | undefined)[], events: readonly NewEvent[]): boolean =>
  stored.length === events.length && events.every(({ id }, i) => stored[i] === id);

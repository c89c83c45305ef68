/**
 * A lane (here a stream) that waits behind a failed event, as the books hold it; and what an operator's retry and
 * discard write, from whichever process.
 */
import { createHash } from 'node:crypto';
import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import type { Blocked, Bookkeeping } from '../../ports/bookkeeping.ts';

/**
 * The id under which an operator finds what of `stream` waits for `consumer`: 24 hex digits, the same after
 * every restart.
 */
export const blockedId = (consumer: string, stream: string): string =>
  createHash('sha256').update(`${consumer}\n${stream}`).digest('hex').slice(0, 24);

/**
 * The same blocked stream, due at once with a fresh count: an operator's retry is not held against earlier
 * failures.
 */
export const dueNow = (blocked: Blocked, now: Date): Blocked => {
  const { id, consumer, stream, event, error, lastAt } = blocked;
  const at = now.toISOString();
  return {
    id,
    consumer,
    stream,
    event,
    error,
    lastAt,
    state: 'retrying',
    attempts: 0,
    firstAt: at,
    dueAt: at,
  };
};

/**
 * What an operator's retry writes, from any process: a running consumer notices within a second or so. Write
 * what is to be audited before. False when there is no such parked event.
 */
export const retryParkedIn = async (books: Bookkeeping, id: string, now: Date): Promise<boolean> => {
  const blocked = await books.blocked(id);
  if (blocked?.state !== 'parked') return false;
  await books.block(dueNow(blocked, now));
  return true;
};

/**
 * What an operator's discard writes, from any process: drops the event that failed; those behind it are due
 * at once.
 */
export const discardParkedIn = async (books: Bookkeeping, id: string, now: Date): Promise<boolean> => {
  const blocked = await books.blocked(id);
  if (blocked?.state !== 'parked') return false;
  const { consumer, stream, event } = blocked;
  if ((await books.dequeue(consumer, stream, event.id)) === 'empty') return true;
  const next = await books.head(consumer, stream);
  if (next)
    await books.block(
      dueNow({ ...blocked, event: next, error: { message: 'not tried yet', stack: '' } }, now),
    );
  return true;
};

/** What is audited of parking. `id` is the blocked stream's; `why`: the policy's or the operator's reason. */
export type ParkingEntry = Readonly<{
  type: 'EventParked' | 'ParkedEventRetried' | 'ParkedEventDiscarded';
  id: string;
  consumer: string;
  stream: string;
  eventId: string;
  eventType: string;
  revision: number;
  attempts: number;
  actor: Actor;
  at: string;
  why: string;
}>;

export const parkingEntry = (
  type: ParkingEntry['type'],
  blocked: Blocked,
  by: Readonly<{ actor: Actor; why: string; at: string }>,
): ParkingEntry => ({
  type,
  id: blocked.id,
  consumer: blocked.consumer,
  stream: blocked.stream,
  eventId: blocked.event.id,
  eventType: blocked.event.type,
  revision: blocked.event.revision,
  attempts: blocked.attempts,
  ...by,
});

/** How often and since when an event has failed. `pausedMs`: how long the breaker had been open by then. */
export type History = Readonly<{ attempts: number; firstAtMs: number; pausedMs: number }>;

const PAGE = 500;

/** Everything that waits for `consumer`, a page at a time. */
export async function* blockedOf(books: Bookkeeping, consumer: string): AsyncGenerator<Blocked> {
  for (let after: string | undefined; ;) {
    const page = await books.findBlocked(
      { consumer },
      after === undefined ? { limit: PAGE } : { after, limit: PAGE },
    );
    yield* page.items;
    if (page.next === null) return;
    after = page.next;
  }
}

/** The blocked event as the books hold it. Error texts are bounded: a stack may carry a whole response. */
export const blockedBy = (
  consumer: string,
  event: EventEnvelope,
  error: unknown,
  history: History,
  at: Date,
  state: Readonly<{ state: 'parked' }> | Readonly<{ state: 'retrying'; dueAt: string }>,
): Blocked => {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  return {
    id: blockedId(consumer, event.stream),
    consumer,
    stream: event.stream,
    event,
    error: { message: message.slice(0, 2_000), stack: (stack ?? '').slice(0, 8_000) },
    attempts: history.attempts,
    firstAt: new Date(history.firstAtMs).toISOString(),
    lastAt: at.toISOString(),
    ...state,
  };
};

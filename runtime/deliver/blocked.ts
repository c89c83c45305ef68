/** A lane that waits behind a failed event, as it is kept. */
import { createHash } from 'node:crypto';
import type { Actor, EventEnvelope } from '../../domain/kernel.ts';
import type { BlockedFilter, BlockedLane, BlockedLanes } from '../../ports/blocked-lanes.ts';
import type { Fence } from '../../ports/lease.ts';

/** A lane of one consumer. */
export type Lane = Pick<BlockedLane, 'consumer' | 'partition' | 'key'>;

/**
 * The id under which an operator finds a blocked lane: 24 hex digits, the same after every restart.
 */
export const laneId = ({ consumer, partition, key }: Lane): string =>
  createHash('sha256').update(`${consumer}\n${partition}\n${key}`).digest('hex').slice(0, 24);

/**
 * The same blocked lane, due at once with a fresh count: an operator's retry is not held against earlier
 * failures.
 */
export const dueNow = (blocked: BlockedLane, now: Date): BlockedLane => {
  const at = now.toISOString();
  return { ...blocked, state: 'retrying', attempts: 0, firstAt: at, dueAt: at };
};

/** What is audited of parking. `id` is the blocked lane's; `why`: the policy's or the operator's reason. */
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
  blocked: BlockedLane,
  by: Readonly<{ actor: Actor; why: string; at: string }>,
): ParkingEntry => ({
  type,
  id: blocked.id,
  consumer: blocked.consumer,
  stream: blocked.event.stream,
  eventId: blocked.event.id,
  eventType: blocked.event.type,
  revision: blocked.event.revision,
  attempts: blocked.attempts,
  ...by,
});

/** How often and since when an event has failed. `pausedMs`: how long the breaker had been open by then. */
export type History = Readonly<{ attempts: number; firstAtMs: number; pausedMs: number }>;

const PAGE = 500;

/** Every blocked lane that matches, a page at a time; between two pages others get their turn, however many there are. */
export async function* blockedOf(lanes: BlockedLanes, filter: BlockedFilter): AsyncGenerator<BlockedLane> {
  for (let after: string | undefined; ;) {
    const page = await lanes.find(filter, after === undefined ? { limit: PAGE } : { after, limit: PAGE });
    yield* page.items;
    if (page.next === null) return;
    await new Promise(setImmediate);
    after = page.next;
  }
}

/**
 * What was blocked under another feed, in the lane that it has in this one; answers that lane. A crash on the way moves
 * the rest when it is called again.
 */
export const moveLane = async (
  lanes: BlockedLanes,
  from: BlockedLane,
  lane: Lane,
  fence: Fence | undefined,
): Promise<BlockedLane | 'fenced'> => {
  const moved = { ...from, ...lane, id: laneId(lane) };
  const there = await lanes.get(moved.id);
  if (!there && (await lanes.block(moved, fence)) === 'fenced') return 'fenced';
  for (let head = await lanes.head(from.id); head; head = await lanes.head(from.id)) {
    if ((await lanes.enqueue(moved.id, head, fence)) === 'fenced') return 'fenced';
    if ((await lanes.dequeue(from.id, head.id, fence)) === 'fenced') return 'fenced';
  }
  return there ?? moved;
};

/** The blocked lane as it is kept. Error texts are bounded: a stack may carry a whole response. */
export const blockedBy = (
  lane: Lane,
  event: EventEnvelope,
  error: unknown,
  history: History,
  at: Date,
  state: Readonly<{ state: 'parked' }> | Readonly<{ state: 'retrying'; dueAt: string }>,
): BlockedLane => {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  const { consumer, partition, key } = lane;
  return {
    id: laneId(lane),
    consumer,
    partition,
    key,
    event,
    error: { message: message.slice(0, 2_000), stack: (stack ?? '').slice(0, 8_000) },
    attempts: history.attempts,
    firstAt: new Date(history.firstAtMs).toISOString(),
    lastAt: at.toISOString(),
    ...state,
  };
};

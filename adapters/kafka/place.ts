/** One partition as a member of a group has it: what was fetched, what is handed out, what is finished. */
import type { KafkaMessage } from 'kafkajs';
import { v5 } from 'uuid';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import { UNREADABLE, type Delivery } from '../../ports/event-feed.ts';
import type { EventFilter } from '../../ports/event-store.ts';
import { passing } from '../stored-event.ts';
import type { Mark } from './mark.ts';
import { decode, placeName } from './message.ts';

const DIGITS = 20;
/** An offset as a cursor: 20 digits, so that it sorts as text. What comes before it from the store has its position added. */
const cursorOf = (offset: string): string => offset.padStart(DIGITS, '0');
const offsetAfter = (cursor: string): string => String(BigInt(cursor.slice(0, DIGITS)) + 1n);

/** What is to be committed: the offset to go on at, and what is known beside it. */
export type Finished = Readonly<{ offset: string; mark: Mark }>;
export type Handed = Readonly<{ deliveries: readonly Delivery[]; through: string; atTail: boolean }>;

export type Place = Readonly<{
  topic: string;
  partition: number;
  /** `topic/partition`. */
  name: string;
  end: AbortController;
  /** From here on messages are taken: from `offset`. */
  begin(offset: string, mark: Mark): void;
  /** Hands out events that come before those messages, and that the topic no longer holds. */
  handStored(events: readonly EventEnvelope[]): Handed;
  /** All of them have been handed out, up to `until`, which messages may repeat. */
  filled(until: Position | undefined): void;
  /** Whether messages are missing before these: the next one expected is another. */
  lacks(messages: readonly KafkaMessage[]): boolean;
  /** The offset that comes next. */
  next(): bigint;
  /** Takes what was fetched; before it has begun nothing. Says whether it took it. */
  fetched(messages: readonly KafkaMessage[], highWatermark: string): boolean;
  /** The next `most` messages at most, of which some may not concern the group; undefined when there are none. */
  hand(most: number): Handed | undefined;
  /** Everything up to `cursor` is finished. */
  finish(cursor: string): void;
  /** What has been finished since it was last taken. */
  take(): Finished | undefined;
  /** Gives back what was taken and could not be committed. */
  untake(finished: Finished): void;
  mark(): Mark | undefined;
  waiting(): number;
  /** When the oldest event was recorded that is not finished, of those that are here (ISO 8601). */
  oldest(): string | undefined;
  /** Resolves when there may be more to hand out, or it is gone. */
  news(): Promise<void>;
}>;

type Out = Readonly<{ cursor: string; position: Position | undefined; recordedAt: string }>;

/** Stands for a message that is none of our events: it is parked, with what came, in the lane of its key. */
const unreadable = (
  topic: string,
  partition: number,
  message: KafkaMessage,
  position: Position,
  why: string,
): EventEnvelope => {
  const { key, value, headers, offset, timestamp } = message;
  const recordedAt = new Date(Number(timestamp)).toISOString();
  const stream = key?.toString() || `unreadable-${topic}/${partition}`;
  const id = v5(`${topic}/${partition}/${offset}`, v5.URL);
  return {
    type: UNREADABLE,
    schema: 1,
    id,
    stream,
    revision: 0,
    position,
    data: {
      why,
      topic,
      partition,
      offset,
      headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)])),
      base64: value?.toString('base64') ?? null,
    },
    meta: {
      commandId: id,
      at: recordedAt,
      recordedAt,
      actor: { id: 'kafka', role: 'system' },
      origin: 'live',
      correlationId: stream,
      causationId: id,
      previousHash: '0'.repeat(64),
    },
  };
};

export const createPlace = (topic: string, partition: number, filter: EventFilter): Place => {
  const end = new AbortController();
  let queue: KafkaMessage[] = [];
  const out: Out[] = [];
  let [next, high] = [-1n, 0n];
  let mark: Mark | undefined;
  let dropping: Position | undefined;
  /** Of the last offset that the topic does not hold any more. */
  let gone = '';
  let filledTo: Position | undefined;
  let finished: Finished | undefined;
  let wake = (): void => undefined;
  end.signal.addEventListener('abort', () => wake());

  const wanted = passing(filter);
  const deliver = (message: KafkaMessage): Delivery | undefined => {
    const cursor = cursorOf(message.offset);
    const decoded = decode(message);
    if (!decoded.ok) {
      const before = out.at(-1)?.position ?? mark?.through ?? ('' as Position);
      const event = unreadable(topic, partition, message, before, decoded.why);
      out.push({ cursor, position: undefined, recordedAt: event.meta.recordedAt });
      return { event, cursor };
    }
    const { event } = decoded;
    out.push({ cursor, position: event.position, recordedAt: event.meta.recordedAt });
    if (dropping !== undefined && event.position <= dropping) return undefined;
    dropping = undefined;
    return wanted(event) ? { event, cursor } : undefined;
  };

  return {
    topic,
    partition,
    name: placeName({ topic, partition }),
    end,
    begin(offset, from) {
      next = BigInt(offset);
      mark = from;
      if (from.gap) gone = cursorOf(String(next - 1n));
      else dropping = from.behind;
    },
    handStored(events) {
      const deliveries = events.map((event) => {
        const cursor = `${gone}/${event.position}`;
        out.push({ cursor, position: event.position, recordedAt: event.meta.recordedAt });
        return { event, cursor };
      });
      return { deliveries, through: deliveries.at(-1)?.cursor ?? gone, atTail: false };
    },
    filled(until) {
      dropping = filledTo = until ?? ('' as Position);
      if (!mark || out.length > 0) return;
      const { gap: _gap, ...rest } = mark;
      mark = { ...rest, behind: filledTo };
      finished = { offset: offsetAfter(gone), mark };
    },
    next: () => next,
    lacks: ([first]) => next >= 0n && first !== undefined && BigInt(first.offset) > next,
    fetched(messages, highWatermark) {
      if (next < 0n || end.signal.aborted) return false;
      high = BigInt(highWatermark);
      for (const message of messages) {
        if (BigInt(message.offset) < next) continue;
        queue.push(message);
        next = BigInt(message.offset) + 1n;
      }
      wake();
      return true;
    },
    hand(most) {
      const some = queue.slice(0, most);
      const last = some.at(-1);
      if (!last) return undefined;
      queue = queue.slice(most);
      const deliveries = some.flatMap((message) => deliver(message) ?? []);
      return {
        deliveries,
        through: cursorOf(last.offset),
        atTail: queue.length === 0 && BigInt(last.offset) + 1n >= high,
      };
    },
    finish(cursor) {
      if (!mark) return;
      let { through, at } = mark;
      let count = 0;
      for (let first = out[count]; first && first.cursor <= cursor; first = out[count]) {
        through = first.position ?? through;
        at = first.recordedAt;
        count += 1;
      }
      if (count === 0) return;
      out.splice(0, count);
      const gap = mark.gap && (filledTo === undefined || out[0]?.cursor.startsWith(gone));
      const behind = mark.gap && !gap ? filledTo : mark.behind;
      mark = {
        ...(through === undefined ? {} : { through }),
        ...(at === undefined ? {} : { at }),
        // Until the first one behind it is finished a crash comes back to where some are to be dropped.
        ...(behind === undefined || (through !== undefined && through > behind) ? {} : { behind }),
        ...(gap ? { gap } : {}),
      };
      finished = { offset: offsetAfter(cursor), mark };
    },
    take() {
      const taken = finished;
      finished = undefined;
      return taken;
    },
    untake(taken) {
      finished ??= taken;
    },
    mark: () => mark,
    waiting: () => queue.length,
    oldest: () => out[0]?.recordedAt ?? (queue[0] && new Date(Number(queue[0].timestamp)).toISOString()),
    news: () =>
      new Promise((resolve) => {
        if (queue.length > 0 || end.signal.aborted) return resolve();
        wake = resolve;
      }),
  };
};

/** The connections to an EventStoreDB: reads that end, within bounds, and errors of the port. */
import { EventStoreDBClient, type StreamingRead } from '@eventstore/db-client';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { Clock } from '../../ports/system.ts';
import { hostsOf } from '../hosts.ts';
import { inTime } from '../in-time.ts';

export type Connection = Readonly<{
  /** For appends and reads. */
  client(): EventStoreDBClient;
  /** For subscriptions, which would take the places of reads on one connection. */
  subscriber(): EventStoreDBClient;
  /** `work`, or StoreUnavailable when it takes too long: its outcome is unknown then. */
  inTime<T>(doing: string, work: Promise<T>): Promise<T>;
  /** Reads until `enough`, or the end, and answers whether it came to the end. */
  read<T>(read: () => StreamingRead<T>, enough: (item: T) => boolean): Promise<boolean>;
  /** The port's error for one of the client's; any other is returned as it is. */
  failed(doing: string, error: unknown): unknown;
  close(): Promise<void>;
}>;

const ANSWER_MS = 10_000;
/** A connection carries 100 calls at once; one too many would wait without an error. */
const READS_AT_ONCE = 64;
/** The client warns of less. */
const KEEP_ALIVE_MS = 10_000;
/** gRPC: cancelled, deadline exceeded, resource exhausted, internal (a broken stream), unavailable. */
const PASSING_CODES = new Set([1, 4, 8, 13, 14]);
/** Mended on the server, or by another start: no reason to park anything. */
const DENIED = 'access-denied';
const PASSING_TYPES = new Set([
  'unavailable',
  'deadline-exceeded',
  'cancelled',
  'timeout',
  'not-leader',
  DENIED,
]);
const PASSING_TEXT = /Server Is Not Ready|Failed to discover|Server Is Shutting Down/;
const DISCOVERY = /Failed to discover/;

/** Throws Error for a URL that is none. `url`: may hold credentials, which no message repeats. */
export const connect = (url: string, clock: Clock): Connection => {
  const withOption = (name: string, value: number): string =>
    `${url}${url.includes('?') ? '&' : '?'}${name}=${value}`;
  const make = (keepAliveMs: number): EventStoreDBClient =>
    EventStoreDBClient.connectionString(withOption('keepAliveInterval', keepAliveMs));
  const hosts = hostsOf(url);
  // A client of the same options would share the connection of the first.
  const clients = { one: make(KEEP_ALIVE_MS), two: make(KEEP_ALIVE_MS + 1) };
  let reading = 0;
  const queue: (() => void)[] = [];

  /** Its appends would fail for good. */
  const makeAnew = (): void => {
    for (const old of Object.values(clients)) old.dispose().catch(() => undefined);
    Object.assign(clients, { one: make(KEEP_ALIVE_MS), two: make(KEEP_ALIVE_MS + 1) });
  };
  const failed = (doing: string, error: unknown): unknown => {
    const {
      code,
      type,
      message = '',
    } = (error ?? {}) as Partial<Record<'code' | 'type' | 'message', unknown>>;
    const text =
      type === DENIED ? 'it refuses the credentials of its URL, or lets them do too little' : String(message);
    if (DISCOVERY.test(text)) makeAnew();
    if (!PASSING_CODES.has(code as number) && !PASSING_TYPES.has(type as string) && !PASSING_TEXT.test(text))
      return error;
    return new StoreUnavailable(`EventStoreDB at ${hosts} cannot ${doing}: ${text || String(type)}`, {
      cause: error,
    });
  };
  const answered: Connection['inTime'] = async (doing, work) => {
    const late = (): Error =>
      new StoreUnavailable(`EventStoreDB at ${hosts} cannot ${doing}: no answer in ${ANSWER_MS} ms`);
    try {
      return await inTime(clock, ANSWER_MS, work, late);
    } catch (error) {
      throw failed(doing, error);
    }
  };

  return {
    client: () => clients.one,
    subscriber: () => clients.two,
    inTime: answered,
    failed,
    async read(read, enough) {
      if (reading >= READS_AT_ONCE) await new Promise<void>((resolve) => queue.push(resolve));
      else reading += 1;
      const stream = read();
      const through = async (): Promise<boolean> => {
        for await (const item of stream) if (enough(item)) return false;
        return true;
      };
      let ended = false;
      try {
        return (ended = await answered('be read', through()));
      } finally {
        // One that is only left stays open on the server, and takes a place.
        if (!ended) await stream.cancel().catch(() => undefined);
        const next = queue.shift();
        if (next) next();
        else reading -= 1;
      }
    },
    async close() {
      await Promise.all(Object.values(clients).map((client) => client.dispose().catch(() => undefined)));
    },
  };
};

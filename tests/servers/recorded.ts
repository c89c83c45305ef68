/** What tests of recorded cases ask of an EventStoreDB, through its client: the one of EVENT_STORE_URL, else the double. */
import {
  EventStoreDBClient,
  jsonEvent,
  type AppendExpectedRevision,
  type AppendToStreamOptions,
  type Position,
  type ReadStreamOptions,
  type StreamingRead,
} from '@eventstore/db-client';
import { systemRandomness } from '../../adapters/system.ts';
import { startEventStoreDbDouble } from './eventstoredb-double.ts';

const { EVENT_STORE_URL: given } = process.env;
export const double = given ? undefined : await startEventStoreDbDouble();
export const client = EventStoreDBClient.connectionString(given || double!.url);
const run = systemRandomness.uuid().slice(0, 8);
let streams = 0;
export const newStream = (): string => `recorded-${run}-${++streams}`;

export const event = (type = 't', id = systemRandomness.uuid()) => jsonEvent({ id, type, data: { a: 1 } });
export const manyOf = (count: number) => Array.from({ length: count }, (_, i) => event(`t${i}`));
export type Ending = Readonly<Record<string, unknown>>;
/** An error as the client gives it: its class, what it holds, and of the wire the status and our trailers. */
export const thrown = (error: any): Ending => {
  const { code, message, streamName, expectedVersion, actualVersion, maxAppendSize, _raw } = error;
  const trailers = Object.entries<unknown>(_raw?.metadata?.getMap?.() ?? {}).filter(
    ([name]) => !['content-type', 'date', 'server', 'grpc-encoding', 'content-length'].includes(name),
  );
  const all = { code, message, expectedVersion, actualVersion, maxAppendSize };
  const told = Object.entries(all).filter(([, value]) => value !== undefined && value !== '');
  return {
    is: error.constructor.name,
    ...Object.fromEntries(told),
    ...(streamName === undefined ? {} : { of: streamName }),
    ...(trailers.length === 0 ? {} : { trailers: Object.fromEntries(trailers) }),
  };
};
export const ending = async <T>(work: Promise<T>): Promise<T | Ending> => work.catch(thrown);

export type Told = { position?: Position; nextExpectedRevision: bigint };
export const MODES: readonly (readonly [string, AppendToStreamOptions])[] = [
  ['in the batch of all appends', {}],
  ['by a call of its own', { credentials: { username: 'admin', password: 'changeit' } }],
];
export const append = (
  stream: string,
  events: Parameters<EventStoreDBClient['appendToStream']>[1],
  expectedRevision: AppendExpectedRevision,
  mode: AppendToStreamOptions = {},
): Promise<Told> => client.appendToStream(stream, events, { ...mode, expectedRevision });
export const revisions = async (read: StreamingRead<any>): Promise<readonly string[]> => {
  const found: string[] = [];
  for await (const { event: recorded } of read) found.push(`${recorded.revision}:${recorded.type}`);
  return found;
};
export const reading = (stream: string, options: ReadStreamOptions = {}) =>
  ending(revisions(client.readStream(stream, options)));
export const wrong = (of: string, expectedVersion: unknown, actualVersion: unknown): Ending => ({
  is: 'WrongExpectedVersionError',
  expectedVersion,
  actualVersion,
  of,
});

export const names = (from: number, to: number): readonly string[] => {
  const step = from <= to ? 1 : -1;
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => `${from + i * step}:t${from + i * step}`);
};
export const unknown = (message: string): Ending => ({
  is: 'UnknownError',
  code: 2,
  message: `2 UNKNOWN: ${message}`,
});
export const notFound = (of: string): Ending => ({
  is: 'StreamNotFoundError',
  message: `${of} not found`,
  of,
});
export const streamDeleted = (of: string): Ending => ({
  is: 'StreamDeletedError',
  code: 9,
  message: `9 FAILED_PRECONDITION: Event stream '${of}' is deleted.`,
  of,
  trailers: { exception: 'stream-deleted', 'stream-name': of },
});

/** At the end of a file of tests. */
export const close = async (): Promise<void> => {
  await client.dispose();
  double?.close();
};

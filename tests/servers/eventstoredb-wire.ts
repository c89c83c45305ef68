/** What goes over the wire of an EventStoreDB, made and read with the stubs that its client ships. */
import { Metadata } from '@grpc/grpc-js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import status from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb.js';
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
  DeleteResp,
  ReadResp,
  TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import any from 'google-protobuf/google/protobuf/any_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import {
  LAST_REVISION,
  MOST_BYTES,
  type Expected,
  type Outcome,
  type Proposed,
  type Recorded,
} from './eventstoredb-log.ts';

const ALREADY_EXISTS = 6;
const INVALID_ARGUMENT = 3;
const UNKNOWN = 2;
const FAILED_PRECONDITION = 9;
const UNAVAILABLE = 14;

export const nameIn = (identifier: StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8');
const identifierOf = (stream: string): StreamIdentifier => {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream, 'utf8'));
  return identifier;
};
const uuidOf = (text: string): UUID => {
  const uuid = new shared.UUID();
  uuid.setString(text);
  return uuid;
};

type Placed = { setCommitPosition(text: string): unknown; setPreparePosition(text: string): unknown };
const placed = <M extends Placed>(message: M, position: bigint): M => {
  message.setCommitPosition(String(position));
  message.setPreparePosition(String(position));
  return message;
};

type Message = AppendReq.ProposedMessage | BatchAppendReq.ProposedMessage;
export const proposedIn = (message: Message): Proposed => ({
  id: message.getId()?.getString() ?? '',
  type: message.getMetadataMap().get('type') ?? '',
  contentType: message.getMetadataMap().get('content-type') ?? '',
  data: message.getData_asU8(),
  metadata: message.getCustomMetadata_asU8(),
});
type Options = Readonly<{
  hasAny(): boolean;
  hasNoStream(): boolean;
  hasStreamExists(): boolean;
}>;
export const expectedIn = (options: Options, revision: string): Expected =>
  options.hasAny()
    ? 'any'
    : options.hasNoStream()
      ? 'noStream'
      : options.hasStreamExists()
        ? 'streamExists'
        : Number(revision);

/** A call that ends with a status other than OK. */
export const failure = (code: number, details: string, trailers: Readonly<Record<string, string>> = {}) => {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(trailers)) metadata.set(name, value);
  return Object.assign(new Error(details), { code, details, metadata });
};
export const end = (call: Readonly<{ emit(event: 'error', error: Error): boolean }>, error: Error): void =>
  void call.emit('error', error);
export const deleted = (stream: string) =>
  failure(FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': stream,
  });
const EXPECTED = { any: -2, noStream: -1, streamExists: -4 } as const;
/** Of a deletion. */
export const wrongVersion = (stream: string, expected: Expected, actual: number | undefined) => {
  const [wanted, there] = [typeof expected === 'number' ? expected : EXPECTED[expected], actual ?? -1];
  return failure(
    FAILED_PRECONDITION,
    `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${wanted}, Actual version: ${there}`,
    {
      exception: 'wrong-expected-version',
      'stream-name': stream,
      'expected-version': String(wanted),
      'actual-version': String(there),
    },
  );
};
export const removedAt = (position: bigint, forGood: boolean): DeleteResp | TombstoneResp => {
  if (forGood) {
    const gone = new streams.TombstoneResp();
    gone.setPosition(placed(new streams.TombstoneResp.Position(), position));
    return gone;
  }
  const removed = new streams.DeleteResp();
  removed.setPosition(placed(new streams.DeleteResp.Position(), position));
  return removed;
};
export const shuttingDown = () =>
  failure(UNAVAILABLE, 'Server Is Shutting Down', { exception: 'server-shutting-down' });

/** The answer to a single append; throws what ends the call. */
export const appendAnswer = (stream: string, expected: Expected, outcome: Outcome): AppendResp => {
  const answer = new streams.AppendResp();
  switch (outcome.kind) {
    case 'appended': {
      const success = new streams.AppendResp.Success();
      success.setCurrentRevision(String(outcome.revision));
      success.setPosition(placed(new streams.AppendResp.Position(), outcome.position));
      answer.setSuccess(success);
      return answer;
    }
    case 'wrong': {
      const wrong = new streams.AppendResp.WrongExpectedVersion();
      if (outcome.actual === undefined) {
        wrong.setCurrentNoStream(new shared.Empty());
        wrong.setNoStream2060(new shared.Empty());
      } else {
        wrong.setCurrentRevision(String(outcome.actual));
        wrong.setCurrentRevision2060(outcome.actual);
      }
      if (expected === 'any') {
        wrong.setExpectedAny(new shared.Empty());
        wrong.setAny2060(new shared.Empty());
      } else if (expected === 'streamExists') {
        wrong.setExpectedStreamExists(new shared.Empty());
        wrong.setStreamExists2060(new shared.Empty());
      } else if (expected === 'noStream') wrong.setExpectedNoStream(new shared.Empty());
      else {
        wrong.setExpectedRevision(String(expected));
        wrong.setExpectedRevision2060(expected);
      }
      answer.setWrongExpectedVersion(wrong);
      return answer;
    }
    case 'deleted':
      throw deleted(stream);
    case 'tooLarge':
      throw failure(INVALID_ARGUMENT, `Maximum Append Size of ${MOST_BYTES} Exceeded.`, {
        exception: 'maximum-append-size-exceeded',
        'maximum-append-size': String(MOST_BYTES),
      });
    case 'bad':
      throw failure(UNKNOWN, 'Exception was thrown by handler.');
  }
};

const statusOf = (code: number, message: string, type: string, bytes: Uint8Array) => {
  const details = new any.Any();
  details.setTypeUrl(`type.googleapis.com/${type}`);
  details.setValue(bytes);
  const error = new status.Status();
  error.setCode(code as Parameters<typeof error.setCode>[0]);
  error.setMessage(message);
  error.setDetails(details);
  return error;
};
const errorIn = (stream: string, expected: Expected, outcome: Exclude<Outcome, { kind: 'appended' }>) => {
  switch (outcome.kind) {
    case 'wrong': {
      const wrong = new shared.WrongExpectedVersion();
      if (outcome.actual === undefined) wrong.setCurrentNoStream(new empty.Empty());
      else wrong.setCurrentStreamRevision(String(outcome.actual));
      if (expected === 'any') wrong.setExpectedAny(new empty.Empty());
      else if (expected === 'streamExists') wrong.setExpectedStreamExists(new empty.Empty());
      else if (expected === 'noStream') wrong.setExpectedNoStream(new empty.Empty());
      else wrong.setExpectedStreamPosition(String(expected));
      const type = 'event_store.client.WrongExpectedVersion';
      return statusOf(ALREADY_EXISTS, 'WrongExpectedVersion', type, wrong.serializeBinary());
    }
    case 'deleted': {
      const gone = new shared.StreamDeleted();
      gone.setStreamIdentifier(identifierOf(stream));
      const type = 'event_store.client.StreamDeleted';
      return statusOf(FAILED_PRECONDITION, 'StreamDeleted', type, gone.serializeBinary());
    }
    case 'tooLarge': {
      const size = new shared.MaximumAppendSizeExceeded();
      size.setMaxappendsize(MOST_BYTES);
      const type = 'event_store.client.MaximumAppendSizeExceeded';
      return statusOf(INVALID_ARGUMENT, 'MaximumAppendSizeExceeded', type, size.serializeBinary());
    }
    case 'bad': {
      const bad = new shared.BadRequest();
      bad.setMessage(outcome.message);
      return statusOf(INVALID_ARGUMENT, 'BadRequest', 'event_store.client.BadRequest', bad.serializeBinary());
    }
  }
};
/** The answer to one of a batch; `outcome` undefined: the server is starting. */
export const batchAnswer = (
  correlationId: string,
  stream: string,
  expected: Expected,
  outcome: Outcome | undefined,
): BatchAppendResp => {
  const answer = new streams.BatchAppendResp();
  answer.setCorrelationId(uuidOf(correlationId));
  answer.setStreamIdentifier(identifierOf(stream));
  if (!outcome)
    answer.setError(statusOf(0, 'Server Is Not Ready', 'google.protobuf.Empty', new Uint8Array()));
  else if (outcome.kind === 'appended') {
    const success = new streams.BatchAppendResp.Success();
    success.setCurrentRevision(String(outcome.revision));
    success.setPosition(placed(new shared.AllStreamPosition(), outcome.position));
    answer.setSuccess(success);
  } else answer.setError(errorIn(stream, expected, outcome));
  return answer;
};

export const eventMessage = (recorded: Recorded): ReadResp => {
  const record = placed(new streams.ReadResp.ReadEvent.RecordedEvent(), recorded.position);
  record.setId(uuidOf(recorded.id));
  record.setStreamIdentifier(identifierOf(recorded.stream));
  const { revision } = recorded;
  record.setStreamRevision(revision === Number(LAST_REVISION) ? LAST_REVISION : String(revision));
  record.setCustomMetadata(recorded.metadata);
  record.setData(recorded.data);
  const { contentType, created, type } = recorded;
  for (const [name, value] of Object.entries({ 'content-type': contentType, created, type }))
    record.getMetadataMap().set(name, value);
  const event = new streams.ReadResp.ReadEvent();
  event.setEvent(record);
  event.setCommitPosition(String(recorded.position));
  const message = new streams.ReadResp();
  message.setEvent(event);
  return message;
};
export const notFoundMessage = (stream: string): ReadResp => {
  const notFound = new streams.ReadResp.StreamNotFound();
  notFound.setStreamIdentifier(identifierOf(stream));
  const message = new streams.ReadResp();
  message.setStreamNotFound(notFound);
  return message;
};
export const confirmationMessage = (id: string): ReadResp => {
  const confirmation = new streams.ReadResp.SubscriptionConfirmation();
  confirmation.setSubscriptionId(id);
  const message = new streams.ReadResp();
  message.setConfirmation(confirmation);
  return message;
};
export const checkpointMessage = (position: bigint): ReadResp => {
  const message = new streams.ReadResp();
  message.setCheckpoint(placed(new streams.ReadResp.Checkpoint(), position));
  return message;
};
export const caughtUpMessage = (): ReadResp => {
  const message = new streams.ReadResp();
  message.setCaughtUp(new streams.ReadResp.CaughtUp());
  return message;
};

/** Of the methods that there are, those that the client asks about. */
export const supportedMethods = () => {
  const supported = new features.SupportedMethods();
  supported.setEventStoreServerVersion('24.10.0');
  const methods: Readonly<Record<string, readonly string[]>> = {
    append: [],
    batchappend: ['deadline_duration'],
    delete: [],
    read: ['position', 'events'],
    tombstone: [],
  };
  supported.setMethodsList(
    Object.entries(methods).map(([name, list]) => {
      const method = new features.SupportedMethod();
      method.setServiceName('event_store.client.streams.streams');
      method.setMethodName(name);
      method.setFeaturesList([...list]);
      return method;
    }),
  );
  return supported;
};

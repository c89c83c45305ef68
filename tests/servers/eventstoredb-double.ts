/**
 * The gRPC services of an EventStoreDB 24.10, on memory: for tests where no real one can be had. What it answers was
 * taken from recordings of a real one.
 */
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import gossipStubs from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import featureStubs from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamStubs from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
  DeleteReq,
  DeleteResp,
  ReadReq,
  ReadResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { createLog, type Proposed, type Recorded } from './eventstoredb-log.ts';
import {
  appendAnswer,
  batchAnswer,
  caughtUpMessage,
  checkpointMessage,
  confirmationMessage,
  deleted,
  eventMessage,
  expectedIn,
  failure,
  nameIn,
  notFoundMessage,
  placed,
  proposedIn,
  supportedMethods,
  wrongVersion,
} from './eventstoredb-wire.ts';

const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const WINDOW = 32;

export type EventStoreDbServer = Readonly<{
  url: string;
  /** As a crash: every connection is gone at once, what was written stays. */
  kill(): void;
  start(): Promise<void>;
  /** Answers nothing, and keeps its connections. */
  freeze(): void;
  thaw(): void;
  /** While `is`, batch appends are answered as by a server that is starting. */
  starting(is: boolean): void;
  close(): void;
}>;

type Reading = ServerWritableStream<ReadReq, ReadResp>;
type Filter = (event: Recorded) => boolean;

const filterIn = (options: ReadReq.Options): Filter => {
  const filter = options.getFilter();
  if (!filter) return () => true;
  const byStream = filter.hasStreamIdentifier();
  const expression = byStream ? filter.getStreamIdentifier() : filter.getEventType();
  const prefixes = expression?.getPrefixList() ?? [];
  const regex = new RegExp(expression?.getRegex() ?? '', 'u');
  return ({ stream, type }) => {
    const text = byStream ? stream : type;
    return prefixes.length > 0 ? prefixes.some((prefix) => text.startsWith(prefix)) : regex.test(text);
  };
};

/** `port`: 0 takes any free one. */
export const startEventStoreDbDouble = async (port = 0): Promise<EventStoreDbServer> => {
  const log = createLog();
  let server: Server | undefined;
  let bound = port;
  let [isStarting, thawed] = [false, Promise.resolve()];
  let thaw = (): void => undefined;

  /** Waits until there is room, and while the server is frozen; false when the caller is gone. */
  const write = async (call: Reading, message: ReadResp): Promise<boolean> => {
    await thawed;
    if (call.cancelled || call.destroyed) return false;
    if (!call.write(message))
      await new Promise<void>((resolve) => {
        const done = (): void => {
          for (const event of ['drain', 'cancelled', 'close']) call.off(event, done);
          resolve();
        };
        for (const event of ['drain', 'cancelled', 'close']) call.once(event, done);
      });
    return !call.cancelled && !call.destroyed;
  };
  const end = (call: Reading, error: Error): void => void call.emit('error', error);

  const readOnce = async (call: Reading, options: ReadReq.Options, found: readonly Recorded[]) => {
    const count = Number(options.getCount());
    for (const event of found.slice(0, count)) if (!(await write(call, eventMessage(event)))) return;
    call.end();
  };
  const readStream = async (call: Reading, options: ReadReq.Options): Promise<void> => {
    const asked = options.getStream()!;
    const stream = nameIn(asked.getStreamIdentifier());
    const backward = options.getReadDirection() === 1;
    if (stream === '') return end(call, failure(UNKNOWN, 'Exception was thrown by handler.'));
    if (Number(options.getCount()) === 0 || (!backward && asked.hasEnd()))
      return end(call, failure(UNKNOWN, 'Unexpected ReadStreamResult: Error'));
    const events = log.read(stream);
    if (events === 'tombstoned') return end(call, deleted(stream));
    if (!events) {
      await write(call, notFoundMessage(stream));
      call.end();
      return;
    }
    const from = asked.hasStart() ? 0 : asked.hasEnd() ? Infinity : Number(asked.getRevision());
    await readOnce(
      call,
      options,
      backward
        ? events.filter(({ revision }) => revision <= from).reverse()
        : events.filter(({ revision }) => revision >= from),
    );
  };
  const readAll = async (call: Reading, options: ReadReq.Options): Promise<void> => {
    const asked = options.getAll()!;
    const backward = options.getReadDirection() === 1;
    if (Number(options.getCount()) === 0) return; // it never ends
    const position = BigInt(asked.getPosition()?.getCommitPosition() ?? '0');
    const index = asked.hasStart() ? 0 : asked.hasEnd() ? log.all.length : log.indexOf(position);
    if (index === undefined) return end(call, failure(UNKNOWN, 'Unexpected ReadAllResult: InvalidPosition'));
    const count = Number(options.getCount());
    const found = backward
      ? log.all.slice(Math.max(0, index - count), index).reverse()
      : log.all.slice(index, index + count);
    await readOnce(call, options, found);
  };

  const subscribe = async (call: Reading, options: ReadReq.Options): Promise<void> => {
    const [all, one] = [options.getAll(), options.getStream()];
    const stream = nameIn(one?.getStreamIdentifier());
    if (one && log.read(stream) === 'tombstoned') return end(call, deleted(stream));
    let passes: Filter;
    try {
      const filter = filterIn(options);
      const from = one?.hasStart() ? -1 : Number(one?.getRevision() ?? -1);
      passes = one ? (event) => event.stream === stream && event.revision > from : filter;
    } catch {
      return end(call, failure(UNKNOWN, 'Exception was thrown by handler.'));
    }
    if (!(await write(call, confirmationMessage(systemRandomness.uuid())))) return;
    let next = all?.hasEnd() || one?.hasEnd() ? log.all.length : 0;
    if (all?.hasPosition()) {
      const at = log.indexOf(BigInt(all.getPosition()?.getCommitPosition() ?? '0'));
      if (at === undefined) return end(call, failure(INVALID_ARGUMENT, 'Invalid position.'));
      next = at + 1;
    }
    const filter = options.getFilter();
    const every = filter
      ? (filter.getMax() || WINDOW) * Math.max(1, filter.getCheckpointintervalmultiplier())
      : Infinity;
    let [scanned, caughtUp] = [0, false];
    let wake = (): void => undefined;
    const stop = log.listen(() => wake());
    call.once('cancelled', () => wake());
    call.once('close', () => wake());
    try {
      while (!call.cancelled && !call.destroyed) {
        for (let event = log.all[next]; event; event = log.all[next]) {
          next += 1;
          scanned += 1;
          if (passes(event) && !(await write(call, eventMessage(event)))) return;
          if (scanned % every === 0 && !(await write(call, checkpointMessage(event.position)))) return;
        }
        if (!caughtUp) {
          caughtUp = true;
          const last = log.all.at(-1);
          if (filter && last && !(await write(call, checkpointMessage(last.position)))) return;
          if (!(await write(call, caughtUpMessage()))) return;
        }
        if (next < log.all.length) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      stop();
    }
  };
  const read = async (call: Reading): Promise<void> => {
    call.on('error', () => undefined);
    await thawed;
    const options = call.request.getOptions()!;
    if (options.hasSubscription()) await subscribe(call, options);
    else if (options.hasAll()) await readAll(call, options);
    else await readStream(call, options);
  };

  const append = (
    call: ServerReadableStream<AppendReq, AppendResp>,
    answer: sendUnaryData<AppendResp>,
  ): void => {
    let options: AppendReq.Options | undefined;
    const events: Proposed[] = [];
    call.on('data', (message: AppendReq) => {
      options ??= message.getOptions();
      const proposed = message.getProposedMessage();
      if (proposed) events.push(proposedIn(proposed));
    });
    call.on('end', async () => {
      await thawed;
      const stream = nameIn(options?.getStreamIdentifier());
      const expected = options ? expectedIn(options, options.getRevision()) : 'any';
      try {
        answer(null, appendAnswer(stream, expected, log.append(stream, expected, events)));
      } catch (error) {
        answer(error as Error);
      }
    });
  };
  const batchAppend = (call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>): void => {
    type Part = { options: BatchAppendReq.Options | undefined; events: Proposed[] };
    const parts = new Map<string, Part>();
    call.on('error', () => undefined);
    call.on('end', () => call.end());
    call.on('data', async (message: BatchAppendReq) => {
      const id = message.getCorrelationId()?.getString() ?? '';
      const part: Part = parts.get(id) ?? { options: undefined, events: [] };
      part.options ??= message.getOptions();
      part.events.push(...message.getProposedMessagesList().map(proposedIn));
      parts.set(id, part);
      if (!message.getIsFinal()) return;
      parts.delete(id);
      const { options, events } = part;
      const stream = nameIn(options?.getStreamIdentifier());
      const expected = options ? expectedIn(options, options.getStreamPosition()) : 'any';
      const outcome = isStarting ? undefined : log.append(stream, expected, events);
      await thawed;
      if (!call.cancelled && !call.destroyed) call.write(batchAnswer(id, stream, expected, outcome));
    });
  };
  const remove =
    (forGood: boolean) =>
    (call: ServerUnaryCall<DeleteReq, DeleteResp>, answer: sendUnaryData<DeleteResp>): void => {
      const options = call.request.getOptions()!;
      const stream = nameIn(options.getStreamIdentifier());
      const outcome = log.remove(stream, expectedIn(options, options.getRevision()), forGood);
      if (outcome.kind === 'deleted') return answer(deleted(stream));
      if (outcome.kind !== 'appended') return answer(wrongVersion(stream));
      const response = new streams.DeleteResp();
      response.setPosition(placed(new streams.DeleteResp.Position(), outcome.position));
      answer(null, response);
    };
  const members = () => {
    const endPoint = new gossip.EndPoint();
    endPoint.setAddress('127.0.0.1');
    endPoint.setPort(bound);
    const id = new shared.UUID();
    id.setString(systemRandomness.uuid());
    const member = new gossip.MemberInfo();
    member.setInstanceId(id);
    member.setTimeStamp(String(BigInt(systemClock.now().getTime()) * 10_000n));
    member.setState(gossip.MemberInfo.VNodeState.LEADER);
    member.setIsAlive(true);
    member.setHttpEndPoint(endPoint);
    const cluster = new gossip.ClusterInfo();
    cluster.setMembersList([member]);
    return cluster;
  };

  const start = async (): Promise<void> => {
    const made = new Server();
    made.addService(streamStubs.StreamsService, {
      read: (call: Reading) => void read(call),
      append,
      batchAppend,
      delete: remove(false),
      tombstone: remove(true),
    });
    made.addService(featureStubs.ServerFeaturesService, {
      getSupportedMethods: (_call: unknown, answer: sendUnaryData<unknown>) =>
        void thawed.then(() => answer(null, supportedMethods())),
    });
    made.addService(gossipStubs.GossipService, {
      read: (_call: unknown, answer: sendUnaryData<unknown>) =>
        void thawed.then(() => answer(null, members())),
    });
    bound = await new Promise<number>((resolve, reject) =>
      made.bindAsync(`127.0.0.1:${bound}`, ServerCredentials.createInsecure(), (error, actual) =>
        error ? reject(error) : resolve(actual),
      ),
    );
    server = made;
  };
  const kill = (): void => {
    server?.forceShutdown();
    server = undefined;
  };
  await start();
  return {
    url: `esdb://127.0.0.1:${bound}?tls=false`,
    kill,
    start,
    freeze() {
      thawed = new Promise((resolve) => (thaw = resolve));
    },
    thaw: () => thaw(),
    starting: (is) => void (isStarting = is),
    close() {
      thaw();
      kill();
    },
  };
};

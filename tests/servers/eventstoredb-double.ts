/**
 * The gRPC services of an EventStoreDB 24.10, on memory: for tests where no real one can be had. What it answers was
 * taken from recordings of a real one, which are cases of its own tests.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server as Listener, type Socket } from 'node:net';
import {
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  status,
  type ServerDuplexStream,
  type ServerInterceptor,
  type ServerReadableStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js';
import gossipStubs from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import featureStubs from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamStubs from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
  DeleteReq,
  DeleteResp,
  TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import type { Secured } from './certificate.ts';
import { createReads, type Reading } from './eventstoredb-reads.ts';
import { createLog, type Proposed } from './eventstoredb-log.ts';
import {
  appendAnswer,
  batchAnswer,
  deleted,
  end,
  expectedIn,
  nameIn,
  proposedIn,
  removedAt,
  shuttingDown,
  supportedMethods,
  wrongVersion,
} from './eventstoredb-wire.ts';

export type EventStoreDbServer = Readonly<{
  url: string;
  /** As a crash: every connection is gone at once, what was written stays. */
  kill(): void;
  /** In peace: open calls hear that the server is shutting down. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Answers nothing, and keeps its connections. */
  freeze(): void;
  thaw(): void;
  /** While `is`, batch appends are answered as by a server that is starting. */
  starting(is: boolean): void;
  close(): void;
}>;

type Batch = ServerDuplexStream<BatchAppendReq, BatchAppendResp>;
/** Streams are open to who logs in. */
const guarded =
  ({ user, password }: Secured): ServerInterceptor =>
  ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, pass) {
            const [given] = metadata.get('authorization');
            const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
            if (given === basic || !path.includes('streams.Streams')) return pass(metadata);
            call.sendStatus({ code: status.UNAUTHENTICATED, details: 'not authenticated' });
          },
        }),
    });

export const startEventStoreDbDouble = async (secured?: Secured): Promise<EventStoreDbServer> => {
  const log = createLog();
  let server: Server | undefined;
  let listener: Listener | undefined;
  const sockets = new Set<Socket>();
  let bound = 0;
  let [isStarting, thawed] = [false, Promise.resolve()];
  let thaw = (): void => undefined;

  const open = new Set<Reading | Batch>();
  const opened = (call: Reading | Batch): void => {
    open.add(call);
    call.on('error', () => undefined);
    call.once('close', () => open.delete(call));
  };

  const reads = createReads(log, () => thawed);
  const read = async (call: Reading): Promise<void> => {
    opened(call);
    await thawed;
    await reads(call);
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
  const batchAppend = (call: Batch): void => {
    type Part = { options: BatchAppendReq.Options | undefined; events: Proposed[] };
    const parts = new Map<string, Part>();
    opened(call);
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
    (
      call: ServerUnaryCall<DeleteReq, DeleteResp>,
      answer: sendUnaryData<DeleteResp | TombstoneResp>,
    ): void => {
      const options = call.request.getOptions()!;
      const stream = nameIn(options.getStreamIdentifier());
      const expected = expectedIn(options, options.getRevision());
      const outcome = log.remove(stream, expected, forGood);
      if (outcome.kind === 'deleted') return answer(deleted(stream));
      if (outcome.kind !== 'appended')
        return answer(wrongVersion(stream, expected, outcome.kind === 'wrong' ? outcome.actual : undefined));
      answer(null, removedAt(outcome.position, forGood));
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
    const made = new Server({
      'grpc.max_receive_message_length': -1,
      interceptors: secured ? [guarded(secured)] : [],
    });
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
    // Its own way to listen closes calls in an orderly way; a crash breaks the connection.
    const injector = made.createConnectionInjector(
      secured
        ? ServerCredentials.createSsl(null, [
            { private_key: Buffer.from(secured.key), cert_chain: Buffer.from(secured.cert) },
          ])
        : ServerCredentials.createInsecure(),
    );
    listener = createServer((socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket)).on('error', () => undefined);
      injector.injectConnection(socket);
    });
    listener.listen(bound, '127.0.0.1');
    await once(listener, 'listening');
    bound = (listener.address() as AddressInfo).port;
    server = made;
  };
  const kill = (): void => {
    listener?.close();
    for (const socket of sockets) socket.resetAndDestroy();
    server?.forceShutdown();
    server = undefined;
    log.restart();
  };
  await start();
  return {
    url: `esdb://127.0.0.1:${bound}?tls=${secured !== undefined}`,
    kill,
    async stop() {
      for (const call of open) end(call, shuttingDown());
      listener?.close();
      await new Promise<void>((resolve) => (server ? server.tryShutdown(() => resolve()) : resolve()));
      kill();
    },
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

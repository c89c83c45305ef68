/** Reads and subscriptions of the double, on its log. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { systemRandomness } from '../../adapters/system.ts';
import type { createLog, Recorded } from './eventstoredb-log.ts';
import {
  caughtUpMessage,
  checkpointMessage,
  confirmationMessage,
  deleted,
  end,
  eventMessage,
  failure,
  nameIn,
  notFoundMessage,
} from './eventstoredb-wire.ts';

const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const WINDOW = 32;

export type Reading = ServerWritableStream<ReadReq, ReadResp>;
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

/** `thawed`: resolves once the server answers. */
export const createReads = (log: ReturnType<typeof createLog>, thawed: () => Promise<void>) => {
  /** Waits until there is room, and while the server is frozen; false when the caller is gone. */
  const write = async (call: Reading, message: ReadResp): Promise<boolean> => {
    await thawed();
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
    const [position, prepare] = [
      BigInt(asked.getPosition()?.getCommitPosition() ?? '0'),
      BigInt(asked.getPosition()?.getPreparePosition() ?? '0'),
    ];
    if (prepare > position) return end(call, failure(UNKNOWN, 'Exception was thrown by handler.'));
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
      if (at === undefined)
        return end(call, failure(INVALID_ARGUMENT, 'Trying to read from an invalid position.'));
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
          if (one && event.stream === stream && log.isTombstoned(stream)) return end(call, deleted(stream));
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
  return async (call: Reading): Promise<void> => {
    const options = call.request.getOptions()!;
    if (options.hasSubscription()) await subscribe(call, options);
    else if (options.hasAll()) await readAll(call, options);
    else await readStream(call, options);
  };
};

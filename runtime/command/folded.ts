/** Streams folded to their last event: kept in memory, read on from there, snapshotted where that is long. */
import { LRUCache } from 'lru-cache';
import {
  upcast,
  type Aggregate,
  type EventEnvelope,
  type Message,
  type Position,
} from '../../domain/kernel.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Snapshot, Snapshots } from '../../ports/snapshots.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { within } from '../wake.ts';
import { hashOf, NO_HASH } from './chain.ts';

export type AnyAggregate = Aggregate<Message, Message, Readonly<{ revision: number }>, unknown>;
/** A stream as it was at `state.revision`. `at`: when its last event happened; `lastHash`: of what came before a snapshot. */
export type Folded = Readonly<{
  state: { readonly revision: number };
  position: Position | undefined;
  at: string;
  last: EventEnvelope | undefined;
  lastHash: string;
  snapshotAt: number;
}>;

/**
 * `cacheWeight`: how much (as aggregates weigh their states) is kept folded in memory. `snapshotEvery`: events between
 * snapshots of streams that have them.
 */
export type FoldedOptions = Readonly<{
  store: EventStore;
  snapshots?: Snapshots;
  clock: Clock;
  log?: Log;
  cacheWeight?: number;
  snapshotEvery?: number;
}>;

export type FoldedStreams = Readonly<{
  /** The stream as it is now; only what is new since it was last here is read. */
  current(aggregate: AnyAggregate, stream: string): Promise<Folded>;
  /**
   * What the stream very likely holds, without a look: an append at its revision tells. One that is not known may well be
   * new.
   */
  likely(aggregate: AnyAggregate, stream: string): Folded | undefined;
  /** For later: the stream as it is now. */
  keep(aggregate: AnyAggregate, stream: string, folded: Folded): void;
  forget(stream: string): void;
}>;

const SNAPSHOT_MS = 100;
/** How long after it was last compared with the store what is kept of a stream is taken to be all there is, to save a read. */
const FRESH_MS = 250;

/** `provenMs`: when the store was last seen to have nothing more. */
type Kept = { readonly aggregate: AnyAggregate; readonly folded: Folded; provenMs: number };

const initialOf = ({ decider }: AnyAggregate): Folded => ({
  state: decider.initial,
  position: undefined,
  at: '',
  last: undefined,
  lastHash: NO_HASH,
  snapshotAt: -1,
});

export const createFolded = ({
  store,
  snapshots,
  clock,
  log,
  cacheWeight: maxSize = 50_000,
  snapshotEvery = 500,
}: FoldedOptions): FoldedStreams => {
  const nowMs = (): number => clock.now().getTime();
  const cache = new LRUCache<string, Kept>({
    maxSize,
    sizeCalculation: ({ aggregate, folded }) =>
      Math.min(maxSize, Math.max(1, aggregate.weight(folded.state))),
  });

  /** One that cannot be read in time is none: what writes orders waits for the event store alone. */
  const snapshotOf = async (stream: string, shape: string): Promise<Snapshot | undefined> => {
    try {
      return await within(clock, SNAPSHOT_MS, snapshots?.get(stream, shape));
    } catch (error) {
      log?.warn({ stream, error: String(error) }, 'a snapshot cannot be read; the stream is folded whole');
      return undefined;
    }
  };
  const empty = async (aggregate: AnyAggregate, stream: string): Promise<Folded> => {
    const snapshot = aggregate.shape === undefined ? undefined : await snapshotOf(stream, aggregate.shape);
    return snapshot
      ? {
          state: snapshot.state as Folded['state'],
          position: undefined,
          at: snapshot.at,
          last: undefined,
          lastHash: snapshot.previousHash,
          snapshotAt: snapshot.revision,
        }
      : initialOf(aggregate);
  };

  const current = async (aggregate: AnyAggregate, stream: string): Promise<Folded> => {
    const kept = cache.get(stream);
    const known = kept?.folded ?? (await empty(aggregate, stream));
    let { state, last, at } = known;
    for await (const event of store.readStream(stream, { from: state.revision + 1 })) {
      state = aggregate.decider.evolve(state, upcast(aggregate.events, event));
      last = event;
      at = event.meta.at;
    }
    if (last === known.last) {
      if (kept) kept.provenMs = nowMs();
      return known;
    }
    const folded = { ...known, state, last, at, position: last?.position ?? known.position };
    cache.set(stream, { aggregate, folded, provenMs: nowMs() });
    return folded;
  };
  const likely = (aggregate: AnyAggregate, stream: string): Folded | undefined => {
    const kept = cache.get(stream);
    if (kept) return nowMs() - kept.provenMs < FRESH_MS ? kept.folded : undefined;
    return aggregate.shape === undefined ? initialOf(aggregate) : undefined;
  };

  const snapshot = (aggregate: AnyAggregate, stream: string, folded: Folded): Folded => {
    if (
      aggregate.shape === undefined ||
      !snapshots ||
      !folded.last ||
      folded.state.revision - folded.snapshotAt < snapshotEvery
    )
      return folded;
    const { state, at } = folded;
    snapshots
      .save(stream, aggregate.shape, {
        revision: state.revision,
        state,
        previousHash: hashOf(folded.last),
        at,
      })
      .catch((error: unknown) =>
        log?.warn(
          { stream, error: String(error) },
          'a snapshot was not saved; the stream is folded from an older one',
        ),
      );
    return { ...folded, snapshotAt: state.revision };
  };

  return {
    current,
    likely,
    keep(aggregate, stream, folded) {
      cache.set(stream, { aggregate, folded: snapshot(aggregate, stream, folded), provenMs: nowMs() });
    },
    forget: (stream) => void cache.delete(stream),
  };
};

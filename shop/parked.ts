/** Parked events: found, tried again, dropped; also by a script, whichever process runs their consumer. */
import type { Actor } from '../domain/kernel.ts';
import type { BlockedLane, BlockedLanes } from '../ports/blocked-lanes.ts';
import type { Controls } from '../ports/controls.ts';
import type { Clock } from '../ports/system.ts';
import { blockedOf } from '../runtime/deliver/blocked.ts';
import { askForParked, type By, type Carried } from '../runtime/deliver/parked.ts';

/** `stream`: of the event that failed. `queued`: events of the lane that wait, the failed one included. */
export type ParkedItem = Omit<BlockedLane, 'state' | 'dueAt' | 'partition' | 'key'> &
  Readonly<{ stream: string; queued: number }>;
/** `type`: of the event that failed. */
export type ParkedFilter = Readonly<{ consumer?: string; stream?: string; type?: string }>;

/** Parked events: found, tried again, dropped. */
export interface Parked {
  /** Pages in order of id, `limit` at most. */
  find(
    filter: ParkedFilter,
    page: Readonly<{ after?: string; limit: number }>,
  ): Promise<Readonly<{ items: readonly ParkedItem[]; next: string | null }>>;
  get(id: string): Promise<ParkedItem | undefined>;
  /** Undefined when nothing is parked under `id`. */
  retry(id: string, actor: Actor): Promise<Carried | undefined>;
  discard(id: string, by: By): Promise<Carried | undefined>;
  /** How many match. */
  count(filter: ParkedFilter): Promise<number>;
  /** All that match (an empty filter: all there is). */
  retryMatching(filter: ParkedFilter, actor: Actor): Promise<Carried>;
  discardMatching(filter: ParkedFilter, by: By): Promise<Carried>;
}

export type ParkedDeps = Readonly<{
  blockedLanes: BlockedLanes;
  controls: Controls;
  clock: Clock;
  newId(): string;
}>;
const RETRIED = 'asked for by an operator';

export const createParked = (deps: ParkedDeps): Parked => {
  const { blockedLanes } = deps;
  const parkedLane = async (id: string) => {
    const blocked = await blockedLanes.get(id);
    return blocked?.state === 'parked' ? blocked : undefined;
  };
  const parkedOf = async (id: string): Promise<ParkedItem | undefined> => {
    const blocked = await parkedLane(id);
    if (!blocked) return undefined;
    const { state: _state, dueAt: _dueAt, partition: _partition, key: _key, ...item } = blocked;
    return { ...item, stream: item.event.stream };
  };
  /** Another may have been faster. */
  const orNone = (carried: Carried): Carried | undefined =>
    carried.done + carried.asked > 0 ? carried : undefined;

  const matching = (filter: ParkedFilter): AsyncIterable<BlockedLane> =>
    blockedOf(blockedLanes, { ...filter, state: 'parked' });

  return {
    async find(filter, page) {
      const found = await blockedLanes.find({ ...filter, state: 'parked' }, page);
      const items = await Promise.all(found.items.map(({ id }) => parkedOf(id)));
      return { items: items.filter((item) => item !== undefined), next: found.next };
    },
    get: parkedOf,
    async retry(id, actor) {
      const lane = await parkedLane(id);
      return lane && orNone(await askForParked(deps, 'retry', [lane], { actor, reason: RETRIED }));
    },
    async discard(id, by) {
      const lane = await parkedLane(id);
      return lane && orNone(await askForParked(deps, 'discard', [lane], by));
    },
    async count(filter) {
      let matches = 0;
      for await (const _lane of matching(filter)) matches += 1;
      return matches;
    },
    retryMatching: (filter, actor) =>
      askForParked(deps, 'retry', matching(filter), { actor, reason: RETRIED }),
    discardMatching: (filter, by) => askForParked(deps, 'discard', matching(filter), by),
  };
};

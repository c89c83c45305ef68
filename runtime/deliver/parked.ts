/** Retrying and discarding parked events: asked of whoever holds the lane's partition, who alone writes to its lanes. */
import type { Actor } from '../../domain/kernel.ts';
import type { BlockedLane } from '../../ports/blocked-lanes.ts';
import type { Control, Controls } from '../../ports/controls.ts';
import type { Clock } from '../../ports/system.ts';
import { askFor } from '../control.ts';

/** `lanes`: ids of blocked lanes of one partition. */
export type ParkedRequest = Readonly<{ do: 'retry' | 'discard'; lanes: readonly string[] }>;
/** How many of the lanes were parked, and are not any more. */
export type ParkedProgress = Readonly<{ done: number }>;

export const partitionTarget = (consumer: string, partition: string): string =>
  `consumer:${consumer}/${partition}`;

/** What a control asks for, if it is this. */
export const parkedRequest = (what: unknown): ParkedRequest | undefined => {
  const { do: act, lanes } = what as Partial<ParkedRequest>;
  return (act === 'retry' || act === 'discard') && Array.isArray(lanes) ? { do: act, lanes } : undefined;
};

export type By = Readonly<{ actor: Actor; reason: string }>;
/** `done`: lanes that were carried out; `asked`: those whose consumer does it once it runs. */
export type Carried = Readonly<{ done: number; asked: number }>;

const LANES_AT_ONCE = 200;
const ANSWER_MS = 5_000;

type LaneOf = Pick<BlockedLane, 'id' | 'consumer' | 'partition'>;

/** Asks for `lanes`, of any consumer and partition, and waits some seconds for them. */
export const askForParked = async (
  deps: Readonly<{ controls: Controls; clock: Clock; newId(): string }>,
  act: ParkedRequest['do'],
  lanes: Iterable<LaneOf> | AsyncIterable<LaneOf>,
  { actor, reason }: By,
): Promise<Carried> => {
  const askedAt = deps.clock.now().toISOString();
  const asked: Control[] = [];
  const open = new Map<string, string[]>();
  for await (const { id, consumer, partition } of lanes) {
    const target = partitionTarget(consumer, partition);
    let ids = open.get(target);
    if (!ids || ids.length === LANES_AT_ONCE) {
      open.set(target, (ids = []));
      const what: ParkedRequest = { do: act, lanes: ids };
      asked.push({ id: deps.newId(), target, what, actor, reason, askedAt });
    }
    ids.push(id);
  }
  let [done, left] = [0, 0];
  for (const { endedAt, progress, what } of await askFor(deps, asked, ANSWER_MS))
    if (endedAt === undefined) left += (what as ParkedRequest).lanes.length;
    else done += (progress as ParkedProgress).done;
  return { done, asked: left };
};

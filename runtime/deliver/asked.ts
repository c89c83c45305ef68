/** What operators ask of a consumer, carried out by whoever holds the partitions that it is about. */
import type { Control, Controls } from '../../ports/controls.ts';
import type { Assignment } from '../../ports/event-feed.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { carryOut } from '../control.ts';
import type { Rest } from '../wake.ts';
import type { Backlog } from './backlog.ts';
import { parkedRequest, partitionTarget } from './parked.ts';
import type { Passes } from './passes.ts';
import { replayTarget } from './replay.ts';

export type AskedOptions = Readonly<{
  /** The consumer's name. */
  name: string;
  controls: Controls;
  clock: Clock;
  log: Log;
  /** Aborts when nothing new may start. */
  halt: AbortSignal;
  /** Poked when other partitions are held. */
  looking: Rest;
  held(): readonly Assignment[];
  backlog: Backlog;
  passes: Passes;
}>;

/** Until `halt`. */
export const carryOutAsked = (options: AskedOptions): Promise<void> => {
  const { name, controls, clock, log, halt, looking, held, backlog, passes } = options;
  const targetOf = ({ partition }: Assignment): string => partitionTarget(name, partition);

  /** About what is parked in one partition. */
  const operate = async ({ id, target, what, actor, reason }: Control): Promise<void> => {
    const assignment = held().find((one) => targetOf(one) === target);
    if (!assignment) return;
    const request = parkedRequest(what);
    let done = 0;
    for (const lane of request?.lanes ?? [])
      if (await backlog.operate(request!.do, lane, assignment, { actor, reason })) done += 1;
    const progress = request ? { done } : { refused: 'this version does not know what is asked' };
    await controls.report(id, { progress, endedAt: clock.now().toISOString() }, assignment.fence);
  };
  return carryOut({
    controls,
    log,
    halt,
    looking,
    targets: () => (held().length === 0 ? [] : [...held().map(targetOf), replayTarget(name)]),
    act: (control) =>
      control.target === replayTarget(name) ? passes.take(control, held()) : operate(control),
  });
};

import { waker } from '../wake.ts';
import type { Attempt, FailedFor } from './attempt.ts';
import type { Backlog, LaneHere, Waiting } from './backlog.ts';
import type { Lanes } from './lanes.ts';

export type RetriesOptions = Readonly<{
  backlog: Backlog;
  lanes: Lanes;
  /** Lanes worked off at once at most: retries must not crowd out what is new. */
  parallel: number;
  attempt: Attempt;
  /** Carries out the verdict on an event that failed again. */
  settle(failed: FailedFor, lane: LaneHere): Promise<unknown>;
  /** Aborts when nothing new may start. */
  halt: AbortSignal;
  /** For handlers: aborts when the time to drain is over. */
  abort: AbortSignal;
}>;

/** Works off blocked lanes as they fall due, until the consumer ends. */
export const runRetries = async (options: RetriesOptions): Promise<void> => {
  const { backlog, lanes, parallel, attempt, settle, halt, abort } = options;
  const finished = waker();
  let running = 0;
  halt.addEventListener('abort', finished.wake);

  /** In the lane: the head, then what waits behind it, in order, until it is empty or one fails. */
  const drain = async (lane: LaneHere): Promise<void> => {
    const waiting = backlog.of(lane);
    if (!waiting) return;
    const { signal } = lane.assignment;
    const over = AbortSignal.any([abort, signal]);
    for (let head = await backlog.head(waiting); head; head = await backlog.head(waiting)) {
      const outcome = await attempt(head.event, over, head.history);
      if (outcome === 'halted' || signal.aborted) return;
      if (outcome !== 'done') {
        await settle(outcome, lane);
        return;
      }
      if (!(await backlog.pass(waiting, head.event))) break;
    }
    backlog.unblock(waiting);
  };
  const launch = async (waiting: Waiting): Promise<void> => {
    const { lane } = waiting;
    waiting.draining = true;
    running += 1;
    await lanes.start(lane.name, () => drain(lane));
    waiting.draining = false;
    running -= 1;
    finished.wake();
    backlog.poke();
  };

  while (!halt.aborted) {
    for (const waiting of backlog.due()) {
      while (running >= parallel && !halt.aborted) await finished.next();
      if (halt.aborted) return;
      if (backlog.isDue(waiting)) void launch(waiting);
    }
    await backlog.untilDue();
  }
};

import { waker } from '../wake.ts';
import type { Attempt, FailedFor } from './attempt.ts';
import type { Backlog, BlockedLane } from './backlog.ts';
import type { Lanes } from './lanes.ts';

export type RetriesOptions = Readonly<{
  backlog: Backlog;
  lanes: Lanes;
  /** Lanes worked off at once at most: retries must not crowd out what is new. */
  parallel: number;
  attempt: Attempt;
  /** Carries out the verdict on an event that failed again. */
  settle(failed: FailedFor, partition: string | undefined): Promise<unknown>;
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
  const drain = async (stream: string): Promise<void> => {
    const lane = backlog.of(stream);
    if (!lane) return;
    for (let head = await backlog.head(lane); head; head = await backlog.head(lane)) {
      const outcome = await attempt(head.event, abort, head.history);
      if (outcome === 'halted') return;
      if (outcome !== 'done') {
        await settle(outcome, lane.partition);
        return;
      }
      if (!(await backlog.pass(lane, head.event))) break;
    }
    backlog.unblock(lane);
  };
  const launch = async (lane: BlockedLane): Promise<void> => {
    lane.draining = true;
    running += 1;
    await lanes.start(lane.stream, () => drain(lane.stream));
    lane.draining = false;
    running -= 1;
    finished.wake();
    backlog.poke();
  };

  while (!halt.aborted) {
    for (const lane of backlog.due()) {
      while (running >= parallel && !halt.aborted) await finished.next();
      if (halt.aborted) return;
      if (backlog.isDue(lane)) void launch(lane);
    }
    await backlog.untilDue();
  }
};

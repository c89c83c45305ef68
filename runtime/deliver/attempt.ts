/** One event handled: when its turn has come, again after short waits, until it is done or needs more than that. */
import type { EventEnvelope } from '../../domain/kernel.ts';
import { HANDLER_LIMIT_MS, type Consumer, type Verdict } from '../../ports/consumer.ts';
import { UNREADABLE } from '../../ports/event-feed.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { Clock, Randomness } from '../../ports/system.ts';
import type { History } from './blocked.ts';
import type { Breaker } from './breaker.ts';
import { nameOf } from '../retry.ts';
import { within } from '../wake.ts';

/** The right to make one call; `release` exactly once, with how it ended. */
type Permit = Readonly<{
  trial: boolean;
  release(outcome: 'answered' | 'outside-failed' | 'aborted'): void;
}>;

export type Gate = Readonly<{
  /** Waits its turn, first come first served; undefined once the gate has shut. */
  enter(): Promise<Permit | undefined>;
  running(): number;
  /** Nobody enters until `open`, which it is not at first. */
  hold(): void;
  open(): void;
  /** Nobody enters any more; who waits gets undefined. */
  shut(): void;
}>;

/** Lets `limit` calls run at once, and none (but the breaker's trial) while the outside is down. */
export const createGate = ({
  limit,
  breaker,
  clock,
}: Readonly<{ limit: number; breaker: Breaker; clock: Clock }>): Gate => {
  const waiting: ((permit: Permit | undefined) => void)[] = [];
  const shutting = new AbortController();
  let running = 0;
  let alarmSet = false;
  let held = true;
  const nowMs = (): number => clock.now().getTime();

  const admitAfter = async (waitMs: number): Promise<void> => {
    if (alarmSet) return;
    alarmSet = true;
    await clock.sleep(waitMs, shutting.signal);
    alarmSet = false;
    admit();
  };
  const admit = (): void => {
    while (waiting.length > 0 && running < limit && !held && !shutting.signal.aborted) {
      const admission = breaker.admit(nowMs());
      if (!admission.go) {
        if (admission.waitMs !== undefined) void admitAfter(admission.waitMs);
        return;
      }
      running += 1;
      waiting.shift()?.({
        trial: admission.trial,
        release(outcome) {
          running -= 1;
          breaker.report(admission, outcome, nowMs());
          admit();
        },
      });
    }
  };

  return {
    enter: () =>
      new Promise((resolve) => {
        if (shutting.signal.aborted) return resolve(undefined);
        waiting.push(resolve);
        admit();
      }),
    running: () => running,
    hold() {
      held = true;
    },
    open() {
      held = false;
      admit();
    },
    shut() {
      shutting.abort();
      for (const leave of waiting.splice(0)) leave(undefined);
    },
  };
};

/** The longest wait in memory; a longer one goes to the durable schedule so that the checkpoint proceeds. */
const LONGEST_WAIT_MS = 1_000;

/** A handler that does not end: taken for an outside that does not answer. */
class HandlerTimeout extends Error {
  override readonly name = 'HandlerTimeout';
  readonly retriable = true;
}

/** An event that failed and how; the verdict is carried out by who keeps the books. */
export type FailedFor = Readonly<{
  event: EventEnvelope;
  error: unknown;
  history: History;
  verdict: Verdict;
}>;
/** 'halted': the consumer ends or the partition was taken away; it is not finished. */
export type Outcome = 'done' | 'halted' | FailedFor;

type Options = Readonly<{
  consumer: Consumer;
  gate: Gate;
  breaker: Breaker;
  clock: Clock;
  randomness: Randomness;
  /** Aborts when nothing new may start. */
  halt: AbortSignal;
  onRetry(): void;
}>;
export type Attempt = (
  event: EventEnvelope,
  signal: AbortSignal,
  history: History | undefined,
) => Promise<Outcome>;

/** Handles an event, again after short waits, until it is done or needs more than that. */
export const createAttempt = ({
  consumer,
  gate,
  breaker,
  clock,
  randomness,
  halt,
  onRetry,
}: Options): Attempt => {
  const { limitMs = HANDLER_LIMIT_MS } = consumer;
  /** One that hangs is told to end, and left: the event is tried again, as after a crash. */
  const handle = async (event: EventEnvelope, signal: AbortSignal): Promise<void> => {
    const own = new AbortController();
    const gone = (): void => own.abort(signal.reason);
    signal.addEventListener('abort', gone, { once: true });
    try {
      const handled = consumer.handle(event, own.signal).then(() => 'handled');
      if (await within(clock, limitMs, handled)) return;
    } finally {
      signal.removeEventListener('abort', gone);
    }
    own.abort('too late');
    throw new HandlerTimeout(`${event.type} is not handled within ${limitMs} ms`);
  };

  const call = async (
    event: EventEnvelope,
    signal: AbortSignal,
  ): Promise<'done' | 'halted' | 'outside is down' | Readonly<{ error: unknown }>> => {
    const permit = await gate.enter();
    if (!permit) return 'halted';
    if (signal.aborted) {
      permit.release('aborted');
      return 'halted';
    }
    try {
      await handle(event, signal);
      permit.release('answered');
      return 'done';
    } catch (error) {
      const outside = error instanceof HandlerTimeout || (error instanceof OutsideError && error.retriable);
      permit.release(signal.aborted ? 'aborted' : outside ? 'outside-failed' : 'answered');
      if (signal.aborted) return 'halted';
      // An outage is not the event's fault: it goes back to the end of the line, so that the next trial is
      // another's.
      return outside && breaker.state() !== 'closed' ? 'outside is down' : { error };
    }
  };

  const judge = (event: EventEnvelope, error: unknown, history: History, nowMs: number): Verdict => {
    const downMs = breaker.pausedMs(nowMs) - history.pausedMs;
    const sinceFirstMs = Math.max(0, nowMs - history.firstAtMs - downMs);
    try {
      return consumer.onFailure({
        event,
        error,
        attempt: history.attempts,
        sinceFirstMs,
        fraction: randomness.fraction(),
      });
    } catch (broken) {
      return { do: 'park', why: `the failure policy itself failed with ${nameOf(broken)}` };
    }
  };

  /** What is known of a failing event, once it has failed again. */
  const counted = (before: History | undefined, nowMs: number): History =>
    before
      ? { ...before, attempts: before.attempts + 1 }
      : { attempts: 1, firstAtMs: nowMs, pausedMs: breaker.pausedMs(nowMs) };
  /** No handler is shown what is no event, and no policy asked. */
  const unreadable = (event: EventEnvelope, before: History | undefined): FailedFor => {
    const { why } = event.data as { why?: unknown };
    const error = new Error(`a message of ${event.stream} is none of our events: ${String(why)}`);
    const history = counted(before, clock.now().getTime());
    return { event, error, history, verdict: { do: 'park', why: error.message } };
  };

  return async (event, signal, before) => {
    if (event.type === UNREADABLE) return unreadable(event, before);
    let history = before;
    for (;;) {
      const result = await call(event, signal);
      if (result === 'outside is down') continue;
      if (result === 'done' || result === 'halted') return result;
      const nowMs = clock.now().getTime();
      history = counted(history, nowMs);
      const verdict = judge(event, result.error, history, nowMs);
      if (verdict.do === 'retry') onRetry();
      if (verdict.do !== 'retry' || verdict.afterMs > LONGEST_WAIT_MS)
        return { event, error: result.error, history, verdict };
      await clock.sleep(Math.max(0, verdict.afterMs), halt);
    }
  };
};

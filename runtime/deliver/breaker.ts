/**
 * A sampling circuit breaker on the times it is given. cockatiel's was the first choice, but it reads the
 * wall clock itself and wraps the call, so that neither a test nor the simulation could move its time, and
 * late answers of calls from before it opened would count.
 */
export type BreakerState = 'closed' | 'open' | 'half-open';
export type Admission =
  Readonly<{ go: true; trial: boolean }> | Readonly<{ go: false; waitMs: number | undefined }>;

export type Breaker = Readonly<{
  state(): BreakerState;
  /**
   * Whether a call may start. `waitMs`: ask again then; undefined: once the trial that is under way has been
   * reported.
   */
  admit(nowMs: number): Admission;
  /** How a call that was admitted ended; 'aborted' says nothing about the outside. */
  report(
    call: Readonly<{ trial: boolean }>,
    outcome: 'answered' | 'outside-failed' | 'aborted',
    nowMs: number,
  ): void;
  /** How long it has not been closed, all together: time that an event did not use. */
  pausedMs(nowMs: number): number;
}>;

/**
 * Opens when `threshold` of at least `minimumCalls` in `windowMs` failed; a single trial after `openMs`,
 * doubling to `openMaxMs`.
 */
export const samplingBreaker = ({
  threshold = 0.8,
  minimumCalls = 20,
  windowMs = 30_000,
  openMs = 5_000,
  openMaxMs = 30_000,
} = {}): Breaker => {
  const bucketMs = windowMs / 10;
  let state: BreakerState = 'closed';
  let buckets: { startMs: number; calls: number; failed: number }[] = [];
  let pauseMs = openMs;
  let retryAtMs = 0;
  let trialRuns = false;
  let openedAtMs = 0;
  let pausedBeforeMs = 0;

  const sample = (failed: boolean, nowMs: number): void => {
    buckets = buckets.filter((bucket) => bucket.startMs > nowMs - windowMs);
    let bucket = buckets.at(-1);
    if (!bucket || nowMs >= bucket.startMs + bucketMs)
      buckets.push((bucket = { startMs: nowMs, calls: 0, failed: 0 }));
    bucket.calls += 1;
    if (failed) bucket.failed += 1;
  };
  const tripped = (): boolean => {
    const calls = buckets.reduce((sum, bucket) => sum + bucket.calls, 0);
    return (
      calls >= minimumCalls && buckets.reduce((sum, bucket) => sum + bucket.failed, 0) >= threshold * calls
    );
  };

  return {
    state: () => state,
    admit(nowMs) {
      if (state === 'closed') return { go: true, trial: false };
      if (trialRuns) return { go: false, waitMs: undefined };
      if (nowMs < retryAtMs) return { go: false, waitMs: retryAtMs - nowMs };
      state = 'half-open';
      trialRuns = true;
      return { go: true, trial: true };
    },
    report({ trial }, outcome, nowMs) {
      if (trial) {
        trialRuns = false;
        if (outcome === 'answered') {
          [state, buckets, pauseMs] = ['closed', [], openMs];
          pausedBeforeMs += nowMs - openedAtMs;
        } else if (outcome === 'outside-failed') {
          pauseMs = Math.min(openMaxMs, pauseMs * 2);
          [state, retryAtMs] = ['open', nowMs + pauseMs];
        }
      } else if (state === 'closed' && outcome !== 'aborted') {
        sample(outcome === 'outside-failed', nowMs);
        if (outcome === 'outside-failed' && tripped())
          [state, openedAtMs, retryAtMs] = ['open', nowMs, nowMs + pauseMs];
      }
    },
    pausedMs: (nowMs) => pausedBeforeMs + (state === 'closed' ? 0 : nowMs - openedAtMs),
  };
};

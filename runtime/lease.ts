/** Who does what there may be one of: work that runs in the process that holds a lease. */
import type { Fence, Lease, Leases } from '../ports/lease.ts';
import type { Clock, Log } from '../ports/system.ts';
import { isRetriable, nameOf } from './retry.ts';
import { within } from './wake.ts';

/** `signal` aborts once the lease may be another's; writes carry `fence`. */
export type Held = Readonly<{ fence: Fence; signal: AbortSignal }>;
/**
 * Runs `work` while this process holds the lease `name`, again when it gets it back, until `signal` aborts; stands by
 * otherwise. Rejects with what `work` throws, unless the lease was lost meanwhile. `work` is to end soon after its
 * signal.
 */
export type Leased = (
  name: string,
  signal: AbortSignal,
  work: (held: Held) => Promise<void>,
) => Promise<void>;

/** `holder`: another for each process. `ttlMs`: how long a holder that shows no sign of life keeps a lease. */
export type LeaseOptions = Readonly<{
  leases: Leases;
  holder: string;
  ttlMs: number;
  clock: Clock;
  log: Log;
}>;

/** A holder renews three times in the time to live, a challenger looks ten times. */
const RENEWALS = 3;
const LOOKS = 10;

export const createLeased = ({ leases, holder, ttlMs, clock, log }: LeaseOptions): Leased => {
  const nowMs = (): number => clock.now().getTime();
  const away = (name: string, error: unknown): void =>
    log.warn({ lease: name, error: nameOf(error) }, 'a lease cannot be read or written; trying again');

  /** Watches until it is free, or has shown no sign of life for the whole time to live by our own clock. */
  const acquire = async (name: string, signal: AbortSignal): Promise<Lease | undefined> => {
    let seen: Lease | undefined;
    for (let sinceMs = nowMs(); !signal.aborted; await clock.sleep(ttlMs / LOOKS, signal)) {
      try {
        const found = await leases.read(name);
        if (found?.token !== seen?.token || found?.beat !== seen?.beat) [seen, sinceMs] = [found, nowMs()];
        const free = !found || found.holder === '' || nowMs() - sinceMs >= ttlMs;
        const taken = free ? await leases.take(name, holder, found) : undefined;
        if (taken) return taken;
      } catch (error) {
        if (!isRetriable(error)) throw error;
        away(name, error);
      }
    }
    return undefined;
  };

  /** Shows signs of life until `over`; resolves early, with the lease lost, when it cannot in time. */
  const renew = async (taken: Lease, over: AbortSignal): Promise<Lease | undefined> => {
    let held: Lease = taken;
    for (let lastMs = nowMs(); ;) {
      await clock.sleep(ttlMs / RENEWALS, over);
      if (over.aborted) return held;
      const askedMs = nowMs();
      const leftMs = lastMs + ttlMs - askedMs;
      if (leftMs <= 0) return undefined;
      try {
        // One that is not answered in time is as good as refused.
        const renewed = await within(clock, leftMs, leases.renew(held));
        if (!renewed) return undefined;
        [held, lastMs] = [renewed, askedMs];
      } catch (error) {
        away(held.name, error);
      }
    }
  };

  return async (name, signal, work) => {
    while (!signal.aborted) {
      const taken = await acquire(name, signal);
      if (!taken) return;
      const [lost, over] = [new AbortController(), new AbortController()];
      const renewing = renew(taken, over.signal).then((held) => {
        if (!held) lost.abort();
        return held;
      });
      try {
        const held = {
          fence: { lease: name, token: taken.token },
          signal: AbortSignal.any([signal, lost.signal]),
        };
        await work(held);
      } catch (error) {
        if (!lost.signal.aborted) throw error;
      } finally {
        over.abort();
        const held = await renewing;
        // One that cannot be given back runs out by itself.
        if (held) await leases.release(held).catch((error: unknown) => away(name, error));
        else
          log.warn({ lease: name }, 'a lease was lost to another process, or could not be renewed in time');
      }
    }
  };
};

/** Resolves when `signal` aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

import type { Consumer } from 'kafkajs';
import type { Clock } from '../../ports/system.ts';

const LOOK_MS = 1_000;

/**
 * Resolves once nothing was heard of a consumer for `silentMs`, neither of its group nor of a broker that it fetches
 * from, or when `signal` aborts. Time is counted in looks: of a process that was stopped for a while (a frozen container,
 * a laptop that slept) the clock says nothing.
 */
export const fallsSilent = async (
  consumer: Consumer,
  clock: Clock,
  silentMs: number,
  signal: AbortSignal,
): Promise<void> => {
  const { HEARTBEAT, GROUP_JOIN, REBALANCING, FETCH_START, FETCH } = consumer.events;
  let looks = 0;
  let ofGroup = 0;
  const ofBrokers = new Map<number, number>();
  const hearBroker = ({ payload }: { payload: { nodeId: number } }): void =>
    void ofBrokers.set(payload.nodeId, looks);
  consumer.on(HEARTBEAT, () => void (ofGroup = looks));
  consumer.on(FETCH_START, hearBroker);
  consumer.on(FETCH, hearBroker);
  for (const event of [GROUP_JOIN, REBALANCING] as const)
    consumer.on(event as typeof REBALANCING, () => {
      ofGroup = looks;
      ofBrokers.clear();
    });
  while (!signal.aborted && (looks - Math.min(ofGroup, ...ofBrokers.values())) * LOOK_MS <= silentMs) {
    await clock.sleep(LOOK_MS, signal);
    looks += 1;
  }
};

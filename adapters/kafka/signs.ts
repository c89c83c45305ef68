import type { Consumer } from 'kafkajs';
import type { Clock } from '../../ports/system.ts';

/** Signs of life of a consumer: of its group, and of what it fetches from each broker. */
export const signsOf = (consumer: Consumer, clock: Clock): Readonly<{ silentMs(): number }> => {
  const { HEARTBEAT, GROUP_JOIN, REBALANCING, FETCH_START, FETCH } = consumer.events;
  const nowMs = (): number => clock.now().getTime();
  const brokers = new Map<number, number>();
  let groupMs = nowMs();
  const ofGroup = (): void => void (groupMs = nowMs());
  const ofBroker = ({ payload }: { payload: { nodeId: number } }): void =>
    void brokers.set(payload.nodeId, nowMs());
  consumer.on(HEARTBEAT, ofGroup);
  consumer.on(FETCH_START, ofBroker);
  consumer.on(FETCH, ofBroker);
  for (const event of [GROUP_JOIN, REBALANCING] as const)
    consumer.on(event as typeof REBALANCING, () => {
      ofGroup();
      brokers.clear();
    });
  return { silentMs: () => nowMs() - Math.min(groupMs, ...brokers.values()) };
};

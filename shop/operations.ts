/** What operators see and do, in whichever process. */
import type { Position } from '../domain/kernel.ts';
import type { EventFeed } from '../ports/event-feed.ts';
import { forwardGroup, type ForwardStatus } from '../runtime/feed/forward.ts';
import type { Presence } from '../runtime/presence.ts';
import { lagOf, type ConsumerOperations } from './consumer-operations.ts';
import { forwardIn } from './overview.ts';
import type { Parked } from './parked.ts';
import type { Replays } from './replays.ts';
import type { ViewOperations } from './view-builds.ts';

/** How far a category has come on its way into the log. `position`: everything up to there is in it. */
export type ForwardReport = Readonly<{
  category: string;
  state: ForwardStatus['state'];
  /** While it has failed. */
  why?: string;
  position: Position | null;
  lag: Readonly<{ events: number; seconds: number }>;
}>;

/** What operators can see and do. */
export interface Operations {
  /** All that run, and those that were killed within the hour. */
  processes(): Promise<readonly Presence[]>;
  consumers: ConsumerOperations;
  /** Empty where the store is its own log. */
  forward(): Promise<readonly ForwardReport[]>;
  views: ViewOperations;
  parked: Parked;
  replays: Pick<Replays, 'list' | 'stop'>;
}

export type OperationsDeps = Readonly<{
  /** What every process does. */
  present(): Promise<readonly Presence[]>;
  /** Categories that are forwarded from the store, which `onStore` follows, into a log. */
  forwarded: readonly string[];
  onStore: EventFeed;
  consumers: ConsumerOperations;
  views: ViewOperations;
  parked: Parked;
  replays: Pick<Replays, 'list' | 'stop'>;
}>;

export const createOperations = ({ present, forwarded, onStore, ...parts }: OperationsDeps): Operations => ({
  processes: present,

  async forward() {
    const processes = forwarded.length > 0 ? await present() : [];
    const reports = forwarded.map(async (category) => {
      const group = forwardGroup(category);
      const [lag, position] = await Promise.all([
        lagOf(onStore, group, { categories: [category] }),
        onStore.reached(group),
      ]);
      return { category, ...forwardIn(processes, category), position: position ?? null, lag };
    });
    return Promise.all(reports);
  },
  ...parts,
});

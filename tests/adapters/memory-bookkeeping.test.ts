import {
  memoryBlockedLanes,
  memoryCheckpoints,
  memoryControls,
  memoryLeases,
  memorySchedule,
  memorySnapshots,
} from '../../adapters/memory/bookkeeping.ts';
import { memoryKeyStore } from '../../adapters/memory/key-store.ts';
import { blockedLanesContract } from '../contracts/blocked-lanes.ts';
import { checkpointsContract } from '../contracts/checkpoints.ts';
import { controlsContract } from '../contracts/controls.ts';
import { keyStoreContract } from '../contracts/key-store.ts';
import { leasesContract } from '../contracts/leases.ts';
import type { Make } from '../contracts/making.ts';
import { scheduleContract } from '../contracts/schedule.ts';
import { snapshotsContract } from '../contracts/snapshots.ts';

const made =
  <P>(port: () => P): Make<P> =>
  async () => ({ port: port(), close: async () => undefined });

checkpointsContract(
  'memory',
  made(() => {
    const kept = new Map();
    return { of: async (store: string) => memoryCheckpoints(store, kept) };
  }),
);
leasesContract('memory', made(memoryLeases));
controlsContract('memory', made(memoryControls));
blockedLanesContract('memory', made(memoryBlockedLanes));
scheduleContract('memory', made(memorySchedule));
snapshotsContract('memory', made(memorySnapshots));
keyStoreContract('memory', made(memoryKeyStore));

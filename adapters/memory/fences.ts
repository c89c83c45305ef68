import type { Fence } from '../../ports/lease.ts';

/** The highest token of each lease so far. */
export const memoryFences = (): ((fence: Fence | undefined) => boolean) => {
  const highest = new Map<string, number>();
  return (fence) => {
    if (!fence) return true;
    if ((highest.get(fence.lease) ?? 0) > fence.token) return false;
    highest.set(fence.lease, fence.token);
    return true;
  };
};

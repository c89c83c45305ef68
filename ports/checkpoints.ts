import type { Fence } from './lease.ts';

/** How far each group has come in each partition. A checkpoint belongs to the event store that it was made for. */
export interface Checkpoints {
  /** Throws `OtherStore` for what belongs to another event store. */
  get(group: string, partition: string): Promise<string | undefined>;
  /** Compare-and-set, durable; false when another process has moved it, or by the fence. Throws `OtherStore`. */
  save(
    group: string,
    partition: string,
    expected: string | undefined,
    to: string,
    fence?: Fence,
  ): Promise<boolean>;
}

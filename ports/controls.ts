import type { Actor } from '../domain/kernel.ts';
import type { Fence } from './lease.ts';

/**
 * Something asked of whoever runs `target`, in whichever process. `id`: UUIDv7, so that ids sort in the order of asking.
 * `what`: JSON, for the one who carries it out. `progress`: how far that has come, in that one's words (JSON);
 * `endedAt`: since when nothing is left of it to do. Times are ISO 8601.
 */
export type Control = Readonly<{
  id: string;
  target: string;
  what: unknown;
  actor: Actor;
  reason: string;
  askedAt: string;
  progress?: unknown;
  endedAt?: string;
}>;

/** `progress` takes the place of what was told before. */
export type Told = Readonly<{ progress: unknown; endedAt?: string }>;

/** What is asked of running work: durable, so that it is carried out also by who takes the work over. */
export interface Controls {
  /** Durable when it resolves; one that is there already stays as it is. */
  ask(control: Control): Promise<void>;
  get(id: string): Promise<Control | undefined>;
  /** What is asked of these targets and has not ended, in the order of asking, `limit` at most. */
  open(targets: readonly string[], limit: number): Promise<readonly Control[]>;
  /** What was asked of these targets, ended or not, the newest first, `limit` at most. */
  latest(targets: readonly string[], limit: number): Promise<readonly Control[]>;
  /** Says how far it has come. Refused by the fence, and for what has ended or is not there. */
  report(id: string, told: Told, fence?: Fence): Promise<'kept' | 'refused'>;
  /** Forgets what ended before `time` (ISO 8601). */
  forget(time: string): Promise<void>;
  /**
   * Calls `listener` soon after this process asked or reported; what others did is found by looking. Returns the way to
   * stop.
   */
  onChange(listener: () => void): () => void;
}

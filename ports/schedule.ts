export type Scheduled = Readonly<{ key: string; dueAt: string }>;

/** Keys and when they fall due, in schedules by name. Writes are durable when they resolve. */
export interface Schedule {
  /** Sets (or moves) the time (ISO 8601) at which `key` falls due in `schedule`. */
  set(schedule: string, key: string, dueAt: string): Promise<void>;
  clear(schedule: string, key: string): Promise<void>;
  /** What is due at `now`, earliest first, `limit` at most. It stays until it is cleared. */
  due(schedule: string, now: string, limit: number): Promise<readonly Scheduled[]>;
}

/** Wall clock and timers; `sleep` resolves early (without an error) when `signal` aborts. */
export interface Clock {
  now(): Date;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
export interface Randomness {
  /** UUID version 7. */
  uuid(): string;
  /** 0 ≤ x < 1. */
  fraction(): number;
}
/** `fields` hold no personal data and no secrets. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, sentence: string): void;
  warn(fields: Readonly<Record<string, unknown>>, sentence: string): void;
  error(fields: Readonly<Record<string, unknown>>, sentence: string): void;
}

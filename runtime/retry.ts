/** Which errors say that trying again is right, and how long to wait before. */

const FIRST_BACKOFF_MS = 100;
const BACKOFF_CAP_MS = 30_000;

/**
 * Whether an error says of itself that trying again is right (OutsideError, StoreUnavailable,
 * VaultUnavailable, ConflictError).
 */
export const isRetriable = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'retriable' in error && error.retriable === true;

export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error);

/**
 * Full jitter: anywhere between nothing and the exponential bound, so that those who failed together do not
 * come back together.
 */
export const backoffMs = (attempt: number, fraction: number): number =>
  Math.ceil(fraction * Math.min(BACKOFF_CAP_MS, FIRST_BACKOFF_MS * 2 ** (attempt - 1)));

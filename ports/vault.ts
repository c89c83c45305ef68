import type { Sealed } from '../domain/kernel.ts';

/**
 * Personal data under one key per subject (a customer; for a guest the order). Destroying the key makes every
 * copy of what was sealed unreadable: in the event log, in views, in backups. Throws `VaultUnavailable` when
 * a key cannot be had.
 */
export interface Vault {
  /**
   * JSON value to ciphertext; makes the subject's key at first use and resolves only when that key is
   * durable.
   */
  seal(subject: string, value: unknown): Promise<Sealed>;
  open(sealed: Sealed): Promise<unknown | typeof ERASED>;
  /**
   * Keyed hash (hex) of a JSON value: equal for equal values of one subject, worth nothing once the key is
   * gone.
   */
  fingerprint(subject: string, value: unknown): Promise<string>;
  erase(subject: string): Promise<void>;
  close(): Promise<void>;
}

/** What personal data reads as after erasure. */
export const ERASED = '[erased]';

export class VaultUnavailable extends Error {
  override readonly name = 'VaultUnavailable';
  readonly retriable = true;
}

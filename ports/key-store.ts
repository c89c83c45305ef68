/** Throws `VaultUnavailable` when it cannot be reached. */
export interface KeyStore {
  /** The wrapped key of `subject`, as it is now, whichever process wrote it; it is durable. */
  get(subject: string): Promise<string | undefined>;
  /** Keeps `wrapped` if the subject has no key; resolves with the one that it has, once that is durable. */
  putIfAbsent(subject: string, wrapped: string): Promise<string>;
  /** Resolves once the absence is durable. */
  remove(subject: string): Promise<void>;
  /** Keeps `proof` (of the master key that the keys are wrapped with) if none is kept; resolves with the one that is. */
  prove(proof: string): Promise<string>;
  close(): Promise<void>;
}

import type { Vault } from '../../ports/vault.ts';
import { keyVault, type RandomBytes } from '../vault-crypto.ts';
import { memoryKeyStore } from './key-store.ts';

/**
 * A vault whose keys go with the process. `random` is for simulations that must repeat; real keys need the
 * default.
 */
export const memoryVault = ({
  masterKey = Buffer.alloc(32),
  random,
}: Readonly<{ masterKey?: Buffer; random?: RandomBytes }> = {}): Vault =>
  keyVault(memoryKeyStore(), masterKey, random);

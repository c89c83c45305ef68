import { VaultUnavailable, type Vault } from '../../ports/vault.ts';
import { keyVault, type RandomBytes } from '../vault-crypto.ts';

/**
 * A vault whose keys go with the process. `random` is for simulations that must repeat; real keys need the
 * default.
 */
export const memoryVault = ({
  masterKey = Buffer.alloc(32),
  random,
}: Readonly<{ masterKey?: Buffer; random?: RandomBytes }> = {}): Vault => {
  const keys = new Map<string, string>();
  let closed = false;
  const open = (): void => {
    if (closed) throw new VaultUnavailable('the vault is closed');
  };
  const store = {
    get(subject: string) {
      open();
      return keys.get(subject);
    },
    async putIfAbsent(subject: string, wrapped: string) {
      open();
      const there = keys.get(subject) ?? wrapped;
      keys.set(subject, there);
      return there;
    },
    async remove(subject: string) {
      open();
      keys.delete(subject);
    },
    flush: async () => undefined,
    async close() {
      closed = true;
    },
  };
  return keyVault(store, masterKey, random);
};

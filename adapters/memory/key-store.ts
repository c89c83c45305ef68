import type { KeyStore } from '../../ports/key-store.ts';
import { VaultUnavailable } from '../../ports/vault.ts';

/** The key store's specification: its keys go with the process. */
export const memoryKeyStore = (): KeyStore => {
  const keys = new Map<string, string>();
  let proven: string | undefined;
  let closed = false;
  const open = (): void => {
    if (closed) throw new VaultUnavailable('the key store is closed');
  };
  return {
    async get(subject) {
      open();
      return keys.get(subject);
    },
    async putIfAbsent(subject, wrapped) {
      open();
      const there = keys.get(subject) ?? wrapped;
      keys.set(subject, there);
      return there;
    },
    async remove(subject) {
      open();
      keys.delete(subject);
    },
    async prove(proof) {
      open();
      return (proven ??= proof);
    },
    async close() {
      closed = true;
    },
  };
};

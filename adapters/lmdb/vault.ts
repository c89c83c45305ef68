import { VaultUnavailable, type Vault } from '../../ports/vault.ts';
import { keyVault, masterKeyProof } from '../vault-crypto.ts';
import { openEnvironment } from './environment.ts';

/**
 * Wrapped keys by subject in an LMDB environment apart from the events, so that it is backed up apart. An
 * erased key's pages are free at once but overwritten only when LMDB uses them again; without the master key
 * they are worth nothing. Throws VaultUnavailable when the keys there were made under another `masterKey` (32
 * bytes).
 */
export const openLmdbVault = ({
  folder,
  masterKey,
}: Readonly<{ folder: string; masterKey: Buffer }>): Vault => {
  const env = openEnvironment(
    folder,
    'the vault',
    (message, cause) => new VaultUnavailable(message, { cause }),
  );
  const keys = env.strings<string>('keys');
  const meta = env.strings<string>('meta');
  const proof = masterKeyProof(masterKey);
  const proven = env.root.transactionSync(() => {
    const before = meta.get('masterKey');
    if (before === undefined) meta.putSync('masterKey', proof);
    return before ?? proof;
  });
  if (proven !== proof) {
    void env.close();
    throw new VaultUnavailable(
      `the keys in ${folder} were made under another master key: start with that one (MASTER_KEY, or the file that was kept)`,
    );
  }

  const store = {
    get: (subject: string) => env.read(() => keys.get(subject)),
    putIfAbsent: (subject: string, wrapped: string) =>
      env.transaction(() => {
        const there = keys.get(subject);
        if (there === undefined) void keys.put(subject, wrapped);
        return there ?? wrapped;
      }),
    remove: (subject: string) => env.transaction(() => void keys.remove(subject)),
    flush: env.flush,
    close: () => env.close(),
  };
  return keyVault(store, masterKey);
};

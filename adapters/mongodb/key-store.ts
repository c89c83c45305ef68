import type { KeyStore } from '../../ports/key-store.ts';
import type { Clock } from '../../ports/system.ts';
import { VaultUnavailable } from '../../ports/vault.ts';
import { DATABASE, databaseIn, openDatabase, unlessThere } from './connection.ts';

type Kept = { _id: string; text: string };
const PROOF = 'master key';

/**
 * Wrapped keys in a database of their own, so that they are kept and backed up apart: the one that `url` names, or, where
 * that is the one of what else is kept (`beside`), one that is called after it. What is removed stays in the
 * server's own log until that is written over; without the master key it is worth nothing.
 */
export const openMongoKeyStore = ({
  url,
  beside,
  clock,
}: Readonly<{ url: string; beside: boolean; clock: Clock }>): KeyStore => {
  const named = databaseIn(url);
  const { run, close } = openDatabase({
    url,
    database: named === undefined || beside ? `${named ?? DATABASE}-keys` : named,
    what: 'the key store on MongoDB',
    clock,
    indexes: {},
    unavailable: VaultUnavailable,
  });
  /** The first text under an id. A majority has it, also when it was there already: the server waits for that too. */
  const first = (collection: string, id: string, text: string): Promise<string> =>
    run(async (db) => {
      for (;;) {
        const kept = await unlessThere(
          db
            .collection<Kept>(collection)
            .findOneAndUpdate(
              { _id: id },
              { $setOnInsert: { text } },
              { upsert: true, returnDocument: 'after' },
            ),
        );
        if (kept) return kept.text; // undefined: two made it at once
      }
    });
  return {
    async get(subject) {
      return (await run((db) => db.collection<Kept>('keys').findOne({ _id: subject })))?.text;
    },
    putIfAbsent: (subject, wrapped) => first('keys', subject, wrapped),
    async remove(subject) {
      await run((db) => db.collection<Kept>('keys').deleteOne({ _id: subject }));
    },
    prove: (proof) => first('proofs', PROOF, proof),
    close,
  };
};

/** What is kept beside the events, where the environment names a MongoDB. */
import { openMongoBookkeeping } from '../adapters/mongodb/bookkeeping.ts';
import { openMongoKeyStore } from '../adapters/mongodb/key-store.ts';
import { openMongoReadStore } from '../adapters/mongodb/read-store.ts';
import type { Clock } from '../ports/system.ts';
import { EnvironmentError, type Environment } from './environment.ts';

/** The driver repeats a URL that it does not take, with what is secret in it. */
const taken = <T>(name: string, open: () => T): T => {
  try {
    return open();
  } catch (error) {
    const why = (error as Error).message.replace(/"?mongodb(\+srv)?:\S*/g, 'it');
    throw new EnvironmentError(`${name} is not taken by MongoDB's driver: ${why}`);
  }
};

/** Of the event store with the id `store`. Nothing is asked of the server yet. Throws EnvironmentError. */
export const openOnMongoDb = (
  { MONGODB_KEYS_URL: keysUrl }: Environment,
  url: string,
  { store, clock }: Readonly<{ store: string; clock: Clock }>,
) => ({
  ...taken('MONGODB_URL', () => ({
    books: openMongoBookkeeping({ url, store, clock }),
    reads: openMongoReadStore({ url, store, clock }),
  })),
  keys: taken('MONGODB_KEYS_URL', () =>
    openMongoKeyStore({ url: keysUrl ?? url, beside: keysUrl === undefined, clock }),
  ),
});

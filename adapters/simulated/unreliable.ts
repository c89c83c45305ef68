/** What the simulated providers share: failing at a set rate, and reading their ledgers. */
import type { Database, Key } from 'lmdb';
import { OutsideError } from '../../ports/outside.ts';
import type { Randomness } from '../../ports/system.ts';

/**
 * Shares of the calls, 0 to 1: `failureRate` fail without acting; `unknownRate` break off, half of them after
 * acting.
 */
export type Rates = Readonly<{ failureRate: number; unknownRate: number }>;

const PAGE = 1_000;

/**
 * Runs `act` or throws a retriable OutsideError, as the rates have it. What `act` did stands, whatever the
 * caller hears.
 */
export const unreliable =
  (provider: string, { failureRate, unknownRate }: Rates, randomness: Randomness) =>
  async <T>(act: () => Promise<T>): Promise<T> => {
    const luck = randomness.fraction();
    if (luck < failureRate)
      throw new OutsideError(`${provider} is out of order`, { retriable: true, outcome: 'none' });
    if (luck >= failureRate + unknownRate) return act();
    // Of a broken connection the caller sees nothing, not even that the call itself was wrong.
    const cause =
      randomness.fraction() < 0.5
        ? await act().then(
            () => undefined,
            (error: unknown) => error,
          )
        : undefined;
    throw new OutsideError(`the connection to ${provider} broke`, {
      retriable: true,
      outcome: 'unknown',
      cause,
    });
  };

/**
 * A ledger that cannot be written (a full disk) is an outage of the provider, and whether it acted is not
 * known.
 */
export const asOutage =
  (provider: string) =>
  (error: unknown): never => {
    if (error instanceof OutsideError) throw error;
    throw new OutsideError(`the ledger of ${provider} cannot be written`, {
      retriable: true,
      outcome: 'unknown',
      cause: error,
    });
  };

/**
 * All values in the order of their keys, page by page: a read transaction held open for the whole way keeps
 * an LMDB file growing.
 */
export async function* pages<V, K extends Key>(db: Database<V, K>): AsyncGenerator<V> {
  let after: K | undefined;
  for (;;) {
    const page = [
      ...db.getRange(
        after === undefined ? { limit: PAGE } : { start: after, exclusiveStart: true, limit: PAGE },
      ),
    ];
    for (const { value } of page) yield value;
    if (page.length < PAGE) return;
    after = page.at(-1)?.key;
  }
}

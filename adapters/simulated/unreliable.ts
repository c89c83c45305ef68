/** What the simulated providers share: failing at a set rate, and what a ledger's failure is to a caller. */
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { Randomness } from '../../ports/system.ts';

/**
 * Shares of the calls, 0 to 1: `failureRate` fail without acting; `unknownRate` break off, half of them after
 * acting.
 */
export type Rates = Readonly<{ failureRate: number; unknownRate: number }>;

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

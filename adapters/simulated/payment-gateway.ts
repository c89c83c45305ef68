/**
 * A payment provider that keeps real books and fails on request: strict about keys and amounts, as the real
 * ones are.
 */
import type {
  Authorization,
  Capture,
  Failed,
  PaymentGateway,
  Refund,
  Void,
} from '../../ports/outside/payment-gateway.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { Clock, Randomness } from '../../ports/system.ts';
import {
  derivedId,
  paymentBooks,
  type Books,
  type Call,
  type Decided,
  type HeldAuthorization,
  type PaymentLedger,
} from './payment-ledger.ts';
import type { Ledger } from './ledger.ts';
import { unreliable, type Rates } from './unreliable.ts';

/**
 * Tokens that steer the outcome of an authorization; any other (or none) is authorized, unless `declineRate`
 * has it otherwise.
 */
export const TOKENS = {
  decline: 'tok_decline',
  action: 'tok_action',
  actionDone: 'tok_action_done',
  captureFail: 'tok_capture_fail',
} as const;

export type SimulatedPaymentOptions = Rates &
  Readonly<{
    /** Where the books are kept. */
    books: Ledger;
    clock: Clock;
    randomness: Randomness;
    /** Half of it passes before the provider acts, half before it answers. */
    latencyMs: number;
    /** Share of the authorizations that are declined: decided once for each key. */
    declineRate: number;
    /** Where the customer is sent by `tok_action`; the authorization's id is added as `?authorization=`. */
    actionUrl: string;
  }>;

export type SimulatedPaymentGateway = PaymentGateway & Readonly<{ ledger: PaymentLedger }>;

const PROVIDER = 'the simulated payment provider';
const HELD_MS = 7 * 24 * 60 * 60 * 1_000;
const TEXT_MAX = 255;

const failed = (code: string, sentence: string): Failed => ({ outcome: 'failed', code, sentence });

const checkText = (name: string, value: string): void => {
  if (value.length < 1 || value.length > TEXT_MAX)
    throw new OutsideError(`${name} must have 1 to ${TEXT_MAX} characters`, {
      retriable: false,
      outcome: 'none',
    });
};
const checkAmount = (amountMinor: number): void => {
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 1)
    throw new OutsideError(`an amount must be a whole number of minor units, 1 at least: ${amountMinor}`, {
      retriable: false,
      outcome: 'none',
    });
};

/** Every answer given is in the books before it is heard: killing the process forgets none that are on disk. */
export const simulatedPaymentGateway = (options: SimulatedPaymentOptions): SimulatedPaymentGateway => {
  const { clock, randomness, latencyMs, declineRate, actionUrl } = options;
  const { once, giveUp, ledger } = paymentBooks(options.books, PROVIDER);
  const luck = unreliable(PROVIDER, options, randomness);

  const pause = async (ms: number): Promise<void> => {
    if (ms > 0) await clock.sleep(ms);
  };
  /** Half the latency, then `act` as luck has it, then the other half. */
  const remote = async <R>(key: string, orderId: string, act: (now: Date) => Promise<R>): Promise<R> => {
    checkText('a key', key);
    checkText('an order id', orderId);
    await pause(Math.floor(latencyMs / 2));
    try {
      return await luck(() => act(clock.now()));
    } finally {
      await pause(Math.ceil(latencyMs / 2));
    }
  };
  const answer = async <R extends Readonly<{ outcome: string }>>(
    call: Call,
    decide: (books: Books, now: Date) => Decided<R>,
  ): Promise<R> => {
    for (const parameter of call.parameters) if (typeof parameter === 'number') checkAmount(parameter);
    return remote(call.key, call.orderId, (now) => once<R>(call, now, (books) => decide(books, now)));
  };

  /** The call's authorization, or why it cannot be used. */
  const usable = (
    books: Books,
    now: Date,
    id: string,
    orderId: string,
    currency: string,
  ): HeldAuthorization | Failed => {
    const held = books.authorization(id);
    if (!held || held.orderId !== orderId)
      return failed('unknown_authorization', 'There is no such authorization for this order.');
    if (held.currency !== currency)
      return failed('currency_mismatch', `The authorization is in ${held.currency}.`);
    if (held.state === 'action_required')
      return failed('authorization_incomplete', 'The customer has not completed the authorization.');
    if (held.state === 'voided') return failed('authorization_voided', 'The authorization was voided.');
    if (held.expiresAt <= now.toISOString())
      return failed('authorization_expired', 'The authorization has expired.');
    return held;
  };

  return {
    ledger,

    authorize({ key, orderId, amountMinor, currency, token }) {
      return answer<Authorization>(
        { key, kind: 'authorize', orderId, parameters: [amountMinor, currency, token ?? null] },
        (books, now) => {
          const authorizationId = derivedId('auth', key);
          const decline =
            token === TOKENS.decline || (token !== TOKENS.action && randomness.fraction() < declineRate);
          if (decline)
            return {
              result: { outcome: 'declined', code: 'card_declined', sentence: 'The card was declined.' },
              record: { amountMinor, authorizationId, acted: false },
            };
          const expiresAt = new Date(now.getTime() + HELD_MS).toISOString();
          const action = token === TOKENS.action;
          const state = action ? 'action_required' : 'held';
          books.saveAuthorization({
            authorizationId,
            orderId,
            currency,
            amountMinor,
            capturedMinor: 0,
            state,
            expiresAt,
            captureFails: token === TOKENS.captureFail,
          });
          return {
            result: action
              ? {
                  outcome: 'action_required',
                  authorizationId,
                  url: `${actionUrl}?authorization=${authorizationId}`,
                }
              : { outcome: 'authorized', authorizationId, amountMinor, expiresAt },
            record: { amountMinor, authorizationId, acted: !action },
          };
        },
      );
    },

    abandon({ key, orderId }) {
      return remote(key, orderId, async (now) => {
        const later: Authorization = {
          outcome: 'declined',
          code: 'abandoned',
          sentence: 'The payment was given up before it was made.',
        };
        const held = await giveUp(key, orderId, now, later);
        if (!held || held.expiresAt <= now.toISOString()) return { outcome: 'abandoned' };
        const { authorizationId, amountMinor, expiresAt } = held;
        return { outcome: 'authorized', authorizationId, amountMinor, expiresAt };
      });
    },

    capture({ key, orderId, authorizationId, amountMinor, currency }) {
      return answer<Capture>(
        { key, kind: 'capture', orderId, parameters: [authorizationId, amountMinor, currency] },
        (books, now) => {
          const no = (result: Failed) => ({ result, record: { amountMinor, authorizationId, acted: false } });
          const held = usable(books, now, authorizationId, orderId, currency);
          if ('outcome' in held) return no(held);
          if (held.captureFails) return no(failed('capture_refused', "The card's bank refused the capture."));
          const openMinor = held.amountMinor - held.capturedMinor;
          if (amountMinor > openMinor)
            return no(failed('amount_too_large', `Only ${openMinor} of the authorization is left.`));
          const captureId = derivedId('cap', key);
          books.saveAuthorization({ ...held, capturedMinor: held.capturedMinor + amountMinor });
          books.saveCapture({ captureId, authorizationId, orderId, currency, amountMinor, refundedMinor: 0 });
          return {
            result: { outcome: 'captured', captureId, amountMinor },
            record: { amountMinor, authorizationId, captureId, acted: true },
          };
        },
      );
    },

    void({ key, orderId, authorizationId }) {
      return answer<Void>({ key, kind: 'void', orderId, parameters: [authorizationId] }, (books) => {
        const held = books.authorization(authorizationId);
        if (!held || held.orderId !== orderId)
          return {
            result: failed('unknown_authorization', 'There is no such authorization for this order.'),
            record: { amountMinor: 0, authorizationId, acted: false },
          };
        const acted = held.state === 'held';
        const amountMinor = acted ? held.amountMinor - held.capturedMinor : 0;
        books.saveAuthorization({ ...held, state: 'voided' });
        return { result: { outcome: 'voided' }, record: { amountMinor, authorizationId, acted } };
      });
    },

    refund({ key, orderId, captureId, amountMinor, currency }) {
      return answer<Refund>(
        { key, kind: 'refund', orderId, parameters: [captureId, amountMinor, currency] },
        (books) => {
          const taken = books.capture(captureId);
          const no = (code: string, sentence: string) => ({
            result: failed(code, sentence),
            record: { amountMinor, authorizationId: taken?.authorizationId ?? '', captureId, acted: false },
          });
          if (!taken || taken.orderId !== orderId)
            return no('unknown_capture', 'There is no such capture for this order.');
          if (taken.currency !== currency)
            return no('currency_mismatch', `The capture is in ${taken.currency}.`);
          const leftMinor = taken.amountMinor - taken.refundedMinor;
          if (amountMinor > leftMinor)
            return no('amount_too_large', `Only ${leftMinor} of the capture is left to refund.`);
          const gatewayRefundId = derivedId('re', key);
          books.saveCapture({ ...taken, refundedMinor: taken.refundedMinor + amountMinor });
          return {
            result: { outcome: 'refunded', gatewayRefundId, amountMinor },
            record: {
              amountMinor,
              authorizationId: taken.authorizationId,
              captureId,
              gatewayRefundId,
              acted: true,
            },
          };
        },
      );
    },
  };
};

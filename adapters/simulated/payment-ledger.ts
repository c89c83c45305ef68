/** The books of the simulated payment provider: each call is decided and recorded in one transaction. */
import { createHash } from 'node:crypto';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import { valuesOf, type Ledger } from './ledger.ts';
import { asOutage } from './unreliable.ts';

export type PaymentKind = 'authorize' | 'capture' | 'void' | 'refund';

/**
 * One call and what came of it. `acted`: money was held, taken, let go or given back; a decline, a failure
 * and a void of what was already void did nothing. `amountMinor` of a void is what it let go.
 */
export type PaymentRecord = Readonly<{
  key: string;
  kind: PaymentKind;
  orderId: string;
  amountMinor: number;
  authorizationId: string;
  captureId?: string;
  gatewayRefundId?: string;
  /** ISO 8601. */
  at: string;
  acted: boolean;
  /**
   * `authorized`, `declined`, `captured`, `failed`, … as answered; `abandoned` for a key that was given up
   * before its call came.
   */
  outcome: string;
}>;

export type PaymentLedger = Readonly<{
  /** What came of the call under `key`; undefined when it never arrived. */
  find(key: string): PaymentRecord | undefined;
  /** What was really done for one order, in the order of time. */
  ofOrder(orderId: string): readonly PaymentRecord[];
  /** What was really done for all orders, in the order of keys. */
  acts(): AsyncIterable<PaymentRecord>;
}>;

export type HeldAuthorization = Readonly<{
  authorizationId: string;
  orderId: string;
  currency: string;
  amountMinor: number;
  capturedMinor: number;
  state: 'held' | 'action_required' | 'voided';
  expiresAt: string;
  captureFails: boolean;
}>;
export type TakenCapture = Readonly<{
  captureId: string;
  authorizationId: string;
  orderId: string;
  currency: string;
  amountMinor: number;
  refundedMinor: number;
}>;

/**
 * What a decision may read and write; it runs inside the transaction, after all that other processes have
 * done.
 */
export type Books = Readonly<{
  authorization(id: string): HeldAuthorization | undefined;
  capture(id: string): TakenCapture | undefined;
  saveAuthorization(authorization: HeldAuthorization): void;
  saveCapture(capture: TakenCapture): void;
}>;

type Entry<R> = Readonly<{ record: PaymentRecord; fingerprint: string; result: R }>;
export type Decided<R> = Readonly<{
  result: R;
  record: Omit<PaymentRecord, 'key' | 'kind' | 'orderId' | 'at' | 'outcome'>;
}>;
/** `parameters`: what makes it the same call when its key comes again, beside kind and order. */
export type Call = Readonly<{
  key: string;
  kind: PaymentKind;
  orderId: string;
  parameters: readonly (string | number | null)[];
}>;

/** The provider's own ids follow from the caller's key, so that a ledger can be read beside the events. */
export const derivedId = (prefix: string, key: string): string =>
  `${prefix}_${createHash('sha256').update(key).digest('hex').slice(0, 24)}`;

/** Stands for any authorization of the order, whatever its amount or card. */
const givenUp = (orderId: string): string => JSON.stringify(['authorize', orderId]);
const otherCall = (key: string): OutsideError =>
  new OutsideError(`the key ${key} was used for another call`, { retriable: false, outcome: 'none' });

/** The books in `kept`, which has them to itself. */
export const paymentBooks = (kept: Ledger, provider: string) => {
  const calls = kept.table<Entry<unknown>>('calls');
  /** By [order, time in ms, key]. */
  const byOrder = kept.table<string>('calls-by-order');
  const authorizations = kept.table<HeldAuthorization>('authorizations');
  const captures = kept.table<TakenCapture>('captures');

  const books: Books = {
    authorization: (id) => authorizations.get(id),
    capture: (id) => captures.get(id),
    saveAuthorization: (authorization) => authorizations.put(authorization.authorizationId, authorization),
    saveCapture: (capture) => captures.put(capture.captureId, capture),
  };

  /**
   * The recorded result of the call's key, or what `decide` says, recorded. Throws OutsideError for a key of
   * another call.
   */
  const once = <R extends Readonly<{ outcome: string }>>(
    call: Call,
    now: Date,
    decide: (books: Books) => Decided<R>,
  ): Promise<R> => {
    const fingerprint = JSON.stringify([call.kind, call.orderId, ...call.parameters]);
    return kept
      .transaction((): R | undefined => {
        const known = calls.get(call.key);
        const same =
          known?.fingerprint === fingerprint ||
          (call.kind === 'authorize' && known?.fingerprint === givenUp(call.orderId));
        if (known) return same ? (known.result as R) : undefined;
        const { result, record } = decide(books);
        const { key, kind, orderId } = call;
        calls.put(key, {
          record: { key, kind, orderId, at: now.toISOString(), outcome: result.outcome, ...record },
          fingerprint,
          result,
        });
        byOrder.put([orderId, now.getTime(), key], key);
        return result;
      })
      .catch(asOutage(provider))
      .then((result) => {
        if (result) return result;
        throw otherCall(call.key);
      });
  };

  /**
   * The authorization that is held under `key`, if there is one. Else none ever will be: a call that has yet
   * to arrive gets `later`, and one that waits for the customer is voided.
   */
  const giveUp = (
    key: string,
    orderId: string,
    now: Date,
    later: Readonly<{ outcome: string }>,
  ): Promise<HeldAuthorization | undefined> =>
    kept
      .transaction((): HeldAuthorization | 'none' | 'other' => {
        const known = calls.get(key);
        if (!known) {
          const nothing = { amountMinor: 0, authorizationId: '', acted: false, outcome: 'abandoned' };
          const record: PaymentRecord = {
            key,
            kind: 'authorize',
            orderId,
            at: now.toISOString(),
            ...nothing,
          };
          calls.put(key, { record, fingerprint: givenUp(orderId), result: later });
          return 'none';
        }
        if (known.record.kind !== 'authorize' || known.record.orderId !== orderId) return 'other';
        const authorization = books.authorization(known.record.authorizationId);
        if (authorization?.state === 'held') return authorization;
        if (authorization) books.saveAuthorization({ ...authorization, state: 'voided' });
        return 'none';
      })
      .catch(asOutage(provider))
      .then((found) => {
        if (found === 'other') throw otherCall(key);
        return found === 'none' ? undefined : found;
      });

  const ledger: PaymentLedger = {
    find: (key) => calls.get(key)?.record,
    ofOrder: (orderId) =>
      byOrder
        .range({ prefix: [orderId] })
        .map(({ value }) => calls.get(value)?.record)
        .filter((record): record is PaymentRecord => record?.acted === true),
    async *acts() {
      for await (const { record } of valuesOf(calls)) if (record.acted) yield record;
    },
  };
  return { once, giveUp, ledger };
};

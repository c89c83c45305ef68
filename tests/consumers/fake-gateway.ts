/**
 * A payment provider in memory that keeps to its port: one result a key. A test says which calls break,
 * before or after acting.
 */
import type {
  Authorization,
  Capture,
  PaymentGateway,
  Refund,
  Void,
} from '../../ports/outside/payment-gateway.ts';

type Result = Authorization | Capture | Void | Refund;
type Break = Readonly<{ when: 'before' | 'after'; error: Error }>;

export type FakeGateway = PaymentGateway & {
  /** `authorize KEY` …: every call as it came in. */
  readonly calls: string[];
  /** What was really done, once a key. */
  readonly acts: string[];
  /** The next call breaks off, without acting or after it. */
  breakNext(broken: Break): void;
  /** What the next call of a new key is answered, in place of a success. */
  answerNext(result: Result): void;
};

export const fakeGateway = (): FakeGateway => {
  const results = new Map<string, Result>();
  const [calls, acts] = [[] as string[], [] as string[]];
  let broken: Break | undefined;
  let answer: Result | undefined;

  const call = async <R extends Result>(kind: string, key: string, success: R): Promise<R> => {
    calls.push(`${kind} ${key}`);
    const breaks = broken;
    broken = undefined;
    if (breaks?.when === 'before') throw breaks.error;
    const known = results.get(key) as R | undefined;
    const result = known ?? (answer as R | undefined) ?? success;
    if (!known) {
      results.set(key, result);
      if (result === success) acts.push(`${kind} ${key}`);
      answer = undefined;
    }
    if (breaks) throw breaks.error;
    return result;
  };
  return {
    calls,
    acts,
    breakNext: (next) => void (broken = next),
    answerNext: (result) => void (answer = result),
    authorize: ({ key, amountMinor }) =>
      call<Authorization>('authorize', key, {
        outcome: 'authorized',
        authorizationId: `auth-${key}`,
        amountMinor,
        expiresAt: '2030-01-08T00:00:00.000Z',
      }),
    async abandon({ key }) {
      calls.push(`abandon ${key}`);
      const known = results.get(key);
      if (known?.outcome === 'authorized') return known;
      if (!known) results.set(key, { outcome: 'declined', code: 'abandoned', sentence: 'It was given up.' });
      return { outcome: 'abandoned' };
    },
    capture: ({ key, amountMinor }) =>
      call<Capture>('capture', key, { outcome: 'captured', captureId: `cap-${key}`, amountMinor }),
    void: ({ key }) => call<Void>('void', key, { outcome: 'voided' }),
    refund: ({ key, amountMinor }) =>
      call<Refund>('refund', key, { outcome: 'refunded', gatewayRefundId: `re-${key}`, amountMinor }),
  };
};

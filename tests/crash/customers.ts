/**
 * Customers who check out over HTTP, and go on after a crash where they were, under the keys that they had.
 */
import { systemRandomness } from '../../adapters/system.ts';
import { newOrder, type NewLine } from '../flow/client.ts';

/** Seeded, so that a run can be repeated: 0 ≤ x < 1. */
export type Dice = () => number;
/** Mulberry32. */
export const dice = (seed: number): Dice => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

type Wanted = { readonly key: string; readonly body: unknown; readonly cancels: boolean; answer?: string };

export type Customers = Readonly<{
  /** Text of the 201 by order id: what was promised. */
  acknowledged: ReadonlyMap<string, string>;
  /**
   * `most` checkouts, fewer if the server goes; `acknowledgedOne` hears how many of them were answered.
   * Throws for a wrong answer.
   */
  round(url: string, most: number, acknowledgedOne: (count: number) => void): Promise<void>;
  /** Repeats what got no answer, until all have one. */
  settle(url: string): Promise<void>;
  cancelled(): number;
  repeated(): number;
}>;

const AT_ONCE = 16;
/** Of the demo shop, plentiful. */
export const SKUS = [
  'MUG-BLUE',
  'MUG-SAND',
  'TEAPOT-1L',
  'BOWL-SET-4',
  'PLATE-27',
  'CANDLE-FIG',
  'CANDLE-SEA',
  'LANTERN-S',
  'JAR-1L',
  'RIBBON-RED',
];
/** Scarce, and in every third order. */
export const HOT_SKU = 'HOT';
const POLICIES = ['cancelOrder', 'cancelLines', 'backorder'] as const;

/** The connection broke, or the store behind it: whether the order was placed is not known. */
class Broken extends Error {
  override readonly name = 'Broken';
}

/** `refused`: hears of each 503, which is taken for a wrong answer without it. */
export const customers = (
  roll: Dice,
  token: () => string,
  refused?: (retryAfter: string | null) => void,
): Customers => {
  const acknowledged = new Map<string, string>();
  const unanswered: Wanted[] = [];
  let [cancelled, repeated] = [0, 0];
  const pick = <T>(items: readonly T[]): T => items[Math.floor(roll() * items.length)] as T;

  const want = (): Wanted => {
    const lines: NewLine[] = Array.from({ length: roll() < 0.1 ? 8 : 1 + Math.floor(roll() * 3) }, () => ({
      sku: pick(SKUS),
      quantity: 1 + Math.floor(roll() * 3),
    }));
    if (roll() < 0.33) lines.push({ sku: HOT_SKU, quantity: 1 + Math.floor(roll() * 2) });
    return {
      key: systemRandomness.uuid(),
      body: newOrder(lines, { onShortage: pick(POLICIES) }),
      cancels: roll() < 0.1,
    };
  };
  const post = async (
    url: string,
    path: string,
    key: string,
    body: unknown,
  ): Promise<Readonly<{ status: number; text: string }>> => {
    let response: Response;
    let text: string;
    try {
      const headers = {
        authorization: `Bearer ${token()}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      };
      response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      text = await response.text();
    } catch (cause) {
      throw new Broken('no answer', { cause });
    }
    const { status } = response;
    if (status !== 503 || !refused) return { status, text };
    refused(response.headers.get('retry-after'));
    throw new Broken('refused');
  };
  const checkOut = async (url: string, wanted: Wanted): Promise<void> => {
    const { status, text } = await post(url, '/orders', wanted.key, wanted.body);
    if (status !== 201) throw new Error(`a checkout was answered ${status}: ${text}`);
    if (wanted.answer !== undefined && wanted.answer !== text)
      throw new Error(`a repeat was answered\n${text}\nand before\n${wanted.answer}`);
    wanted.answer = text;
    acknowledged.set((JSON.parse(text) as { orderId: string }).orderId, text);
  };
  const afterwards = async (url: string, wanted: Wanted): Promise<void> => {
    if (roll() < 0.1) {
      await checkOut(url, wanted);
      repeated += 1;
    }
    if (!wanted.cancels) return;
    const { orderId } = JSON.parse(wanted.answer ?? '') as { orderId: string };
    const { status, text } = await post(url, `/orders/${orderId}/cancel`, systemRandomness.uuid(), {
      reason: 'changed my mind',
    });
    if (status === 200) cancelled += 1;
    else if (status !== 409) throw new Error(`a cancellation was answered ${status}: ${text}`);
  };

  const inParallel = async (work: () => Promise<boolean>): Promise<void> => {
    const worker = async (): Promise<void> => {
      while (await work());
    };
    const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
    for (const one of ended)
      if (one.status === 'rejected' && !(one.reason instanceof Broken)) throw one.reason;
  };
  const attempt = async (url: string, wanted: Wanted): Promise<void> => {
    try {
      await checkOut(url, wanted);
    } catch (error) {
      if (error instanceof Broken) unanswered.push(wanted);
      throw error;
    }
  };

  return {
    acknowledged,
    async round(url, most, acknowledgedOne) {
      let [started, count] = [0, 0];
      await inParallel(async () => {
        if (started++ >= most) return false;
        const wanted = unanswered.pop() ?? want();
        await attempt(url, wanted);
        acknowledgedOne(++count);
        await afterwards(url, wanted);
        return true;
      });
    },
    settle: (url) =>
      inParallel(async () => {
        const wanted = unanswered.pop();
        if (wanted) await attempt(url, wanted);
        return wanted !== undefined;
      }),
    cancelled: () => cancelled,
    repeated: () => repeated,
  };
};

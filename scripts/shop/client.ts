/** Calls to the API that are tried again as long as trying again is right. */
import type { Clock, Randomness } from '../../ports/system.ts';

export type Call = Readonly<{
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  token?: string;
  key?: string;
  body?: unknown;
}>;
/** `body`: parsed JSON, undefined when it is none. */
export type Reply = Readonly<{ status: number; body: unknown }>;
/** What came of a call in the end: a reply that is final, or none within the time. */
export type Outcome =
  | Readonly<{ answered: true; reply: Reply; attempts: number }>
  | Readonly<{ answered: false; why: string; attempts: number }>;

export type Client = Readonly<{
  /** One try. Throws when there is no answer. */
  once(call: Call): Promise<Reply>;
  /** Tries again on no answer, 429 and 503, with a growing pause or the one that the server asks for. */
  call(call: Call): Promise<Outcome>;
}>;

const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 5_000;

export type ClientOptions = Readonly<{
  url: string;
  clock: Clock;
  randomness: Randomness;
  answerWithinMs?: number;
  tryForMs?: number;
}>;

/** `tryForMs`: from the first try to the beginning of the last (2 minutes). */
export const createClient = ({
  url,
  clock,
  randomness,
  answerWithinMs = 30_000,
  tryForMs = 120_000,
}: ClientOptions): Client => {
  const base = url.replace(/\/+$/, '');

  const send = async ({
    method,
    path,
    token,
    key,
    body,
  }: Call): Promise<Reply & Readonly<{ retryAfterMs: number }>> => {
    const [late, answered] = [new AbortController(), new AbortController()];
    void clock
      .sleep(answerWithinMs, answered.signal)
      .then(() => late.abort(new Error(`no answer within ${answerWithinMs} ms`)));
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...(key === undefined ? {} : { 'Idempotency-Key': key }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: late.signal,
      });
      const text = await response.text();
      const json = /\bjson\b/.test(response.headers.get('content-type') ?? '')
        ? (JSON.parse(text) as unknown)
        : undefined;
      const seconds = Number(response.headers.get('retry-after') ?? 0);
      return { status: response.status, body: json, retryAfterMs: seconds > 0 ? seconds * 1000 : 0 };
    } finally {
      answered.abort();
    }
  };

  return {
    once: send,
    async call(call) {
      const endMs = clock.now().getTime() + tryForMs;
      for (let attempts = 1; ; attempts++) {
        let why: string;
        let retryAfterMs = 0;
        try {
          const { status, body, retryAfterMs: asked } = await send(call);
          if (status !== 429 && status !== 503) return { answered: true, reply: { status, body }, attempts };
          [why, retryAfterMs] = [`status ${status}`, asked];
        } catch (error) {
          const { message, cause } = error as Error;
          why =
            cause instanceof Error
              ? `${message}: ${(cause as NodeJS.ErrnoException).code ?? cause.message}`
              : message;
        }
        const pauseMs = Math.max(
          retryAfterMs,
          Math.min(MOST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempts, 10)) *
            (0.5 + randomness.fraction() / 2),
        );
        if (clock.now().getTime() + pauseMs > endMs) return { answered: false, why, attempts };
        await clock.sleep(pauseMs);
      }
    },
  };
};

/** A final answer that should have been a good one, as a sentence. */
export const complaint = (what: string, outcome: Outcome): string => {
  if (!outcome.answered) return `${what}: no answer after ${outcome.attempts} tries (${outcome.why})`;
  const { code, detail } = (outcome.reply.body ?? {}) as { code?: string; detail?: string };
  return `${what}: status ${outcome.reply.status}${code === undefined ? '' : `, ${code}`}${detail === undefined ? '' : `: ${detail}`}`;
};

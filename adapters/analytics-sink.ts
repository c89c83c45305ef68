/**
 * Order facts as NDJSON day files, or posted to a collector. Both write what has come together while the last
 * batch was on its way.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { AnalyticsSink, OrderFact } from '../ports/outside/analytics-sink.ts';
import { OutsideError } from '../ports/outside/outside-error.ts';

const BATCH_MAX = 500;
const WAITING_MAX = 10_000;
const OPEN_DAYS_MAX = 8;
const TIMEOUT_MS = 15_000;
const DAY = /^\d{4}-\d{2}-\d{2}(?=T.*Z$)/;

type Waiting = Readonly<{ fact: OrderFact; written: () => void; failed: (error: unknown) => void }>;

/** The facts of a batch that were not written, each with its error. */
type Failures = ReadonlyMap<OrderFact, OutsideError>;
const NONE: Failures = new Map();
const all = (facts: readonly OrderFact[], error: OutsideError): Failures =>
  new Map(facts.map((fact) => [fact, error]));

/** One batch at a time; `send` answers what failed and throws only for bugs. */
const batched = (send: (facts: readonly OrderFact[]) => Promise<Failures>) => {
  const waiting: Waiting[] = [];
  let running: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH_MAX);
      try {
        const failures = await send(batch.map(({ fact }) => fact));
        for (const { fact, written, failed } of batch) {
          const error = failures.get(fact);
          if (error) failed(error);
          else written();
        }
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    running = undefined;
  };
  return {
    write: (fact: OrderFact): Promise<void> =>
      new Promise((written, failed) => {
        if (waiting.length >= WAITING_MAX)
          return failed(
            new OutsideError(`${WAITING_MAX} facts are waiting to be written`, {
              retriable: true,
              outcome: 'none',
            }),
          );
        waiting.push({ fact, written, failed });
        running ??= Promise.resolve().then(drain);
      }),
    idle: async (): Promise<void> => {
      await running;
    },
  };
};

/** Opened for appending, on a line of its own: a process that died may have left half a line. */
const openDay = async (path: string): Promise<FileHandle> => {
  const handle = await open(path, 'a+');
  try {
    const { size } = await handle.stat();
    if (size > 0) {
      const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
      if (buffer[0] !== 0x0a) await handle.appendFile('\n');
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
};

/**
 * Appends to `<folder>/<UTC day of at>.ndjson`; a fact is on disk when `write` resolves. After a crash a line
 * can be half written (readers leave out what does not parse) and facts can be there twice.
 */
export const openFileSink = ({ folder }: Readonly<{ folder: string }>): AnalyticsSink => {
  mkdirSync(folder, { recursive: true });
  const days = new Map<string, FileHandle>();

  const close = async (day: string): Promise<void> => {
    const handle = days.get(day);
    days.delete(day);
    await handle?.close();
  };
  /**
   * The day's handle, which thereby becomes the most recently used; the longest unused of too many is closed.
   */
  const handleOf = async (day: string): Promise<FileHandle> => {
    const handle = days.get(day) ?? (await openDay(join(folder, `${day}.ndjson`)));
    days.delete(day);
    days.set(day, handle);
    const [oldest] = days.keys();
    if (days.size > OPEN_DAYS_MAX && oldest !== undefined) await close(oldest);
    return handle;
  };
  const append = async (day: string, facts: readonly OrderFact[]): Promise<Failures> => {
    try {
      const handle = await handleOf(day);
      await handle.appendFile(facts.map((fact) => `${JSON.stringify(fact)}\n`).join(''));
      await handle.datasync();
      return NONE;
    } catch (cause) {
      // Opening the file again mends what may have been cut off half-way.
      await close(day).catch(() => undefined);
      return all(
        facts,
        new OutsideError(`the facts of ${day} cannot be written`, {
          retriable: true,
          outcome: 'unknown',
          cause,
        }),
      );
    }
  };
  const { write, idle } = batched(async (facts) => {
    const byDay = new Map<string, OrderFact[]>();
    for (const fact of facts) {
      const day = fact.at.slice(0, 10);
      const those = byDay.get(day);
      if (those) those.push(fact);
      else byDay.set(day, [fact]);
    }
    const failures: [OrderFact, OutsideError][] = [];
    for (const [day, those] of byDay) failures.push(...(await append(day, those)));
    return new Map(failures);
  });

  return {
    async write(fact) {
      if (!DAY.test(fact.at))
        throw new OutsideError(`a fact's time must be ISO 8601 in UTC: ${fact.at}`, {
          retriable: false,
          outcome: 'none',
        });
      await write(fact);
    },
    async close() {
      await idle();
      for (const day of days.keys()) await close(day);
    },
  };
};

const post = async (url: string, facts: readonly OrderFact[], timeoutMs: number): Promise<number> => {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'idempotency-key': createHash('sha256')
        .update(facts.map(({ factId }) => factId).join('\n'))
        .digest('hex'),
    },
    body: JSON.stringify(facts),
    // A redirect would turn the POST into a GET that says 200.
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  await response.body?.cancel();
  return response.status;
};

/**
 * Refusals of what was sent; all others (credentials, an address, load) are for the collector or its operator
 * to mend.
 */
const ABOUT_THE_FACTS = [400, 413, 422];

/**
 * Posts JSON arrays of facts to `url`. An array that the collector refuses is halved until the bad facts
 * stand alone, so that they hold up no others. `timeoutMs`: for one request, 15 s unless told.
 */
export const openHttpSink = ({
  url,
  timeoutMs = TIMEOUT_MS,
}: Readonly<{ url: string; timeoutMs?: number }>): AnalyticsSink => {
  const deliver = async (facts: readonly OrderFact[]): Promise<Failures> => {
    const status = await post(url, facts, timeoutMs).catch((cause: unknown) => ({ cause }));
    if (typeof status !== 'number')
      return all(
        facts,
        new OutsideError('the analytics collector did not answer', {
          retriable: true,
          outcome: 'unknown',
          ...status,
        }),
      );
    if (status >= 200 && status < 300) return NONE;
    const refused = ABOUT_THE_FACTS.includes(status);
    if (refused && facts.length > 1) {
      const half = Math.ceil(facts.length / 2);
      return new Map([...(await deliver(facts.slice(0, half))), ...(await deliver(facts.slice(half)))]);
    }
    return all(
      facts,
      new OutsideError(`the analytics collector answered ${status}`, {
        retriable: !refused,
        outcome: status >= 500 ? 'unknown' : 'none',
      }),
    );
  };
  const { write, idle } = batched(deliver);
  return { write, close: idle };
};

/** The one place that reads the real clock, randomness and timers. */
import { randomFillSync } from 'node:crypto';
import { pino, type DestinationStream } from 'pino';
import { v7 } from 'uuid';
import type { Clock, Log, Randomness } from '../ports/system.ts';

export const systemClock: Clock = {
  now: () => new Date(),
  // As node:timers/promises has it, without an error for each sleep that is cut short.
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const over = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', over);
        resolve();
      };
      const timer = setTimeout(over, ms);
      signal?.addEventListener('abort', over, { once: true });
    }),
};

/** Random bytes for many ids at once: drawing them is most of what an id costs. */
const POOL = Buffer.alloc(16 * 256);
let drawn = POOL.length;
const uuid = (): string => {
  if (drawn === POOL.length) {
    randomFillSync(POOL);
    drawn = 0;
  }
  const random = POOL.subarray(drawn, drawn + 16);
  drawn += 16;
  return v7({ random });
};

export const systemRandomness: Randomness = { uuid, fraction: Math.random };

/** JSON lines on standard error (or `to`), from `level` up. */
export const jsonLog = (level: string, to?: DestinationStream): Log => {
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    to ?? pino.destination({ fd: 2, sync: true }),
  );
  return {
    info: (fields, sentence) => logger.info(fields, sentence),
    warn: (fields, sentence) => logger.warn(fields, sentence),
    error: (fields, sentence) => logger.error(fields, sentence),
  };
};

/** The real clock and randomness, telling warnings and errors. */
export const system = { clock: systemClock, randomness: systemRandomness, log: jsonLog('warn') } as const;

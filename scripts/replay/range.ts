/** Times and positions on the command line. */
import type { Position } from '../../domain/kernel.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { WrongUse } from '../cli/command-line.ts';

/** A time as the store writes times. Throws WrongUse. */
export const timeOf = (option: string, text: string): string => {
  const ms = Date.parse(text);
  if (!/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(ms))
    throw new WrongUse(
      `--${option} must be an ISO 8601 time such as 2026-01-31T12:00:00Z, not ${JSON.stringify(text)}.`,
    );
  return new Date(ms).toISOString();
};

/** Whether it is meant as a position of some store. */
export const isPosition = (text: string): boolean => /^\d{16,}$/.test(text);

/** Behind which everything from a time, a position (both included) or the beginning on is found. Throws WrongUse. */
export const behind = async (
  store: EventStore,
  option: string,
  text: string,
): Promise<Position | undefined> => {
  if (text === 'beginning') return undefined;
  if (!isPosition(text)) return store.before({ time: timeOf(option, text) });
  return store.before({ position: text as Position }).catch((error: unknown) => {
    throw error instanceof RangeError ? new WrongUse(`--${option}: ${error.message}.`) : error;
  });
};

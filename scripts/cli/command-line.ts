/**
 * What every command line has in common: wrong use, errors as one sentence, exit status, the last line of
 * JSON.
 */
import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The command was called wrongly, or with input that it cannot take: exit status 2. */
export class WrongUse extends Error {
  override readonly name = 'WrongUse';
}

/** As util.parseArgs, strictly; its errors become WrongUse. */
export const readArguments = <T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> => {
  try {
    return parseArgs<T>(config);
  } catch (error) {
    throw new WrongUse(`${(error as Error).message.split('\n')[0]} (--help says how it is used)`);
  }
};

/** A whole number of an option, or undefined when it was not given. */
export const wholeNumber = (name: string, text: string | undefined, min: number): number | undefined => {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < min)
    throw new WrongUse(`--${name} must be a whole number from ${min} up, not ${JSON.stringify(text)}.`);
  return number;
};

export const print = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * Runs a command line. `main` resolves to the exit status; what it throws becomes one sentence on standard
 * error and status 2 (WrongUse, and the errors that `wrongUse` names) or 1. The process ends by itself, so
 * that all output is written.
 */
export const runCommand = async (
  name: string,
  main: () => Promise<number>,
  wrongUse: readonly string[] = [],
): Promise<void> => {
  // A reader that has gone away (head, less) is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  try {
    process.exitCode = await main();
  } catch (error) {
    const { name: kind, message } = error instanceof Error ? error : new Error(String(error));
    process.stderr.write(`${name}: ${message}\n`);
    const programming =
      ['TypeError', 'RangeError', 'ReferenceError', 'Error'].includes(kind) &&
      error instanceof Error &&
      !('code' in error);
    if (programming && error.stack) process.stderr.write(`${error.stack}\n`);
    process.exitCode = kind === 'WrongUse' || wrongUse.includes(kind) ? 2 : 1;
  }
};

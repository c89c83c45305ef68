/** An export into a file that is there once it is whole, or into a stream that may go away. */
import { createWriteStream, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Position } from '../../domain/kernel.ts';
import type { Export } from '../../shop/audit.ts';
import { WrongUse } from '../cli/command-line.ts';
import type { Progress } from '../cli/progress.ts';

/** `last`: the position of the last event, undefined when there was none. */
export type Exported = Readonly<{ events: number; last: Position | undefined }>;

/** Resolves once `to` has taken all of it, or has gone away (head, less). `to` is left open unless `end`. */
export const exportToStream = async (
  { chunks }: Export,
  to: NodeJS.WritableStream,
  progress: Progress,
  { end = false } = {},
): Promise<Exported> => {
  let [events, last]: [number, Position | undefined] = [0, undefined];
  const texts = async function* () {
    for await (const chunk of chunks()) {
      yield chunk.text;
      [events, last] = [events + chunk.events, chunk.last];
      progress.report('exporting events', events, undefined);
    }
  };
  try {
    await pipeline(texts, to, { end });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
  progress.end();
  return { events, last };
};

/**
 * Throws WrongUse for a path that is a folder or lies in none. What was at `file` before is replaced, at once
 * and last.
 */
export const exportToFile = async (exported: Export, file: string, progress: Progress): Promise<Exported> => {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new WrongUse(`--to ${file} is a folder.`);
  if (!statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory())
    throw new WrongUse(`--to ${file} lies in no folder that is there.`);
  const partial = `${file}.partial-${process.pid}`;
  try {
    // Flushed before it gets its name: a crash leaves the old file or the whole new one.
    const done = await exportToStream(
      exported,
      createWriteStream(partial, { flush: true } as Parameters<typeof createWriteStream>[1]),
      progress,
      { end: true },
    );
    renameSync(partial, file);
    return done;
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
};

/** The reject file: a line for every row that was not taken, with why. */
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { finished } from 'node:stream/promises';
import { csvLine, type Header, type Row } from './csv.ts';
import type { Rejection } from './row-rules.ts';

export type Rejects = Readonly<{
  write(row: Row, rejection: Rejection): Promise<void>;
  /** Resolves when all is written. */
  close(): Promise<void>;
}>;

/** Begins `file` anew: the columns row, code, sentence, then those of the file that was read. */
export const openRejects = (file: string, header: Header): Rejects => {
  mkdirSync(dirname(file), { recursive: true });
  const stream = createWriteStream(file);
  // A full or read-only disk is thrown by the next write or by close, not as an event that nobody hears.
  let broken: unknown;
  stream.on('error', (error) => (broken = error));
  const line = async (cells: readonly string[]): Promise<void> => {
    if (broken) throw broken;
    if (!stream.write(`${csvLine(cells)}\n`))
      await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
  };
  void line(['row', 'code', 'sentence', ...header]);
  // A row with too few or too many cells does not make this file crooked, too.
  const cellsOf = ({ cells, complete }: Row): readonly string[] =>
    complete
      ? cells
      : header.map((_, index) =>
          index === header.length - 1 ? cells.slice(index).join(',') : (cells[index] ?? ''),
        );
  return {
    write: (row, { code, sentence }) => line([String(row.row), code, sentence, ...cellsOf(row)]),
    async close() {
      if (broken) throw broken;
      stream.end();
      await finished(stream);
    },
  };
};

/** A shop's export as rows: CSV, gzipped or not, read as a stream. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CsvError, parse } from 'csv-parse';

/** The file as a whole cannot be taken: no CSV, cut off, a column missing. Nothing was taken from it. */
export class BadFile extends Error {
  override readonly name = 'BadFile';
}

export const COLUMNS = [
  'InvoiceNo',
  'StockCode',
  'Description',
  'Quantity',
  'InvoiceDate',
  'UnitPrice',
  'CustomerID',
  'Country',
] as const;
export type Column = (typeof COLUMNS)[number];
/**
 * `row` counts from 1 behind the header. `cells`: as they stand in the file; a row may have too few or too
 * many.
 */
export type Row = Readonly<
  { row: number; cells: readonly string[]; complete: boolean } & Record<Column, string>
>;
export type Header = readonly string[];

const MAX_ROW_CHARACTERS = 1_000_000;

const SENTENCES: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'it is cut off, or a quote is never closed',
  CSV_MAX_RECORD_SIZE: `a row is longer than ${MAX_ROW_CHARACTERS} characters; a quote may never be closed`,
  Z_BUF_ERROR: 'the gzip data is cut off',
  Z_DATA_ERROR: 'the gzip data is damaged',
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read',
  EISDIR: 'it is a folder',
};

const badFile = (file: string, error: unknown): unknown => {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : SENTENCES[code];
  if (known === undefined && !(error instanceof CsvError)) return error;
  const where =
    error instanceof CsvError && error.lines !== undefined ? ` (near line ${String(error.lines)})` : '';
  return new BadFile(`${file}: ${known ?? `it is not CSV: ${message}`}${where}. Nothing was taken from it.`);
};

const isGzip = async (file: string): Promise<boolean> => {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
};

const columnsOf = (file: string, header: Header): Readonly<Record<Column, number>> => {
  const missing = COLUMNS.filter((column) => !header.includes(column));
  if (missing.length === COLUMNS.length)
    throw new BadFile(
      `${file}: its first line names none of the columns ${COLUMNS.join(', ')}; it is not such a CSV file. Nothing was taken from it.`,
    );
  if (missing.length > 0)
    throw new BadFile(
      `${file}: the column ${missing.join(', ')} is missing; its first line has ${header.join(', ')}. Nothing was taken from it.`,
    );
  const twice = COLUMNS.filter((column) => header.indexOf(column) !== header.lastIndexOf(column));
  if (twice.length > 0)
    throw new BadFile(
      `${file}: the column ${twice.join(', ')} stands there twice. Nothing was taken from it.`,
    );
  return Object.fromEntries(COLUMNS.map((column) => [column, header.indexOf(column)])) as Record<
    Column,
    number
  >;
};

/**
 * The rows of `file`; the header is told to `onHeader` first. Throws BadFile, for a file that is cut off only
 * at its end: read it once through before taking anything.
 */
export async function* readRows(file: string, onHeader?: (header: Header) => void): AsyncGenerator<Row> {
  try {
    const records = parse({
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: MAX_ROW_CHARACTERS,
    });
    let lastByte = 0;
    // Where a stage breaks, the pipeline destroys the parser with that error, and the loop below throws it.
    const unheard = (): void => undefined;
    if (await isGzip(file)) pipeline(createReadStream(file), createGunzip(), records, unheard);
    else pipeline(createReadStream(file), records, unheard);
    const write = records._transform.bind(records);
    records._transform = (chunk: Buffer, encoding, callback) => {
      lastByte = chunk.at(-1) ?? lastByte;
      write(chunk, encoding, callback);
    };
    let at: Readonly<Record<Column, number>> | undefined;
    let width = 0;
    let row = 0;
    let last: readonly string[] = [];
    for await (const cells of records as AsyncIterable<string[]>) {
      if (!at) {
        at = columnsOf(file, cells);
        width = cells.length;
        onHeader?.(cells);
        continue;
      }
      const { InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country } = at;
      const cell = (index: number): string => cells[index] ?? '';
      last = cells;
      yield {
        row: ++row,
        cells,
        complete: cells.length === width,
        InvoiceNo: cell(InvoiceNo),
        StockCode: cell(StockCode),
        Description: cell(Description),
        Quantity: cell(Quantity),
        InvoiceDate: cell(InvoiceDate),
        UnitPrice: cell(UnitPrice),
        CustomerID: cell(CustomerID),
        Country: cell(Country),
      };
    }
    if (!at) throw new BadFile(`${file}: it is empty.`);
    const inLastCell = lastByte !== 0x0a && lastByte !== 0x0d && last.at(-1) === '';
    if (row > 0 && (last.length < width || inLastCell))
      throw new BadFile(`${file}: it is cut off in its last row (row ${row}). Nothing was taken from it.`);
  } catch (error) {
    throw badFile(file, error);
  }
}

/** A row of CSV (RFC 4180), without the line's end. */
export const csvLine = (cells: readonly string[]): string =>
  cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',');

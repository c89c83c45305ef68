/**
 * Rows put together to invoices: what stands together under one number, with what its rows owe each other.
 */
import type { Row } from './csv.ts';
import type { Judged, Rejection, Taken } from './row-rules.ts';

export type Rejected = Readonly<{ row: Row; rejection: Rejection }>;
/**
 * `taken`: accepted so far, in the file's order; `rows`: all of them, by number. `first` is undefined when no
 * row was taken.
 */
export type Invoice = Readonly<{
  number: string;
  first: Taken | undefined;
  taken: readonly Taken[];
  rejected: readonly Rejected[];
  rows: ReadonlyMap<number, Row>;
}>;

/** More rows than this are no order. */
export const MAX_INVOICE_ROWS = 10_000;

type Open = {
  number: string;
  seen: boolean;
  first: Taken | undefined;
  taken: Taken[];
  rejected: Rejected[];
  rows: Map<number, Row>;
};

const objection = (open: Open, taken: Taken): Rejection | undefined => {
  if (open.seen)
    return {
      code: 'invoice_reappears',
      sentence: `Invoice ${open.number} stood further up already; its rows must stand together.`,
    };
  const { first } = open;
  if (!first) return undefined;
  const differing = [
    ...(first.customerId === taken.customerId ? [] : ['customer']),
    ...(first.country === taken.country ? [] : ['country']),
    ...(first.time.day === taken.time.day ? [] : ['day']),
  ];
  if (differing.length > 0)
    return {
      code: 'inconsistent_invoice',
      sentence: `The ${differing.join(' and the ')} differ${differing.length === 1 ? 's' : ''} from row ${first.row}, the first of invoice ${open.number}.`,
    };
  return undefined;
};

/** `seen`: remembers invoice numbers; true when it was told this one before. */
export async function* readInvoices(
  rows: AsyncIterable<Row>,
  judge: (row: Row) => Judged,
  seen: (number: string) => boolean,
): AsyncGenerator<Invoice> {
  let open: Open | undefined;
  for await (const row of rows) {
    const number = row.InvoiceNo.trim();
    // A giant is handed over in parts, so that it does not fill the memory; what comes behind its first part
    // reappears.
    if (open && (open.number !== number || open.rows.size >= MAX_INVOICE_ROWS)) {
      yield open;
      open = undefined;
    }
    open ??= { number, seen: seen(number), first: undefined, taken: [], rejected: [], rows: new Map() };
    open.rows.set(row.row, row);
    const judged = judge(row);
    const rejection = judged.ok ? objection(open, judged.taken) : judged.rejection;
    if (rejection) open.rejected.push({ row, rejection });
    else if (judged.ok) {
      open.first ??= judged.taken;
      open.taken.push(judged.taken);
    }
  }
  if (open) yield open;
}

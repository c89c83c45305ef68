/**
 * A shop's history brought in: the file is read twice, first to see that it is whole, then to take it row by
 * row.
 */
import type { Scratch } from '../../adapters/sqlite/scratch.ts';
import { orderStream } from '../../domain/order/events.ts';
import { productStream } from '../../domain/product/product.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Clock } from '../../ports/system.ts';
import type { Executor } from '../../runtime/command/execute.ts';
import { importedOrderIdOf, lineIdOf, tellReturn, tellSale } from './order-history.ts';
import type { Progress } from '../cli/progress.ts';
import { createCatalogue, listProduct, stockGoods } from './catalogue.ts';
import { readRows, type Header, type Row } from './csv.ts';
import { inFlight } from './in-flight.ts';
import { readInvoices, type Invoice } from './invoices.ts';
import { localTime } from './local-time.ts';
import { openRejects } from './rejects.ts';
import { matchReturn, openLine, type Part } from './returns.ts';
import { rowRules, type Rejection, type Taken } from './row-rules.ts';

/** `source`: names the shop whose invoice numbers these are. `decimals`: of the currency. */
export type ImportOptions = Readonly<{
  file: string;
  rejectFile: string;
  source: string;
  timezone: string;
  currency: string;
  decimals: number;
  store: EventStore;
  executor: Executor;
  scratch: Scratch;
  clock: Clock;
  progress: Progress;
  /** Streams written side by side. */
  parallel?: number;
}>;

/**
 * `rows` = `accepted` + `rejected`; `cancellations`: rows on C invoices, `matched`: those of them that were
 * accepted; `events`: newly stored; `stockLeftAlone`: SKUs whose stock others have written.
 */
export type Summary = Readonly<{
  rows: number;
  accepted: number;
  rejected: number;
  orders: number;
  cancellations: number;
  matched: number;
  adjustments: number;
  products: number;
  stockLeftAlone: number;
  events: number;
  seconds: number;
  rejectedBy: Readonly<Record<string, number>>;
}>;

/** Reads the whole file once; throws BadFile unless it is whole. */
const survey = async (
  file: string,
  progress: Progress,
): Promise<Readonly<{ header: Header; rows: number }>> => {
  let header: Header = [];
  let rows = 0;
  for await (const _ of readRows(file, (names) => (header = names)))
    progress.report('checking rows', ++rows, undefined);
  return { header, rows };
};

/**
 * Imports `file`. Repeating it, also after it was killed half-way, ends in the same store. Throws BadFile,
 * StoreUnavailable.
 */
export const importHistory = async (options: ImportOptions): Promise<Summary> => {
  const {
    file,
    source,
    timezone,
    currency,
    decimals,
    store,
    executor,
    scratch,
    clock,
    progress,
    parallel = 64,
  } = options;
  const startedMs = clock.now().getTime();
  const { header, rows } = await survey(file, progress);
  const rejects = openRejects(options.rejectFile, header);
  const rejectedBy: Record<string, number> = {};
  const counts = {
    accepted: 0,
    rejected: 0,
    orders: 0,
    cancellations: 0,
    matched: 0,
    adjustments: 0,
    products: 0,
    stockLeftAlone: 0,
    events: 0,
  };
  const catalogue = createCatalogue();
  const flight = inFlight(parallel);

  const reject = async (row: Row, rejection: Rejection): Promise<void> => {
    counts.rejected += 1;
    rejectedBy[rejection.code] = (rejectedBy[rejection.code] ?? 0) + 1;
    await rejects.write(row, rejection);
  };
  const rowOf = (invoice: Invoice, { row }: Taken): Row => invoice.rows.get(row) as Row;

  /** The sales become an order, what was lost an adjustment of the stock. */
  const takeSales = async (invoice: Invoice, first: Taken): Promise<void> => {
    const sales = invoice.taken.filter(({ kind }) => kind === 'sale');
    const adjustments = invoice.taken.length - sales.length;
    counts.accepted += adjustments;
    counts.adjustments += adjustments;
    const orderId = importedOrderIdOf(source, invoice.number, first.time.atMs);
    scratch.write([
      ...invoice.taken.flatMap((taken) => catalogue.count(taken)),
      ...sales.flatMap((sale, index) => openLine(sale, orderId, lineIdOf(index))),
    ]);
    if (sales.length === 0) return;
    await flight.start(orderStream(orderId), async () => {
      const { events, refused } = await tellSale(executor, source, currency, orderId, sales, first);
      counts.events += events;
      if (refused) for (const sale of sales) await reject(rowOf(invoice, sale), refused);
      else [counts.accepted, counts.orders] = [counts.accepted + sales.length, counts.orders + 1];
    });
  };

  /** A row is taken when all that it gives back is, on whichever orders that lies. */
  const takeReturns = async (invoice: Invoice, first: Taken): Promise<void> => {
    const byOrder = new Map<string, { parts: Part[]; of: Set<Taken> }>();
    const accepted: Taken[] = [];
    for (const taken of invoice.taken) {
      const matched = matchReturn(scratch, taken);
      if (!matched.ok) {
        await reject(rowOf(invoice, taken), matched.rejection);
        continue;
      }
      accepted.push(taken);
      scratch.write(catalogue.count(taken));
      for (const part of matched.parts) {
        const one = byOrder.get(part.orderId) ?? { parts: [], of: new Set<Taken>() };
        byOrder.set(part.orderId, one);
        one.parts.push(part);
        one.of.add(taken);
      }
    }
    const refusals = new Map<Taken, Rejection>();
    let open = byOrder.size;
    for (const [orderId, { parts, of }] of byOrder) {
      await flight.start(orderStream(orderId), async () => {
        const { events, refused } = await tellReturn(executor, source, orderId, parts, first);
        counts.events += events;
        if (refused) for (const taken of of) refusals.set(taken, refused);
        if (--open > 0) return;
        const fine = accepted.length - refusals.size;
        [counts.accepted, counts.matched] = [counts.accepted + fine, counts.matched + fine];
        for (const [taken, refusal] of refusals) await reject(rowOf(invoice, taken), refusal);
      });
    }
  };

  const numberSeen = (number: string): boolean => {
    if (scratch.get(['invoice', number]) !== undefined) return true;
    scratch.write([[['invoice', number], true]]);
    return false;
  };

  try {
    let read = 0;
    for await (const invoice of readInvoices(
      readRows(file),
      rowRules(localTime(timezone), decimals),
      numberSeen,
    )) {
      read += invoice.rows.size;
      if (/^C\d+$/.test(invoice.number)) counts.cancellations += invoice.rows.size;
      for (const { row, rejection } of invoice.rejected) await reject(row, rejection);
      if (invoice.first)
        await (invoice.first.kind === 'return' ? takeReturns : takeSales)(invoice, invoice.first);
      progress.report('importing rows', read, rows);
    }
    await flight.finish();
    const goods = catalogue.goods();
    for (const [index, one] of goods.entries()) {
      await flight.start(productStream(one.sku), async () => {
        const listed = await listProduct(executor, source, currency, one);
        counts.events += listed;
        if (one.prices.size > 0) counts.products += 1;
        const stored = await stockGoods(store, executor, scratch, source, one);
        if (stored === 'left alone') counts.stockLeftAlone += 1;
        else counts.events += stored;
      });
      progress.report('writing catalogue and stock', index + 1, goods.length);
    }
  } finally {
    progress.end();
    // What is under way writes to the reject file, also after a failure.
    await flight.finish().finally(() => rejects.close());
  }
  return { rows, ...counts, seconds: (clock.now().getTime() - startedMs) / 1000, rejectedBy };
};

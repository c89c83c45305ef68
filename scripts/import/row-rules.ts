/**
 * Which rows can be taken, and as what. Pure: each row by itself; what rows of one invoice owe each other is
 * in invoices.ts.
 */
import type { Row } from './csv.ts';
import type { Instant } from './local-time.ts';

export type Rejection = Readonly<{ code: string; sentence: string }>;
/** `quantity`: units sold, or back, or (adjustment, below 0) lost. `customerId` is undefined for a guest. */
export type Taken = Readonly<{
  kind: 'sale' | 'return' | 'adjustment';
  row: number;
  invoice: string;
  sku: string;
  description: string;
  quantity: number;
  priceMinor: number;
  customerId: string | undefined;
  country: string;
  time: Instant;
}>;
export type Judged = Readonly<{ ok: true; taken: Taken }> | Readonly<{ ok: false; rejection: Rejection }>;

export const MISSING = new Set(['', 'NA', 'NULL', 'nan', 'NaN']);
const GOODS = /^(\d{5,}[A-Za-z]*|DCGS[A-Za-z0-9]*)$/;
const MAX_SKU = 64;
const MAX_CUSTOMER = 100;
const MAX_ROW_MINOR = 1e13;
const MAX_DESCRIPTION = 200;

/**
 * Without control characters, and not too long; half of a surrogate pair at the cut has no canonical JSON.
 */
const clean = (text: string): string =>
  text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_DESCRIPTION)
    .replace(/[\uD800-\uDBFF]$/, '');

/** '2.55' to 255 by its digits; undefined when it is no number or has more decimals than the currency. */
export const minorUnits = (text: string, decimals: number): number | undefined => {
  const [, sign, whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined || fraction.length > decimals) return undefined;
  const minor = Number(`${whole}${fraction.padEnd(decimals, '0')}`);
  return Number.isSafeInteger(minor) ? (sign === '-' && minor !== 0 ? -minor : minor) : undefined;
};

const no = (code: string, sentence: string): Judged => ({ ok: false, rejection: { code, sentence } });

/** `decimals`: of the shop's currency. */
export const rowRules =
  (time: (text: string) => Instant | undefined, decimals: number) =>
  (row: Row): Judged => {
    if (!row.complete)
      return no(
        'wrong_columns',
        `The row has ${row.cells.length} columns, which is not what the header has.`,
      );
    const invoice = row.InvoiceNo.trim();
    const quantity = /^-?\d+$/.test(row.Quantity) ? Number(row.Quantity) : 0;
    if (quantity === 0 || !Number.isSafeInteger(quantity))
      return no(
        'invalid_quantity',
        `The quantity ${JSON.stringify(row.Quantity)} is no whole number other than 0.`,
      );
    const instant = time(row.InvoiceDate);
    if (!instant)
      return no(
        'invalid_date',
        `The date ${JSON.stringify(row.InvoiceDate)} is not like 2011-01-31 14:05:00, or there is no such day.`,
      );
    const priceMinor = minorUnits(row.UnitPrice, decimals);
    if (priceMinor === undefined)
      return no(
        'invalid_price',
        `The price ${JSON.stringify(row.UnitPrice)} is no amount with at most ${decimals} decimals.`,
      );
    if (Math.abs(quantity * priceMinor) > MAX_ROW_MINOR)
      return no('invalid_quantity', `${quantity} units at ${row.UnitPrice} cost more than any order can.`);
    const cancellation = /^C\d+$/.test(invoice);
    if (!cancellation && !/^\d+$/.test(invoice))
      return no(
        'not_an_order',
        `${JSON.stringify(invoice)} is the number of no order and of no cancellation.`,
      );
    const sku = row.StockCode.trim();
    if (sku.length > MAX_SKU || !GOODS.test(sku))
      return no(
        'not_goods',
        `${JSON.stringify(sku)} is postage, a fee, a voucher or a correction, no goods.`,
      );
    if (priceMinor < 0) return no('negative_price', 'The price is below 0.');
    const customerId = MISSING.has(row.CustomerID.trim()) ? undefined : row.CustomerID.trim();
    if (
      customerId !== undefined &&
      (customerId.length > MAX_CUSTOMER || !/^[A-Za-z0-9][A-Za-z0-9._:@-]*$/.test(customerId))
    )
      return no('invalid_customer', `${JSON.stringify(customerId)} cannot be a customer's id.`);
    const description = MISSING.has(row.Description.trim()) ? '' : clean(row.Description);
    const taken = {
      row: row.row,
      invoice,
      sku,
      description,
      priceMinor,
      customerId,
      country: row.Country.trim(),
      time: instant,
    };
    if (cancellation) {
      if (quantity > 0)
        return no('positive_quantity', 'A cancellation takes back; its quantity must be below 0.');
      if (priceMinor === 0)
        return no('no_price', 'The price is 0; nothing was paid for what this would give back.');
      return { ok: true, taken: { ...taken, kind: 'return', quantity: -quantity } };
    }
    if (quantity > 0)
      return priceMinor === 0
        ? no('no_price', 'The price is 0.')
        : { ok: true, taken: { ...taken, kind: 'sale', quantity } };
    if (priceMinor > 0)
      return no(
        'negative_quantity',
        'Units with a price go out below 0 on an invoice that is no cancellation.',
      );
    return { ok: true, taken: { ...taken, kind: 'adjustment', quantity } };
  };

/**
 * Schemas that many routes share. What is registered here is a component of the OpenAPI document, under its
 * id.
 */
import { z } from 'zod';
import { Currency } from '../../domain/money.ts';
import { Sku } from '../../domain/product/product.ts';

export const components = z.registry<Readonly<{ id: string; description?: string }>>();

/**
 * No control characters (they break mails and logs) and no halves of surrogate pairs (which have no canonical
 * JSON, so no hash).
 */
const CLEAN = /^[^\p{Cc}\p{Cs}]*$/u;
/** Free text of 1 to `max` characters that is not blank. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(CLEAN, 'must not contain control characters')
    .regex(/\S/, 'must not be blank');

export const Reason = text(500);
export const Instant = z.iso.datetime().describe('ISO 8601, UTC.');
/** Text of digits to a whole number: query parameters are text, and "5.0" or " 5" are refused. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.int().min(min).max(max));
/** A time or a day, as text that sorts as the store's times do. */
export const TimeQuery = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'must be an ISO 8601 time such as 2026-01-31T12:00:00Z, or a day',
  })
  .transform((time) => new Date(time).toISOString())
  .pipe(z.string())
  .describe('ISO 8601 time, or a day (its start, UTC).');

const COUNTRIES = new Set(
  (
    'AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ ' +
    'DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP ' +
    'KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM ' +
    'PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ ' +
    'UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW'
  ).split(' '),
);
/**
 * ISO 3166-1 alpha-2: the 249 officially assigned codes. Intl knows more than those (EU, XA, codes of former
 * countries).
 */
export const Country = z
  .string()
  .regex(/^[A-Z]{2}$/, 'must be two capital letters')
  .refine((code) => COUNTRIES.has(code), 'must be a country of ISO 3166-1 alpha-2')
  .describe('ISO 3166-1 alpha-2.');

/** Beyond any order's total and far below 2^53. */
const MOST_MINOR = 1_000_000_000_000;
const amount = (min: number) =>
  z.strictObject({ amountMinor: z.int().min(min).max(MOST_MINOR), currency: Currency });
export const Money = amount(0).register(components, {
  id: 'Money',
  description: 'Integer minor units (pence, cents) of an ISO 4217 currency.',
});
export const PositiveMoney = amount(1).register(components, { id: 'PositiveMoney' });
/** 1,000 lines of 10,000 units at this price still add up to less than 2^53. */
export const Price = z
  .strictObject({ amountMinor: z.int().min(1).max(100_000_000), currency: Currency })
  .register(components, { id: 'Price' });

export const Address = z
  .strictObject({
    name: text(200),
    line1: text(200),
    line2: text(200).optional(),
    city: text(100),
    region: text(100).optional(),
    postcode: text(20),
    country: Country,
  })
  .register(components, { id: 'Address' });
export const Contact = z
  .strictObject({
    name: text(200),
    email: z.email().max(254),
    phone: z
      .string()
      .regex(/^\+?[0-9 ()./x-]{3,39}$/, 'must be a telephone number')
      .optional(),
  })
  .register(components, { id: 'Contact' });

export const Problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .register(components, {
    id: 'Problem',
    description:
      'RFC 9457. `code` is stable; `errors[].pointer` is a JSON pointer into the body, or /parameter.',
  });

export const SkuParams = z.strictObject({ sku: Sku });
/** The id of an order is checked by looking for it: what is no id finds none. */
export const OrderParams = z.strictObject({ id: z.string().max(100) });
export const ParkedParams = z.strictObject({ id: z.string().max(300) });

/** 50 a page unless asked, 200 at most. */
export const Limit = wholeNumber(1, 200).default(50);
export const Cursor = z.string().min(1).max(2_000).optional().describe('nextCursor of the page before.');
export const page = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });

export { Sku };

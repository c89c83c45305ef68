/**
 * What was sold, by the time of placing: per minute, hour and day of the shop's time zone, and per SKU and
 * day.
 */
import type { Category } from '../domain/index.ts';
import { keyOf, type EventEnvelope } from '../domain/kernel.ts';
import { orderEvent } from '../domain/order/events.ts';
import { shopCalendar, type ShopCalendar } from '../domain/shop-day.ts';
import type { Projection } from '../ports/projection.ts';

/**
 * What later returns are valued by. `lines`: SKU and unit price by line id; `day`: the shop's day of placing.
 */
export type SalesOrder = Readonly<{
  kind: 'order';
  placedAt: string;
  day: string;
  currency: string;
  units: number;
  revenueMinor: number;
  lines: Readonly<Record<string, readonly [sku: string, unitPriceMinor: number]>>;
}>;
/**
 * `start`: the bucket's first instant (ISO 8601, UTC). `returnedMinor`: what came back, at any time, of what
 * was placed here.
 */
export type SalesPeriod = Readonly<{
  kind: 'minute' | 'hour' | 'day';
  start: string;
  currency: string;
  orders: number;
  units: number;
  revenueMinor: number;
  returnedMinor: number;
}>;
/** `days`: by day of the month. `name`: what the SKU was called at `namedAt`, the last placing. */
export type SalesSku = Readonly<{
  kind: 'sku';
  month: string;
  currency: string;
  sku: string;
  name: string;
  namedAt: string;
  days: Readonly<Record<number, readonly [units: number, revenueMinor: number, returnedMinor: number]>>;
}>;
export type SalesRow = SalesOrder | SalesPeriod | SalesSku;

const PERIODS = ['minute', 'hour', 'day'] as const;
const HEARD = new Set(['OrderPlaced', 'ReturnReceived']);

/** What an event sells or brings back of one SKU; `name` is empty where the event does not tell it. */
type Part = Readonly<{ sku: string; name: string; units: number; valueMinor: number }>;

/**
 * Revenue is what the lines were ordered for: quantity × unit price, tax in, shipping out, before any
 * discount.
 */
const partsOf = (event: EventEnvelope, lines: SalesOrder['lines']): ReadonlyMap<string, Part> => {
  const parts = new Map<string, Part>();
  const add = (sku: string, name: string, units: number, unitPriceMinor: number): void => {
    const before = parts.get(sku);
    parts.set(sku, {
      sku,
      name: before?.name ?? name,
      units: (before?.units ?? 0) + units,
      valueMinor: (before?.valueMinor ?? 0) + units * unitPriceMinor,
    });
  };
  const { type, data } = orderEvent(event);
  if (type === 'OrderPlaced')
    for (const { sku, name, quantity, unitPriceMinor } of data.lines)
      add(sku, name, quantity, unitPriceMinor);
  else if (type === 'ReturnReceived')
    for (const { lineId, quantity } of data.lines) {
      const [sku, unitPriceMinor] = lines[lineId] ?? [];
      if (sku === undefined || unitPriceMinor === undefined)
        throw new Error(`line ${lineId} came back to ${event.stream}, which has no such line`);
      add(sku, '', quantity, unitPriceMinor);
    }
  return parts;
};
const sum = (parts: ReadonlyMap<string, Part>, of: (part: Part) => number): number => {
  let total = 0;
  for (const part of parts.values()) total += of(part);
  return total;
};

const placedRow = (event: EventEnvelope, calendar: ShopCalendar): SalesOrder => {
  const { type, data, meta } = orderEvent(event);
  if (type !== 'OrderPlaced') throw new Error(`${event.stream} begins with ${type} and not with its placing`);
  const parts = partsOf(event, {});
  return {
    kind: 'order',
    placedAt: meta.at,
    day: calendar.dayOf(Date.parse(meta.at)),
    currency: data.currency,
    units: sum(parts, ({ units }) => units),
    revenueMinor: sum(parts, ({ valueMinor }) => valueMinor),
    lines: Object.fromEntries(
      data.lines.map(({ lineId, sku, unitPriceMinor }) => [lineId, [sku, unitPriceMinor]]),
    ),
  };
};

const periodRow = (
  before: SalesPeriod | undefined,
  event: EventEnvelope,
  id: string,
  order: SalesOrder,
  parts: ReadonlyMap<string, Part>,
): SalesPeriod => {
  const [kind = '', start = ''] = id.split('/');
  const row = before ?? {
    kind: kind as SalesPeriod['kind'],
    start,
    currency: order.currency,
    orders: 0,
    units: 0,
    revenueMinor: 0,
    returnedMinor: 0,
  };
  return event.type === 'OrderPlaced'
    ? {
        ...row,
        orders: row.orders + 1,
        units: row.units + order.units,
        revenueMinor: row.revenueMinor + order.revenueMinor,
      }
    : { ...row, returnedMinor: row.returnedMinor + sum(parts, ({ valueMinor }) => valueMinor) };
};

const skuRow = (
  before: SalesSku | undefined,
  event: EventEnvelope,
  id: string,
  order: SalesOrder,
  parts: ReadonlyMap<string, Part>,
): SalesSku => {
  const part = parts.get(before?.sku ?? id.split('/').slice(3).join('/'));
  if (!part) throw new Error(`${event.stream} has nothing of ${id}`);
  const { placedAt, currency, day } = order;
  const row = before ?? {
    kind: 'sku',
    month: day.slice(0, 7),
    currency,
    sku: part.sku,
    name: '',
    namedAt: '',
    days: {},
  };
  const dayOfMonth = Number(day.slice(8));
  const [units, revenueMinor, returnedMinor] = row.days[dayOfMonth] ?? [0, 0, 0];
  if (event.type !== 'OrderPlaced')
    return {
      ...row,
      days: { ...row.days, [dayOfMonth]: [units, revenueMinor, returnedMinor + part.valueMinor] },
    };
  const named = placedAt >= row.namedAt ? { name: part.name, namedAt: placedAt } : {};
  return {
    ...row,
    ...named,
    days: { ...row.days, [dayOfMonth]: [units + part.units, revenueMinor + part.valueMinor, returnedMinor] },
  };
};

/**
 * Booked at the time of placing: ReturnReceived adds to `returnedMinor` of the periods in which its order was
 * placed; nothing else changes a figure. Indexes: `period` by its kind and start, `month` (YYYY-MM) by SKU.
 */
export const sales = ({ timeZone }: Readonly<{ timeZone: string }>): Projection<SalesRow, Category> => {
  const calendar = shopCalendar(timeZone);
  const startOf = (period: SalesPeriod['kind'], { placedAt, day }: SalesOrder): number =>
    period === 'day' ? calendar.startOfDay(day) : calendar.startOf(period, Date.parse(placedAt));
  // One event touches a row of each of its SKUs: what it sells is told once for all of them.
  let told: Readonly<{ event: EventEnvelope; parts: ReadonlyMap<string, Part> }> | undefined;
  const partsFor = (event: EventEnvelope, { lines }: SalesOrder): ReadonlyMap<string, Part> => {
    if (told?.event !== event) told = { event, parts: partsOf(event, lines) };
    return told.parts;
  };
  return {
    name: 'sales',
    version: 2,
    setting: timeZone,
    categories: ['order'],
    columns: {
      kind: 'text',
      start: 'text',
      month: 'text',
      sku: 'text',
      currency: 'text',
      orders: 'integer',
      units: 'integer',
      revenueMinor: 'integer',
      returnedMinor: 'integer',
    },
    indexes: { period: ['kind', 'start'], month: ['month', 'sku'] },
    idsOf: (event) => (HEARD.has(event.type) ? [keyOf(event.stream)] : []),
    furtherIdsOf(order, event) {
      if (order.kind !== 'order') return [];
      return [
        ...PERIODS.map(
          (period) => `${period}/${new Date(startOf(period, order)).toISOString()}/${order.currency}`,
        ),
        ...[...partsFor(event, order).keys()].map(
          (sku) => `sku/${order.day.slice(0, 7)}/${order.currency}/${sku}`,
        ),
      ];
    },
    apply(before, event, id, order) {
      if (order?.kind !== 'order') return before ?? placedRow(event, calendar);
      const parts = partsFor(event, order);
      return id.startsWith('sku/')
        ? skuRow(before as SalesSku | undefined, event, id, order, parts)
        : periodRow(before as SalesPeriod | undefined, event, id, order, parts);
    },
    columnsOf(row) {
      const { kind, currency } = row;
      if (kind === 'order') return { kind, currency, units: row.units, revenueMinor: row.revenueMinor };
      if (kind === 'sku') return { kind, currency, month: row.month, sku: row.sku };
      const { start, orders, units, revenueMinor, returnedMinor } = row;
      return { kind, currency, start, orders, units, revenueMinor, returnedMinor };
    },
  };
};

/** What the shop sold and how its orders fare, from views; nothing here reads the event store. */
import { z } from 'zod';
import { addedUp, medianMs, type DurationCounts } from '../../domain/duration-counts.ts';
import { orderNumber } from '../../domain/order/number.ts';
import { addDays, daysBetween, shopCalendar } from '../../domain/shop-day.ts';
import { bestProducts, type DayRange } from '../best-products.ts';
import { BadCursor, findPage } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { problem } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route } from '../route.ts';
import type { OperationsDay } from '../../projections/operations.ts';
import type { SalesPeriod as SalesPeriodRow } from '../../projections/sales.ts';
import {
  BestLimit,
  BestProducts,
  Funnel,
  FUNNEL_STEPS,
  SalesPeriod,
  ShopTime,
} from '../schemas/analytics.ts';
import { Cursor, Limit, page } from '../schemas/common.ts';

const DEFAULT_DAYS = 30;
const MOST_DAYS = 731;
const DAYS_A_PAGE = 50;
const isDay = (text: string): boolean => text.length === 10;
const RANGE_WORDS = `By the time of placing, in days of the shop's time zone; \`to\` is left out, and a time counts its whole day. The last ${DEFAULT_DAYS} days unless asked, ${MOST_DAYS} at most.`;

type Asked = Readonly<{ from?: string | undefined; to?: string | undefined }>;

/** Whole days that hold what was asked for, or why there are none. */
const daysAsked = (
  { from, to }: Asked,
  { timeZone, clock }: Pick<ApiDeps, 'timeZone' | 'clock'>,
): DayRange | Reply => {
  const calendar = shopCalendar(timeZone);
  const dayOf = (text: string): string => (isDay(text) ? text : calendar.dayOf(Date.parse(text)));
  const dayBehind = (text: string): string => {
    const day = dayOf(text);
    return isDay(text) || calendar.startOfDay(day) === Date.parse(text) ? day : addDays(day, 1);
  };
  const last = to === undefined ? addDays(calendar.dayOf(clock.now().getTime()), 1) : dayBehind(to);
  const first = from === undefined ? addDays(last, -DEFAULT_DAYS) : dayOf(from);
  const days = daysBetween(first, last);
  const wrong =
    days < 0
      ? 'The range ends before it begins.'
      : days > MOST_DAYS
        ? `The range has ${days} days; ${MOST_DAYS} at most are answered at once.`
        : undefined;
  return wrong === undefined
    ? { from: first, to: last }
    : problem('invalid_request', wrong, { errors: [{ pointer: '/to', detail: wrong }] });
};
const isReply = (range: DayRange | Reply): range is Reply => 'status' in range;

export const getSales = route({
  method: 'get',
  path: '/analytics/sales',
  tag: 'analytics',
  roles: ['operator'],
  summary: 'What was sold, per minute, hour or day',
  description:
    "In the order of time; what nothing was ordered in is left out. `from` and `to` (left out) bound `start`; a plain day begins when it does in the shop's time zone. " +
    'Revenue is what the lines were ordered for, tax in, shipping out, by the time of placing; returns stand beside it, at the time of placing too. Each currency has items of its own.',
  query: z.strictObject({
    by: z.enum(['minute', 'hour', 'day']),
    from: ShopTime.optional(),
    to: ShopTime.optional(),
    cursor: Cursor,
    limit: Limit,
  }),
  responses: { 200: { description: 'A page.', schema: page(SalesPeriod) } },
  problems: ['invalid_cursor'],
  async handle({ query: { by, from, to, cursor, limit } }, { sales, timeZone }) {
    const instant = (text: string): string =>
      new Date(isDay(text) ? shopCalendar(timeZone).startOfDay(text) : text).toISOString();
    // A cursor is a place in one index; under another it would mean nothing.
    const tag = `${by}:`;
    if (cursor !== undefined && !cursor.startsWith(tag)) throw new BadCursor();
    const found = await findPage(sales, {
      index: 'period',
      prefix: [by],
      limit,
      ...(from === undefined ? {} : { from: instant(from) }),
      ...(to === undefined ? {} : { to: instant(to) }),
      ...(cursor === undefined ? {} : { after: cursor.slice(tag.length) }),
    });
    const items = found.rows.map(({ doc }) => {
      const { start, orders, units, currency, revenueMinor, returnedMinor } = doc as SalesPeriodRow;
      return {
        start,
        orders,
        units,
        revenue: { amountMinor: revenueMinor, currency },
        returned: { amountMinor: returnedMinor, currency },
      };
    });
    return { status: 200, body: { items, nextCursor: found.next === null ? null : tag + found.next } };
  },
});

export const getProducts = route({
  method: 'get',
  path: '/analytics/products',
  tag: 'analytics',
  roles: ['operator'],
  summary: 'What sold best',
  description: `Best revenue first. ${RANGE_WORDS} Each currency has items of its own, ranked by minor units.`,
  query: z.strictObject({ from: ShopTime.optional(), to: ShopTime.optional(), limit: BestLimit }),
  responses: { 200: { description: 'The best of the range.', schema: BestProducts } },
  async handle({ query: { limit, ...asked } }, { sales, timeZone, clock }) {
    const range = daysAsked(asked, { timeZone, clock });
    return isReply(range)
      ? range
      : { status: 200, body: { ...range, items: await bestProducts(sales, clock, range, limit) } };
  },
});

export const getFunnel = route({
  method: 'get',
  path: '/analytics/funnel',
  tag: 'analytics',
  roles: ['operator'],
  summary: 'How far orders come, and how long each step takes',
  description: `Medians are exact to about 5%. ${RANGE_WORDS}`,
  query: z.strictObject({ from: ShopTime.optional(), to: ShopTime.optional() }),
  responses: { 200: { description: 'Steps in their order.', schema: Funnel } },
  async handle({ query }, { operationsView, timeZone, clock }) {
    const range = daysAsked(query, { timeZone, clock });
    if (isReply(range)) return range;
    const orders: Record<string, number> = {};
    const times: Record<string, DurationCounts> = {};
    for (let after: string | undefined, more = true; more;) {
      const found = await operationsView.find({
        index: 'day',
        prefix: ['day'],
        ...range,
        limit: DAYS_A_PAGE,
        ...(after === undefined ? {} : { after }),
      });
      const days = found.rows.map(({ doc }) => doc as OperationsDay);
      for (const mark of [...FUNNEL_STEPS, 'cancelled', 'returned'] as const) {
        orders[mark] = days.reduce((sum, day) => sum + (day.orders[mark] ?? 0), orders[mark] ?? 0);
        times[mark] = addedUp([times[mark] ?? {}, ...days.map((day) => day.times[mark] ?? {})]);
      }
      [after, more] = [found.next ?? undefined, found.next !== null];
      // A checkout that came meanwhile goes first.
      await clock.sleep(0);
    }
    const steps = FUNNEL_STEPS.map((step) => ({
      step,
      orders: orders[step] ?? 0,
      medianMs: medianMs(times[step] ?? {}),
    }));
    const oldest = (await operationsView.find({ index: 'unfinished', prefix: [], limit: 1 })).rows[0]?.doc;
    const oldestUnfinished =
      oldest?.kind === 'order'
        ? { orderId: oldest.orderId, number: orderNumber(oldest.orderId), placedAt: oldest.placedAt }
        : null;
    return {
      status: 200,
      body: {
        ...range,
        orders: orders.placed ?? 0,
        steps,
        cancelled: orders.cancelled ?? 0,
        returned: orders.returned ?? 0,
        oldestUnfinished,
      },
    };
  },
});

export const analytics = [getSales, getProducts, getFunnel] as const;

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bestProducts } from '../../api/best-products.ts';
import type { SalesRow, SalesSku } from '../../projections/sales.ts';
import { addDays, shopCalendar } from '../../domain/shop-day.ts';
import type { Find, Found } from '../../ports/read-store.ts';
import type { ViewReader } from '../../runtime/view/read.ts';
import { dice } from '../domain/random.ts';
import { startApi, type Harness } from './harness.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const { dayOf, startOf, startOfDay } = shopCalendar('Europe/London');
const iso = (ms: number): string => new Date(ms).toISOString();

/** A shop whose clock shows 10:00 (UTC) and some seconds. */
const withApi = (run: (api: Harness) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    const now = api.deps.clock.now().getTime();
    api.moveOn(Math.ceil(now / DAY_MS) * DAY_MS + 10 * 60 * MINUTE_MS - now);
    await api.product('MUG-RED', 'Red mug', 1_000);
    await api.product('LAMP', 'Lamp', 4_000);
    await api.settled();
    await run(api);
  } finally {
    await api.close();
  }
};
const MUG = [{ sku: 'MUG-RED', quantity: 2 }];
const LAMP = [{ sku: 'LAMP', quantity: 1 }];
const get = (api: Harness, path: string, as = 'operator') => api.call('GET', `/analytics/${path}`, { as });
const gbp = (amountMinor: number) => ({ amountMinor, currency: 'GBP' });
const sendBack = async (api: Harness, orderId: string): Promise<void> => {
  await api.command(orderId, {
    type: 'RecordReturnReceived',
    data: { returnId: 'R', lines: [{ lineId: '1', quantity: 1 }], restock: true },
  });
};

const sold = suite('GET /analytics/sales');

sold(
  'minutes, hours and days in which something was ordered, with what came back of it',
  withApi(async (api) => {
    const first = api.deps.clock.now().getTime();
    const { orderId } = await api.place(MUG);
    api.moveOn(2 * MINUTE_MS);
    await api.place([...MUG, ...LAMP]);
    api.moveOn(DAY_MS);
    const last = api.deps.clock.now().getTime();
    await api.place(LAMP);
    await api.confirm(orderId);
    await api.ship(orderId);
    await sendBack(api, orderId);
    await api.settled();
    const items = async (query: string) => (await get(api, `sales?${query}`)).body.items;
    const [one, two, three] = [
      { orders: 1, units: 2, revenue: gbp(2_000), returned: gbp(1_000) },
      { orders: 1, units: 3, revenue: gbp(6_000), returned: gbp(0) },
      { orders: 1, units: 1, revenue: gbp(4_000), returned: gbp(0) },
    ];
    const both = { orders: 2, units: 5, revenue: gbp(8_000), returned: gbp(1_000) };
    const minute = (ms: number): string => iso(startOf('minute', ms));
    assert.equal(await items('by=minute'), [
      { start: minute(first), ...one },
      { start: minute(first + 2 * MINUTE_MS), ...two },
      { start: minute(last), ...three },
    ]);
    assert.equal(await items('by=hour'), [
      { start: iso(startOf('hour', first)), ...both },
      { start: iso(startOf('hour', last)), ...three },
    ]);
    assert.equal(await items('by=day'), [
      { start: iso(startOfDay(dayOf(first))), ...both },
      { start: iso(startOfDay(dayOf(last))), ...three },
    ]);
    // `from` is in, `to` is out; a plain day is the shop's.
    assert.equal((await items(`by=day&from=${dayOf(last)}`)).length, 1);
    assert.equal((await items(`by=day&to=${dayOf(last)}`)).length, 1);
    assert.equal(await items(`by=minute&from=${minute(first + 2 * MINUTE_MS)}&to=${minute(last)}`), [
      { start: minute(first + 2 * MINUTE_MS), ...two },
    ]);
  }),
);

sold(
  "pages, each behind its cursor; another list's cursor is none",
  withApi(async (api) => {
    for (let n = 0; n < 5; n++) {
      await api.place(MUG);
      api.moveOn(MINUTE_MS);
    }
    await api.settled();
    const whole = (await get(api, 'sales?by=minute')).body.items;
    assert.is(whole.length, 5);
    const paged: unknown[] = [];
    let cursor: string | null = '';
    let pages = 0;
    for (; cursor !== null; pages++) {
      const { body } = await get(
        api,
        `sales?by=minute&limit=2${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      paged.push(...body.items);
      cursor = body.nextCursor;
    }
    assert.equal([paged, pages], [whole, 3]);
    const { nextCursor } = (await get(api, 'sales?by=minute&limit=2')).body;
    for (const wrong of [
      `by=hour&cursor=${encodeURIComponent(nextCursor)}`,
      'by=minute&cursor=minute%3Anone',
      'by=minute&cursor=x',
    ]) {
      const { status, body } = await get(api, `sales?${wrong}`);
      assert.equal([status, body.code], [400, 'invalid_cursor'], wrong);
    }
  }),
);

sold(
  'for operators alone, and only what it takes',
  withApi(async (api) => {
    for (const path of ['sales?by=day', 'products', 'funnel']) {
      for (const as of ['customer:ada', 'auditor'])
        assert.is((await get(api, path, as)).status, 403, `${path} as ${as}`);
      assert.is((await api.call('GET', `/analytics/${path}`)).status, 401);
    }
    for (const wrong of [
      'sales',
      'sales?by=week',
      'sales?by=day&from=yesterday',
      'sales?by=day&from=2026-02-30',
      'sales?by=day&limit=201',
      'products?limit=0',
      'products?x=1',
      'funnel?from=',
    ]) {
      const { status, body } = await get(api, wrong);
      assert.equal([status, body.code], [422, 'invalid_request'], wrong);
    }
  }),
);
sold.run();

const products = suite('GET /analytics/products');

products(
  'the best of the range, by days of the shop',
  withApi(async (api) => {
    const first = dayOf(api.deps.clock.now().getTime());
    await api.place([{ sku: 'MUG-RED', quantity: 5 }]);
    api.moveOn(3 * DAY_MS);
    const last = dayOf(api.deps.clock.now().getTime());
    await api.place([...MUG, ...LAMP]);
    await api.settled();
    const mugs = (units: number) => ({ sku: 'MUG-RED', name: 'Red mug', units, revenue: gbp(units * 1_000) });
    const lamp = { sku: 'LAMP', name: 'Lamp', units: 1, revenue: gbp(4_000) };
    const asked = async (query: string) => (await get(api, `products${query}`)).body;
    assert.equal(await asked(''), { from: addDays(last, -29), to: addDays(last, 1), items: [mugs(7), lamp] });
    assert.equal((await asked('?limit=1')).items, [mugs(7)]);
    assert.equal((await asked(`?to=${last}`)).items, [mugs(5)]);
    assert.equal(await asked(`?from=${last}`), { from: last, to: addDays(last, 1), items: [lamp, mugs(2)] });
    // A time counts its whole day.
    assert.equal(await asked(`?from=${first}T12:00:00Z&to=${first}T13:00:00Z`), {
      from: first,
      to: addDays(first, 1),
      items: [mugs(5)],
    });
    assert.equal((await asked(`?from=${first}&to=${first}`)).items, []);
  }),
);

products(
  'two years at most, and none that end before they begin',
  withApi(async (api) => {
    for (const path of ['products', 'funnel']) {
      assert.is((await get(api, `${path}?from=2024-01-01&to=2026-01-01`)).status, 200, path);
      for (const range of ['from=2024-01-01&to=2026-01-02', 'from=2024-01-02&to=2024-01-01']) {
        const { status, body } = await get(api, `${path}?${range}`);
        assert.equal([status, body.code, body.errors[0].pointer], [422, 'invalid_request', '/to'], range);
        assert.ok(body.detail.endsWith('.'));
      }
    }
  }),
);

products('are merged from pages of many months, letting others run between any two', async () => {
  const d = dice(11);
  const rows: SalesSku[] = [];
  for (let month = 0; month < 14; month++)
    for (let n = 0; n < 500; n++)
      if (d.chance(0.6)) {
        const name = addDays('2025-01-01', month * 31).slice(0, 7);
        rows.push({
          kind: 'sku',
          month: name,
          currency: d.chance(0.9) ? 'GBP' : 'EUR',
          sku: `S${n}`,
          name: `name in ${name}`,
          namedAt: `${name}-28`,
          days: { [1 + d.below(28)]: [1, d.below(500), 0], 9: [2, 50, 0] },
        });
      }
  let [pages, sleeps, held, most] = [0, 0, 0, 0];
  const find = async ({ prefix: [month], after, limit }: Find): Promise<Found<SalesRow>> => {
    const all = rows
      .filter((row) => row.month === month)
      .sort((a, b) => (`${a.sku} ${a.currency}` < `${b.sku} ${b.currency}` ? -1 : 1));
    const from = Number(after ?? 0);
    assert.is(pages, sleeps, 'nobody else could run between two pages');
    pages += 1;
    most = Math.max(most, limit);
    held = Math.max(held, all.length);
    return {
      rows: all
        .slice(from, from + limit)
        .map((doc, i) => ({ id: doc.sku, doc, cursor: String(from + i + 1) })),
      next: from + limit < all.length ? String(from + limit) : null,
    };
  };
  const clock = { now: () => new Date(0), sleep: async () => void (sleeps += 1) };
  const range = { from: '2025-01-05', to: '2026-02-10' };
  const best = await bestProducts({ find } as unknown as ViewReader<SalesRow>, clock, range, 40);

  const plain = new Map<
    string,
    { sku: string; name: string; units: number; revenue: { amountMinor: number; currency: string } }
  >();
  for (const { sku, currency, month, name, days } of rows)
    for (const [dayOfMonth, [units, minor]] of Object.entries(days)) {
      const day = `${month}-${dayOfMonth.padStart(2, '0')}`;
      if (day < range.from || day >= range.to) continue;
      const before = plain.get(`${sku} ${currency}`);
      plain.set(`${sku} ${currency}`, {
        sku,
        name,
        units: units + (before?.units ?? 0),
        revenue: { amountMinor: minor + (before?.revenue.amountMinor ?? 0), currency },
      });
    }
  const should = [...plain.values()]
    .sort((a, b) => b.revenue.amountMinor - a.revenue.amountMinor || (a.sku < b.sku ? -1 : 1))
    .slice(0, 40);
  assert.equal(best, should);
  assert.ok(pages > 14 && most < held, `${pages} pages of ${most}`);
});
products.run();

const funnel = suite('GET /analytics/funnel');

funnel(
  'how far the orders of the range came, how long it took, and which waits longest',
  withApi(async (api) => {
    assert.equal((await get(api, 'funnel')).body.oldestUnfinished, null);
    const day = dayOf(api.deps.clock.now().getTime());
    const orders = [];
    for (let n = 0; n < 4; n++) {
      orders.push(await api.place(LAMP));
      api.moveOn(1);
    }
    const [done, cancelled, confirmed] = orders.map(({ orderId }) => orderId as string) as [
      string,
      string,
      string,
    ];
    await api.call('POST', `/orders/${cancelled}/cancel`, { as: 'customer:ada', body: { reason: 'no' } });
    api.moveOn(10 * MINUTE_MS);
    for (const orderId of [done, confirmed]) await api.confirm(orderId);
    api.moveOn(100 * MINUTE_MS);
    await api.command(done, {
      type: 'RecordDelivery',
      data: { shipmentId: await api.ship(done), parcelId: 'p1' },
    });
    await sendBack(api, done);
    await api.settled();
    const { body } = await get(api, 'funnel');
    assert.equal(
      [body.from, body.to, body.orders, body.cancelled, body.returned],
      [addDays(day, -29), addDays(day, 1), 4, 1, 1],
    );
    assert.equal(
      body.steps.map(({ step, orders: count }: { step: string; orders: number }) => [step, count]),
      [
        ['placed', 4],
        ['reserved', 2],
        ['authorized', 2],
        ['confirmed', 2],
        ['dispatched', 1],
        ['delivered', 1],
      ],
    );
    const median = (step: string): number =>
      body.steps.find((one: { step: string }) => one.step === step).medianMs;
    assert.is(median('placed'), null);
    assert.ok(Math.abs(median('reserved') / (10 * MINUTE_MS) - 1) < 0.05, String(median('reserved')));
    assert.ok(Math.abs(median('dispatched') / (100 * MINUTE_MS) - 1) < 0.05, String(median('dispatched')));
    const { placedAt, ...oldest } = body.oldestUnfinished;
    assert.equal([oldest, dayOf(Date.parse(placedAt))], [{ orderId: done, number: orders[0].number }, day]);
    // Once the money is back nothing is left to do for it; the next one's stock has not been let go.
    await api.command(done, { type: 'RecordRefund', data: { refundId: 'return-R' } });
    await api.settled();
    const empty = (await get(api, `funnel?to=${day}`)).body;
    assert.equal([empty.orders, empty.steps[0].orders, empty.oldestUnfinished.orderId], [0, 0, cancelled]);
  }),
);
funnel.run();

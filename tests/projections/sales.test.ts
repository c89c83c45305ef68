import { DateTime } from 'luxon';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EventEnvelope } from '../../domain/kernel.ts';
import { sales, type SalesPeriod, type SalesRow, type SalesSku } from '../../projections/sales.ts';
import { dice } from '../domain/random.ts';
import { placing } from '../domain/scenario.ts';
import { folding, fulfil, history, type History } from './folding.ts';

const LONDON = 'Europe/London';
const uuid = (n: number): string => `0190a000-0000-8000-8000-${String(n).padStart(12, '0')}`;
const line = (
  lineId: string,
  sku: string,
  quantity: number,
  unitPriceMinor: number,
  name = `${sku} of the shop`,
) => ({ lineId, sku, name, quantity, unitPriceMinor });
const rowsOf = async (events: readonly EventEnvelope[], timeZone = LONDON): Promise<readonly SalesRow[]> => {
  const view = folding(sales({ timeZone }));
  await view.fold(events);
  return [...view.rows.values()].map(({ doc }) => doc as SalesRow);
};
const periods = (rows: readonly SalesRow[], kind: SalesPeriod['kind']) =>
  rows
    .filter((row): row is SalesPeriod => row.kind === kind)
    .map(({ start, currency, orders, units, revenueMinor, returnedMinor }) => [
      start,
      currency,
      orders,
      units,
      revenueMinor,
      returnedMinor,
    ])
    .sort();
const skus = (rows: readonly SalesRow[]) => rows.filter((row): row is SalesSku => row.kind === 'sku');
const returned = (
  told: History,
  orderId: string,
  at: string,
  lines: Readonly<Record<string, number>>,
  returnId = 'R',
): void => {
  const list = Object.entries(lines).map(([lineId, quantity]) => ({ lineId, quantity }));
  told.tell(orderId, at, ['RecordReturnReceived', { returnId, lines: list, restock: true }]);
};

const booked = suite('sales: what is booked where');

booked(
  'an order in its minute, hour and day of the shop, without shipping and before the discount',
  async () => {
    const told = history();
    const lines = [line('1', 'MUG', 3, 1_000), line('2', 'LAMP', 2, 2_500), line('3', 'MUG', 1, 900)];
    told.place(placing({ orderId: uuid(1), lines, discountMinor: 700 }), '2026-06-01T23:30:29.500Z');
    told.place(
      placing({ orderId: uuid(2), lines: [line('1', 'MUG', 1, 1_000)] }),
      '2026-06-01T23:45:00.000Z',
    );
    const rows = await rowsOf(told.events);
    assert.equal(periods(rows, 'minute'), [
      ['2026-06-01T23:30:00.000Z', 'GBP', 1, 6, 8_900, 0],
      ['2026-06-01T23:45:00.000Z', 'GBP', 1, 1, 1_000, 0],
    ]);
    assert.equal(periods(rows, 'hour'), [['2026-06-01T23:00:00.000Z', 'GBP', 2, 7, 9_900, 0]]);
    // It is past midnight in London in summer.
    assert.equal(periods(rows, 'day'), [['2026-06-01T23:00:00.000Z', 'GBP', 2, 7, 9_900, 0]]);
    assert.equal(
      skus(rows)
        .map(({ sku, month, days }) => [sku, month, days])
        .sort(),
      [
        ['LAMP', '2026-06', { 2: [2, 5_000, 0] }],
        ['MUG', '2026-06', { 2: [5, 4_900, 0] }],
      ],
    );
  },
);

booked(
  'returns where their order was placed, whenever they come; nothing else changes a figure',
  async () => {
    const told = history();
    told.place(
      placing({
        orderId: uuid(1),
        lines: [line('1', 'MUG', 3, 1_000), line('2', 'MUG', 2, 800), line('3', 'LAMP', 1, 2_500)],
      }),
      '2026-01-31T12:00:00.000Z',
    );
    const before = await rowsOf(told.events);
    fulfil(told, uuid(1), '2026-02-01T12:00:00.000Z');
    assert.equal(
      (await rowsOf(told.events)).map((row) => JSON.stringify(row)),
      before.map((row) => JSON.stringify(row)),
    );
    returned(told, uuid(1), '2026-02-10T12:00:00.000Z', { 1: 1, 2: 2 });
    returned(told, uuid(1), '2026-03-10T12:00:00.000Z', { 1: 1 }, 'R2');
    const rows = await rowsOf(told.events);
    for (const kind of ['minute', 'hour'] as const)
      assert.equal(periods(rows, kind), [['2026-01-31T12:00:00.000Z', 'GBP', 1, 6, 7_100, 3_600]]);
    assert.equal(periods(rows, 'day'), [['2026-01-31T00:00:00.000Z', 'GBP', 1, 6, 7_100, 3_600]]);
    assert.equal(
      skus(rows)
        .map(({ sku, days }) => [sku, days])
        .sort(),
      [
        ['LAMP', { 31: [1, 2_500, 0] }],
        ['MUG', { 31: [5, 4_600, 3_600] }],
      ],
    );
  },
);

booked('a cancelled order stays what was ordered', async () => {
  const told = history();
  told.place(placing({ orderId: uuid(1) }), '2026-01-31T12:00:00.000Z');
  told.tell(uuid(1), '2026-01-31T12:01:00.000Z', ['CancelOrder', { reason: 'no' }]);
  assert.equal(periods(await rowsOf(told.events), 'day'), [
    ['2026-01-31T00:00:00.000Z', 'GBP', 1, 5, 8_000, 0],
  ]);
});

booked('each currency apart, names as they were last, SKUs that JavaScript has words for', async () => {
  const told = history();
  told.place(
    placing({ orderId: uuid(1), lines: [line('1', 'constructor', 1, 100, 'New')] }),
    '2026-01-02T12:00:00.000Z',
  );
  told.place(
    placing({ orderId: uuid(2), lines: [line('1', 'constructor', 1, 100, 'Old')] }),
    '2026-01-01T12:00:00.000Z',
  );
  told.place(
    placing({
      orderId: uuid(3),
      currency: 'EUR',
      lines: [line('1', 'constructor', 1, 90, 'Neu'), line('2', 'toString', 2, 5)],
    }),
    '2026-01-01T12:00:00.000Z',
  );
  const rows = await rowsOf(told.events);
  assert.equal(periods(rows, 'day'), [
    ['2026-01-01T00:00:00.000Z', 'EUR', 1, 3, 100, 0],
    ['2026-01-01T00:00:00.000Z', 'GBP', 1, 1, 100, 0],
    ['2026-01-02T00:00:00.000Z', 'GBP', 1, 1, 100, 0],
  ]);
  assert.equal(
    skus(rows)
      .map(({ sku, currency, name }) => [sku, currency, name])
      .sort(),
    [
      ['constructor', 'EUR', 'Neu'],
      ['constructor', 'GBP', 'New'],
      ['toString', 'EUR', 'toString of the shop'],
    ],
  );
});

booked('an order whose placing is missing stops the view', async () => {
  const told = history();
  told.place(placing({ orderId: uuid(1) }), '2026-01-01T12:00:00.000Z');
  fulfil(told, uuid(1), '2026-01-01T12:00:00.000Z');
  returned(told, uuid(1), '2026-02-10T12:00:00.000Z', { 1: 1 });
  let failed = '';
  await rowsOf(told.events.slice(1)).catch((error: Error) => (failed = error.message));
  assert.match(failed, /not with its placing/);
});
booked.run();

const random = suite('sales: against a plain sum');
for (const zone of [LONDON, 'Asia/Kathmandu', 'America/St_Johns', 'Australia/Lord_Howe', 'America/Sao_Paulo'])
  random(
    `random orders and returns over a change of the clocks add up in ${zone}, whatever the pages`,
    async () => {
      const d = dice(zone.length);
      const around =
        zone === 'America/Sao_Paulo'
          ? '2018-11-04T03:00:00Z'
          : zone === 'Australia/Lord_Howe'
            ? '2026-04-04T15:00:00Z'
            : zone === 'America/St_Johns'
              ? '2010-11-07T02:31:00Z'
              : '2026-03-29T01:00:00Z';
      const told = history();
      const [days, skuDays] = [new Map<string, number[]>(), new Map<string, number[]>()];
      const add = (to: Map<string, number[]>, key: string, change: readonly number[]): void =>
        void to.set(
          key,
          change.map((more, i) => more + (to.get(key)?.[i] ?? 0)),
        );
      const at: string[] = [];
      for (let n = 0; n < 150; n++) {
        const placedAt = new Date(
          Date.parse(around) + d.below(6 * 86_400_000) - 3 * 86_400_000,
        ).toISOString();
        const lines = Array.from({ length: 1 + d.below(5) }, (_, i) =>
          line(String(i + 1), `SKU-${d.below(6)}`, 1 + d.below(4), 1 + d.below(5_000)),
        );
        told.place(placing({ orderId: uuid(n), lines }), placedAt);
        at.push(placedAt);
        const day = DateTime.fromISO(placedAt, { zone }).toISODate() ?? '';
        add(days, day, [
          1,
          lines.reduce((sum, l) => sum + l.quantity, 0),
          lines.reduce((sum, l) => sum + l.quantity * l.unitPriceMinor, 0),
          0,
        ]);
        for (const { sku, quantity, unitPriceMinor } of lines)
          add(skuDays, `${sku} ${day}`, [quantity, quantity * unitPriceMinor, 0]);
        if (d.chance(0.5)) continue;
        fulfil(told, uuid(n), placedAt);
        const back = d.pick(lines)!;
        const quantity = 1 + d.below(back.quantity);
        returned(told, uuid(n), new Date(Date.parse(placedAt) + 9 * 86_400_000).toISOString(), {
          [back.lineId]: quantity,
        });
        add(days, day, [0, 0, 0, quantity * back.unitPriceMinor]);
        add(skuDays, `${back.sku} ${day}`, [0, 0, quantity * back.unitPriceMinor]);
      }
      const view = folding(sales({ timeZone: zone }));
      for (let from = 0; from < told.events.length;) {
        const size = 1 + d.below(200);
        await view.fold(told.events.slice(from, from + size));
        from += size;
      }
      const rows = [...view.rows.values()].map(({ doc }) => doc as SalesRow);
      const dayOf = (start: string): string => DateTime.fromISO(start, { zone }).toISODate() ?? '';
      for (const kind of ['minute', 'hour', 'day'] as const) {
        const sums = new Map<string, number[]>();
        for (const [start, , ...figures] of periods(rows, kind))
          add(sums, dayOf(start as string), figures as number[]);
        assert.equal([...sums].sort(), [...days].sort(), kind);
      }
      const sums = new Map<string, number[]>();
      for (const { sku, month, days: inMonth } of skus(rows))
        for (const [day, figures] of Object.entries(inMonth))
          add(sums, `${sku} ${month}-${day.padStart(2, '0')}`, figures);
      assert.equal([...sums].sort(), [...skuDays].sort());
      const whole = folding(sales({ timeZone: zone }));
      await whole.fold(told.events);
      const plain = (folded: typeof whole) =>
        [...folded.rows.values()]
          .map(({ id, doc, columns }) => [id, doc, columns])
          .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
      assert.equal(plain(whole), plain(view));
    },
  );
random.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EventEnvelope } from '../../domain/kernel.ts';
import { SHORTAGE_POLICIES, type OrderEvent } from '../../domain/order/events.ts';
import { order } from '../../domain/order/order.ts';
import { capturedMinor, refundedMinor, type OrderState } from '../../domain/order/state.ts';
import {
  customerOrders,
  customerRowId,
  type CustomerOrder,
  type CustomerOrdersRow,
  type CustomerSummary,
} from '../../projections/customer-orders.ts';
import { dice } from '../domain/random.ts';
import { placing } from '../domain/scenario.ts';
import { createWorld } from '../consumers/unruly-world.ts';
import { allEvents } from '../scripts/world.ts';
import { folding, fulfil, history, type Folding } from './folding.ts';

const uuid = (n: number): string => `0190a000-0000-8000-8000-${String(n).padStart(12, '0')}`;
type View = Folding<CustomerOrdersRow>;
const orderRow = (view: View, orderId: string) => view.rows.get(`order:${orderId}`)?.doc as CustomerOrder;
const customerRow = (view: View, customerId: string) =>
  view.rows.get(customerRowId(customerId))?.doc as CustomerSummary;

const test = suite('view customer-orders');

test('sums of a customer over orders, captures, refunds and closings', async () => {
  const told = history();
  const view = folding(customerOrders);
  // Placed later, stored first, as an import may.
  told.place(placing({ orderId: uuid(2), customerId: 'ada', currency: 'EUR' }), '2026-02-01T00:00:00.000Z');
  told.place(placing({ orderId: uuid(1), customerId: 'ada' }), '2026-01-01T00:00:00.000Z');
  told.place(placing({ orderId: uuid(3), customerId: 'bob' }), '2026-01-03T00:00:00.000Z');
  fulfil(told, uuid(1), '2026-01-02T00:00:00.000Z');
  told.tell(uuid(1), '2026-01-05T00:00:00.000Z', [
    'RequestRefund',
    { refundId: 'G', amountMinor: 250, currency: 'GBP', reason: 'sorry' },
  ]);
  await view.fold(told.events);
  const sums = {
    kind: 'customer',
    customerId: 'ada',
    orders: 2,
    open: 2,
    units: 10,
    firstPlacedAt: '2026-01-01T00:00:00.000Z',
    lastPlacedAt: '2026-02-01T00:00:00.000Z',
    amounts: {
      EUR: { orderedMinor: 8_500, capturedMinor: 0, refundedMinor: 0 },
      GBP: { orderedMinor: 8_500, capturedMinor: 8_500, refundedMinor: 0 },
    },
  };
  // Delivered and closed, opened again by the refund.
  assert.equal(customerRow(view, 'ada'), sums);
  const before = told.events.length;
  told.tell(
    uuid(1),
    '2026-01-06T00:00:00.000Z',
    ['RecordRefund', { refundId: 'G' }],
    ['RecordNotification', { notificationId: 'n', kind: 'k', messageId: 'm' }],
  );
  await view.fold(told.events.slice(before));
  assert.equal(customerRow(view, 'ada'), {
    ...sums,
    open: 1,
    amounts: { ...sums.amounts, GBP: { ...sums.amounts.GBP, refundedMinor: 250 } },
  });
  const { wasOpen: _was, ...row } = orderRow(view, uuid(1));
  assert.equal(row, {
    kind: 'order',
    orderId: uuid(1),
    customerId: 'ada',
    placedAt: '2026-01-01T00:00:00.000Z',
    currency: 'GBP',
    totalMinor: 8_500,
    capturedMinor: 8_500,
    refundedMinor: 250,
    units: 5,
    outcome: 'delivered',
  });
  const { customerId, placedAt } = view.rows.get(`order:${uuid(1)}`)?.columns ?? {};
  assert.equal([customerId, placedAt], ['ada', '2026-01-01T00:00:00.000Z']);
  assert.equal([customerRow(view, 'bob').orders, customerRow(view, 'bob').open, view.rows.size], [1, 1, 5]);
});

test('a customer may be called anything', async () => {
  const told = history();
  const view = folding(customerOrders);
  const names = [`order:${uuid(9)}`, 'customer:x', '__proto__', ' ', 'é'.repeat(200)];
  for (const [n, customerId] of names.entries())
    told.place(placing({ orderId: uuid(n), customerId }), '2026-01-01T00:00:00.000Z');
  await view.fold(told.events);
  for (const name of names)
    assert.equal([customerRow(view, name).customerId, customerRow(view, name).orders], [name, 1]);
  assert.is(view.rows.size, 2 * names.length);
});

/** Random histories of some orders among payment, stock, warehouse and people, event by event. */
const randomHistory = async (seed: number): Promise<readonly EventEnvelope[]> => {
  const d = dice(seed);
  const world = createWorld(d);
  for (const sku of ['A', 'B']) await world.receive(sku, d.below(8));
  for (let n = 1; n <= 1 + d.below(3); n++) {
    const lines = Array.from({ length: 1 + d.below(3) }, (_, i) => ({
      lineId: String(i + 1),
      sku: d.pick(['A', 'B']) ?? 'A',
      name: 'Thing',
      quantity: 1 + d.below(4),
      unitPriceMinor: d.below(1_000),
    }));
    await world.place(
      placing({
        orderId: uuid(n),
        customerId: d.pick(['ada', 'bob']) ?? '',
        lines,
        onShortage: d.pick(SHORTAGE_POLICIES) ?? 'cancelOrder',
      }),
    );
  }
  for (let step = 0; step < 150; step++) await world.step();
  await world.settle(500);
  for (let step = 0; step < 50; step++) await world.step();
  return (await allEvents(world.store)).filter(({ stream }) => stream.startsWith('order-'));
};

test('random histories: open, captured and refunded are what the orders themselves say, after every event and in any pages', async () => {
  let [closings, reopenings] = [0, 0];
  for (let seed = 1; seed <= 150; seed++) {
    const events = await randomHistory(seed);
    const [view, states] = [folding(customerOrders), new Map<string, OrderState>()];
    for (const event of events) {
      const before = states.get(event.stream) ?? order.initial;
      assert.is(event.revision, before.revision + 1);
      const state = order.evolve(before, event as EventEnvelope<OrderEvent>);
      states.set(event.stream, state);
      if (state.closedAt !== undefined && before.closedAt === undefined) closings += 1;
      if (state.closedAt === undefined && before.closedAt !== undefined) reopenings += 1;
      await view.fold([event]);
      const row = orderRow(view, state.orderId);
      assert.equal(
        [row.outcome === undefined, row.capturedMinor, row.refundedMinor],
        [state.closedAt === undefined, capturedMinor(state), refundedMinor(state)],
        `seed ${seed}, ${event.stream}@${event.revision} ${event.type}`,
      );
    }
    for (const customerId of ['ada', 'bob']) {
      const own = [...states.values()].filter((state) => state.customerId === customerId);
      const sum = (of: (state: OrderState) => number) => own.reduce((total, state) => total + of(state), 0);
      const row = customerRow(view, customerId);
      if (own.length === 0) assert.is(row, undefined);
      else {
        assert.equal(
          [row.orders, row.open, row.units],
          [
            own.length,
            sum((s) => (s.closedAt === undefined ? 1 : 0)),
            sum((s) => s.lines.reduce((n, l) => n + l.ordered, 0)),
          ],
          `seed ${seed}`,
        );
        assert.equal(
          row.amounts,
          {
            GBP: {
              orderedMinor: sum((s) => s.totals.totalMinor),
              capturedMinor: sum(capturedMinor),
              refundedMinor: sum(refundedMinor),
            },
          },
          `seed ${seed}`,
        );
      }
    }
    const whole = folding(customerOrders);
    const cut = Math.floor(events.length / 3);
    await whole.fold(events.slice(0, cut));
    await whole.fold(events.slice(cut));
    const plain = ({ rows }: View) =>
      [...rows.values()]
        .map(({ id, doc, columns }) => [id, doc, columns])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
    assert.equal(plain(whole), plain(view), `seed ${seed}`);
  }
  assert.ok(
    closings > 300 && reopenings > 30,
    `${closings} closings, ${reopenings} reopenings: the histories are too tame`,
  );
});
test.run();

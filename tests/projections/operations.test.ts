import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addedUp, counted, medianMs, type DurationCounts } from '../../domain/duration-counts.ts';
import type { EventEnvelope } from '../../domain/kernel.ts';
import { order } from '../../domain/order/order.ts';
import { orderEvent } from '../../domain/order/events.ts';
import { operations, type OperationsDay, type OperationsOrder } from '../../projections/operations.ts';
import { dice } from '../domain/random.ts';
import { placing } from '../domain/scenario.ts';
import { folding, fulfil, history, type Folding, type History } from './folding.ts';

const projection = operations({ timeZone: 'Europe/London' });
type View = Folding<OperationsOrder | OperationsDay>;
const viewOf = async (events: readonly EventEnvelope[]): Promise<View> => {
  const view = folding(projection);
  await view.fold(events);
  return view;
};
const uuid = (n: number): string => `0190a000-0000-8000-8000-${String(n).padStart(12, '0')}`;
const day = (view: View, name: string): OperationsDay => view.rows.get(`day/${name}`)?.doc as OperationsDay;
const medians = ({ times }: OperationsDay) =>
  Object.fromEntries(Object.entries(times).map(([mark, counts]) => [mark, medianMs(counts)]));
const near = (is: number | null | undefined, should: number): void =>
  assert.ok(
    is !== null && is !== undefined && Math.abs(is - should) <= should * 0.025 + 0.5,
    `${is} is not about ${should}`,
  );
const stocked = (told: History, orderId: string, at: string): void =>
  void told.tell(orderId, at, [
    'RecordStock',
    {
      lines: told
        .state(orderId)
        .lines.map(({ lineId, ordered }) => ({ lineId, reserved: ordered, backordered: 0, short: 0 })),
    },
  ]);
const authorized = (told: History, orderId: string, at: string, authorizationId = 'A', attempt = 1): void =>
  void told.tell(orderId, at, [
    'RecordAuthorization',
    { attempt, authorizationId, amountMinor: told.state(orderId).totals.totalMinor },
  ]);

const funnel = suite('operations: the funnel');

funnel('each step once an order, on the day of placing, timed from what it waits for', async () => {
  const told = history();
  const id = uuid(1);
  told.place(placing({ orderId: id, onShortage: 'backorder' }), '2026-06-01T23:30:00.000Z');
  authorized(told, id, '2026-06-01T23:30:10.000Z');
  stocked(told, id, '2026-06-01T23:31:00.000Z');
  told.tell(
    id,
    '2026-06-02T10:31:00.000Z',
    ['RequestShipment', {}],
    ['RecordDispatch', { shipmentId: `${id}-1`, parcelId: 'P', lines: [{ lineId: '1', quantity: 1 }] }],
  );
  told.tell(id, '2026-06-02T11:31:00.000Z', [
    'RecordDispatch',
    {
      shipmentId: `${id}-1`,
      parcelId: 'Q',
      lines: [
        { lineId: '1', quantity: 2 },
        { lineId: '2', quantity: 2 },
      ],
    },
  ]);
  told.tell(id, '2026-06-03T10:31:00.000Z', ['RecordDelivery', { shipmentId: `${id}-1`, parcelId: 'P' }]);
  told.tell(id, '2026-06-03T11:31:00.000Z', ['RecordDelivery', { shipmentId: `${id}-1`, parcelId: 'Q' }]);
  const row = day(await viewOf(told.events), '2026-06-02');
  assert.equal(row.orders, {
    placed: 1,
    authorized: 1,
    reserved: 1,
    confirmed: 1,
    dispatched: 1,
    delivered: 1,
  });
  const times = medians(row);
  near(times.authorized, 10_000);
  near(times.reserved, 60_000);
  // Confirmed with the reservation, the later of the two.
  assert.is(times.confirmed, 0);
  near(times.dispatched, 11 * 3_600_000);
  near(times.delivered, 24 * 3_600_000);
});

funnel('cancelled and returned beside the steps; a second return counts no order twice', async () => {
  const told = history();
  for (const n of [1, 2, 3]) told.place(placing({ orderId: uuid(n) }), '2026-01-01T12:00:00.000Z');
  told.tell(uuid(1), '2026-01-02T12:00:00.000Z', ['CancelOrder', { reason: 'no' }]);
  fulfil(told, uuid(2), '2026-01-02T12:00:00.000Z');
  for (const returnId of ['R1', 'R2'])
    told.tell(uuid(2), '2026-01-05T12:00:00.000Z', [
      'RecordReturnReceived',
      { returnId, lines: [{ lineId: '1', quantity: 1 }], restock: true },
    ]);
  assert.equal(day(await viewOf(told.events), '2026-01-01').orders, {
    placed: 3,
    cancelled: 1,
    reserved: 1,
    authorized: 1,
    confirmed: 1,
    dispatched: 1,
    delivered: 1,
    returned: 1,
  });
});

funnel('imported orders are counted and not timed', async () => {
  const told = history('import');
  told.place(placing({ orderId: uuid(1) }), '2011-01-01T12:00:00.000Z');
  fulfil(told, uuid(1), '2011-01-01T12:00:00.000Z');
  const row = day(await viewOf(told.events), '2011-01-01');
  assert.equal(row.orders, {
    placed: 1,
    reserved: 1,
    authorized: 1,
    confirmed: 1,
    dispatched: 1,
    delivered: 1,
  });
  assert.equal(row.times, {});
});
funnel.run();

const unfinished = suite('operations: what is not finished');
const HISTORIES: Readonly<Record<string, (told: History, id: string) => void>> = {
  'goods that come back, and their refund': (told, id) => {
    fulfil(told, id, '2026-01-02T12:00:00.000Z');
    told.tell(id, '2026-01-05T12:00:00.000Z', [
      'RequestReturn',
      { returnId: 'R', lines: [{ lineId: '1', quantity: 1 }], reason: 'r' },
    ]);
    told.tell(id, '2026-01-06T12:00:00.000Z', [
      'RecordReturnReceived',
      { returnId: 'R', lines: [{ lineId: '1', quantity: 1 }], restock: true },
    ]);
    told.tell(
      id,
      '2026-01-07T12:00:00.000Z',
      ['RecordRefund', { refundId: 'return-R' }],
      ['RecordNotification', { notificationId: 'n', kind: 'k', messageId: 'm' }],
    );
  },
  goodwill: (told, id) => {
    fulfil(told, id, '2026-01-02T12:00:00.000Z');
    told.tell(id, '2026-01-05T12:00:00.000Z', [
      'RequestRefund',
      { refundId: 'G', amountMinor: 100, currency: 'GBP', reason: 'sorry' },
    ]);
    told.tell(id, '2026-01-06T12:00:00.000Z', [
      'RecordRefundFailure',
      { refundId: 'G', code: 'no', sentence: 'No.' },
    ]);
  },
  'an authorization that comes late, of something and of nothing': (told, id) => {
    told.tell(
      id,
      '2026-01-02T12:00:00.000Z',
      ['CancelOrder', { reason: 'no' }],
      ['RecordRelease', { lines: ['1', '2'].map((lineId) => ({ lineId, quantity: 0, holds: 0 })) }],
      ['RecordAbandoned', { attempt: 1 }],
    );
    authorized(told, id, '2026-01-03T12:00:00.000Z');
    told.tell(id, '2026-01-04T12:00:00.000Z', ['RecordVoid', { authorizationId: 'A' }]);
    told.tell(id, '2026-01-05T12:00:00.000Z', [
      'RecordAuthorization',
      { attempt: 1, authorizationId: 'B', amountMinor: 0 },
    ]);
  },
  'a parcel that leaves late': (told, id) => {
    stocked(told, id, '2026-01-02T12:00:00.000Z');
    authorized(told, id, '2026-01-02T12:00:00.000Z');
    told.tell(
      id,
      '2026-01-02T12:00:00.000Z',
      ['RequestShipment', {}],
      ['CancelOrder', { reason: 'no' }],
      ['RecordShipmentFailure', { shipmentId: `${id}-1`, reason: 'stopped' }],
    );
    told.tell(
      id,
      '2026-01-03T12:00:00.000Z',
      [
        'RecordRelease',
        {
          lines: [
            { lineId: '1', quantity: 3, holds: 0 },
            { lineId: '2', quantity: 2, holds: 0 },
          ],
        },
      ],
      ['RecordVoid', { authorizationId: 'A' }],
    );
    told.tell(id, '2026-01-04T12:00:00.000Z', [
      'RecordDispatch',
      { shipmentId: `${id}-1`, parcelId: 'P', lines: [{ lineId: '1', quantity: 1 }] },
    ]);
    told.tell(id, '2026-01-05T12:00:00.000Z', ['RecordDelivery', { shipmentId: `${id}-1`, parcelId: 'P' }]);
  },
  'another card after a charge that failed': (told, id) => {
    stocked(told, id, '2026-01-02T12:00:00.000Z');
    authorized(told, id, '2026-01-02T12:00:00.000Z');
    told.tell(
      id,
      '2026-01-02T12:00:00.000Z',
      ['RequestShipment', {}],
      [
        'RecordDispatch',
        {
          shipmentId: `${id}-1`,
          parcelId: 'P',
          lines: [
            { lineId: '1', quantity: 3 },
            { lineId: '2', quantity: 2 },
          ],
        },
      ],
    );
    told.tell(
      id,
      '2026-01-03T12:00:00.000Z',
      ['RecordDelivery', { shipmentId: `${id}-1`, parcelId: 'P' }],
      ['RecordCaptureFailure', { parcelId: 'P', code: 'no', sentence: 'No.' }],
      ['RecordVoid', { authorizationId: 'A' }],
    );
    told.tell(id, '2026-01-04T12:00:00.000Z', ['RetryPayment', { token: 'other' }]);
    authorized(told, id, '2026-01-05T12:00:00.000Z', 'B', 2);
    told.tell(id, '2026-01-05T12:00:00.000Z', [
      'RecordCapture',
      { captureId: 'C', authorizationId: 'B', parcelId: 'P', amountMinor: told.state(id).totals.totalMinor },
    ]);
  },
};
for (const [name, tell] of Object.entries(HISTORIES))
  unfinished(`closed when the order says so, event by event: ${name}`, async () => {
    const told = history();
    told.place(placing({ orderId: uuid(1) }), '2026-01-01T12:00:00.000Z');
    tell(told, uuid(1));
    const view = folding(projection);
    let state = order.initial;
    let [closings, reopenings] = [0, 0];
    for (const event of told.events) {
      const before = state.closedAt;
      state = order.evolve(state, orderEvent(event));
      if (before === undefined && state.closedAt !== undefined) closings += 1;
      if (before !== undefined && state.closedAt === undefined) reopenings += 1;
      await view.fold([event]);
      assert.equal(
        view.rows.get(uuid(1))?.columns.unfinishedSince,
        state.closedAt === undefined ? '2026-01-01T12:00:00.000Z' : null,
        `${event.type}@${event.revision}`,
      );
    }
    assert.equal([closings, reopenings], [2, 1], told.events.map(({ type }) => type).join(' '));
  });
unfinished.run();

const durations = suite('durations in buckets');
durations('the median is off by 2.5% at most, also when days are added up', () => {
  const d = dice(3);
  for (const most of [10, 2_000, 90_000, 400_000_000]) {
    const many = Array.from({ length: 2_001 }, () => Math.floor(most ** (0.3 + d.below(1_000) / 1_430)));
    const days: DurationCounts[] = [{}, {}, {}];
    for (const ms of many) {
      const index = d.below(3);
      days[index] = counted(days[index] ?? {}, ms);
    }
    near(medianMs(addedUp(days)), [...many].sort((a, b) => a - b)[1_000] ?? 0);
  }
  assert.is(medianMs({}), null);
  assert.is(medianMs(counted({}, 0)), 0);
});
durations.run();

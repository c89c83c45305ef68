/**
 * The same history with OrderPlaced as version 1 stored it and as version 2 does: views are the same, and
 * both chains hold.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memorySnapshots } from '../../adapters/memory/bookkeeping.ts';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { memoryReadStore } from '../../adapters/memory/read-store.ts';
import {
  categoryOf,
  type EventEnvelope,
  type Message,
  type Position,
  type Aggregate,
} from '../../domain/kernel.ts';
import { taxContained } from '../../domain/money.ts';
import { operationsStream, operationsLog } from '../../domain/operations/operations.ts';
import { orderEvent, orderStream, type OrderEventData } from '../../domain/order/events.ts';
import { productStream, products } from '../../domain/product/product.ts';
import { stockStream, stocks } from '../../domain/stock/stock.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Projection } from '../../ports/projection.ts';
import type { Row } from '../../ports/read-store.ts';
import { projectionsOf } from '../../projections/index.ts';
import { orders } from '../../domain/order/order.ts';
import { hashOf, NO_HASH } from '../../runtime/command/chain.ts';
import { createExecutor, type Context } from '../../runtime/command/execute.ts';
import { foldRows } from '../../runtime/view/folding.ts';
import { viewName } from '../../runtime/view/read.ts';
import { checkStore } from '../../scripts/check/check-store.ts';
import { NO_PROGRESS } from '../../scripts/cli/progress.ts';
import { fakeClock } from '../fake-clock.ts';
import { allEvents } from '../scripts/world.ts';
import { message, placing, PLACED_AT, type Short } from './scenario.ts';

const uuid = (n: number): string => `0190a000-0000-8000-8000-${String(n).padStart(12, '0')}`;
const line = (lineId: string, sku: string, quantity: number, unitPriceMinor: number) => ({
  lineId,
  sku,
  name: sku.toLowerCase(),
  quantity,
  unitPriceMinor,
});

/**
 * A shop's day: orders that are delivered, returned, cancelled, short, back-ordered, imported, and what is
 * beside them.
 */
const newHistory = async (): Promise<EventStore> => {
  const [store, clock] = [memoryEventStore(), fakeClock(PLACED_AT)];
  const executor = createExecutor({ store, snapshots: memorySnapshots(), clock });
  let commands = 0;
  const on =
    <C extends Message, E extends Message, S extends Readonly<{ revision: number }>, R>(
      aggregate: Aggregate<C, E, S, R>,
      stream: string,
      more: Partial<Context> = {},
    ) =>
    async (...given: readonly Short<C>[]): Promise<void> => {
      for (const short of given) {
        await clock.advance(61_000);
        const done = await executor.execute(aggregate, stream, message<C>(short), {
          commandId: `c${++commands}`,
          actor: { id: 'test', role: 'system' },
          ...more,
        });
        assert.ok(done.ok && done.events.length > 0, `${short[0]} led to nothing`);
      }
    };
  const place = async (
    n: number,
    rate: number,
    change: Parameters<typeof placing>[0] = {},
    more: Partial<Context> = {},
  ) => {
    const data = placing({
      orderId: uuid(n),
      requestHash: `h${n}`,
      customerId: `c-${n % 2}`,
      shippingMinor: 600,
      lines: [line('1', 'MUG', 3, 1_200), line('2', 'LAMP', 2, 2_400)],
      taxRate: rate,
      ...change,
    });
    const taxed: OrderEventData['OrderPlaced'] = {
      ...data,
      totals: { ...data.totals, taxMinor: taxContained(data.totals.totalMinor, rate) },
    };
    const tell = on(orders, orderStream(uuid(n)), more);
    await tell(['PlaceOrder', taxed]);
    return { tell, totalMinor: data.totals.totalMinor };
  };
  const whole = [
    { lineId: '1', quantity: 3 },
    { lineId: '2', quantity: 2 },
  ] as const;
  const reserved = [
    'RecordStock',
    {
      lines: whole.map(({ lineId, quantity }) => ({ lineId, reserved: quantity, backordered: 0, short: 0 })),
    },
  ] as const;
  for (const sku of ['MUG', 'LAMP']) {
    await on(
      products,
      productStream(sku),
    )(['ListProduct', { sku, name: sku, priceMinor: 1_200, currency: 'GBP' }]);
    await on(stocks, stockStream(sku))(
      ['ReceiveGoods', { quantity: 50 }],
      ['ReserveUnits', { reservationId: `${uuid(1)}/1`, quantity: 3, onShortage: 'none' }],
    );
  }
  // Delivered, and a mug comes back.
  const sent = async (n: number, { tell, totalMinor }: Awaited<ReturnType<typeof place>>): Promise<void> =>
    tell(
      reserved,
      ['RecordAuthorization', { attempt: 1, authorizationId: `A${n}`, amountMinor: totalMinor }],
      ['RequestShipment', {}],
      ['RecordDispatch', { shipmentId: `${uuid(n)}-1`, parcelId: `P${n}`, lines: whole }],
      [
        'RecordCapture',
        { captureId: `C${n}`, authorizationId: `A${n}`, parcelId: `P${n}`, amountMinor: totalMinor },
      ],
      ['RecordDelivery', { shipmentId: `${uuid(n)}-1`, parcelId: `P${n}` }],
    );
  const first = await place(1, 0.2);
  await sent(1, first);
  await first.tell(
    ['RequestReturn', { returnId: 'R', lines: [{ lineId: '1', quantity: 1 }], reason: 'r' }],
    ['RecordReturnReceived', { returnId: 'R', lines: [{ lineId: '1', quantity: 1 }], restock: true }],
    ['RecordRefund', { refundId: 'return-R' }],
  );
  await sent(2, await place(2, 0, {}, { origin: 'import' }));
  await (
    await place(3, 0.25, {
      shippingMinor: 500,
      lines: [line('1', 'MUG', 3, 1_000), line('2', 'LAMP', 2, 1_000)],
    })
  ).tell(['CancelOrder', { reason: 'no' }]);
  const waiting = await place(4, 0.2, { onShortage: 'backorder', discountMinor: 1_200 });
  await waiting.tell(
    [
      'RecordStock',
      {
        lines: [
          { lineId: '1', reserved: 1, backordered: 2, short: 0 },
          { lineId: '2', reserved: 2, backordered: 0, short: 0 },
        ],
      },
    ],
    ['RecordBackorderFilled', { lineId: '1', quantity: 1 }],
  );
  await (
    await place(5, 0.2, { onShortage: 'cancelLines' })
  ).tell([
    'RecordStock',
    {
      lines: [
        { lineId: '1', reserved: 3, backordered: 0, short: 0 },
        { lineId: '2', reserved: 0, backordered: 0, short: 2 },
      ],
    },
  ]);
  const parked = {
    parkedId: 'p',
    consumer: 'payment',
    stream: orderStream(uuid(5)),
    eventId: 'e',
    eventType: 'OrderPlaced',
    revision: 0,
    attempts: 3,
    why: 'w',
  };
  await on(operationsLog, operationsStream(PLACED_AT))(['EventParked', parked]);
  return store;
};

/**
 * The same, as it would be had `old` orders been placed before version 2: chained anew, at the same
 * positions.
 */
const asBefore = async (store: EventStore, old: (stream: string) => boolean): Promise<EventStore> => {
  const before = memoryEventStore();
  const last = new Map<string, EventEnvelope>();
  for (const { stream, revision, position, ...event } of await allEvents(store)) {
    const { taxRate: _rate, ...data } = event.data as OrderEventData['OrderPlaced'];
    const then = event.type === 'OrderPlaced' && old(stream) ? { ...event, schema: 1, data } : event;
    const behind = last.get(stream);
    const chained = { ...then, meta: { ...then.meta, previousHash: behind ? hashOf(behind) : NO_HASH } };
    const done = await before.append(stream, revision === 0 ? 'none' : revision - 1, [chained]);
    assert.ok(done.ok && done.position === position);
    last.set(stream, { ...chained, stream, revision, position });
  }
  return before;
};

/** The rows of a view, folded a few events at a time as a projector does. */
const rowsOf = async (store: EventStore, projection: Projection<never>): Promise<readonly Row[]> => {
  const [reads, view] = [memoryReadStore(), viewName(projection)];
  await reads.make(view, projection);
  for (let from: Position | undefined; ;) {
    const page = await store.readAll(from, { categories: projection.categories, limit: 7 });
    if (page.scanned === undefined) break;
    const rows = await foldRows(projection, page.events, (id) => reads.row<never>(view, id));
    assert.is(await reads.commit(view, { from, rows, to: page.scanned }), 'committed');
    from = page.scanned;
    if (page.atTail) break;
  }
  const { rows, next } = await reads.scan(view, { limit: 10_000 });
  assert.is(next, null);
  return rows;
};

const HISTORIES: Readonly<Record<string, (stream: string) => boolean>> = {
  'old alone': () => true,
  'old and new': (stream) => /[135]$/.test(stream),
};
const replay = suite('replay over OrderPlaced 1 and 2');

for (const [name, old] of Object.entries(HISTORIES)) {
  for (const projection of projectionsOf('Europe/London'))
    replay(`${projection.name} has the same rows: ${name}`, async () => {
      const store = await newHistory();
      const rows = await rowsOf(store, projection);
      assert.ok(rows.length > 0, 'the history leaves no row in it: give it some event of this view');
      assert.equal(await rowsOf(await asBefore(store, old), projection), rows);
    });

  replay(`the chain holds, and every rule: ${name}`, async () => {
    const before = await asBefore(await newHistory(), old);
    const versions = (await allEvents(before))
      .filter(({ type }) => type === 'OrderPlaced')
      .map(({ schema }) => schema);
    assert.is(versions.filter((version) => version === 1).length, name === 'old alone' ? 5 : 3);
    const { streams, violations, first } = await checkStore(before, NO_PROGRESS);
    assert.equal([violations, first], [0, []]);
    assert.ok(streams > 5);
  });
}

replay('hashes are over what is stored, not over what it is read as', async () => {
  const [placed, next] = (await allEvents(await asBefore(await newHistory(), () => true))).filter(
    ({ stream }) => stream === orderStream(uuid(1)),
  );
  assert.ok(placed && next);
  if (!placed || !next) return;
  assert.is(next.meta.previousHash, hashOf(placed));
  assert.is.not(next.meta.previousHash, hashOf(orderEvent(placed)));
});

const SPOILT: readonly (readonly [what: string, change: object, schema: number, says: RegExp])[] = [
  ['data of version 1 with a field of version 2', { taxRate: 0.2 }, 1, /the data of OrderPlaced is invalid/],
  [
    'data of version 1 with a field that is wrong',
    { currency: 'pounds' },
    1,
    /the data of OrderPlaced is invalid: data\.currency/,
  ],
  [
    'data of version 2 without its rate',
    { taxRate: undefined },
    2,
    /the data of OrderPlaced is invalid: data\.taxRate/,
  ],
  ['a version that never was', {}, 0, /OrderPlaced has no upcaster from version 0/],
];
for (const [what, change, schema, says] of SPOILT)
  replay(`check finds ${what}`, async () => {
    const store = await asBefore(await newHistory(), () => true);
    const spoilt: EventStore = {
      ...store,
      async *readStream(stream, range) {
        for await (const event of store.readStream(stream, range))
          yield categoryOf(stream) === 'order' && event.revision === 0
            ? { ...event, schema, data: { ...(event.data as object), ...change } }
            : event;
      },
    };
    const { first } = await checkStore(spoilt, NO_PROGRESS);
    assert.ok(
      first.some(({ revision, sentence }) => revision === 0 && says.test(sentence)),
      first.map(({ sentence }) => sentence).join('\n'),
    );
  });
replay.run();

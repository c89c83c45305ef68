import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import type { EventEnvelope, Message, NewEvent } from '../../domain/kernel.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { hashOf, NO_HASH } from '../../runtime/command/chain.ts';
import { checkStore } from '../../scripts/check/check-store.ts';
import { NO_PROGRESS } from '../../scripts/cli/progress.ts';
import { allEvents, csv, world } from './world.ts';

const test = suite('check');

const check = async (store: EventStore) => {
  const report = await checkStore(store, NO_PROGRESS);
  return {
    ...report,
    said: report.first.map(({ stream, revision, sentence }) => `${stream}@${revision}: ${sentence}`),
  };
};

/** Events of one stream as a store that knows no rules would have taken them. */
const raw = async (
  store: EventStore,
  stream: string,
  events: readonly (Message & Partial<{ at: string; previousHash: string; schema: number }>)[],
): Promise<void> => {
  let before: EventEnvelope | undefined;
  for (const [revision, { type, data, at, previousHash, schema = 1 }] of events.entries()) {
    const event: NewEvent = {
      id: `00000000-0000-8000-8000-${String(revision).padStart(12, '0')}`,
      type,
      data,
      schema,
      meta: {
        at: at ?? '2026-01-01T00:00:00.000Z',
        recordedAt: '2026-01-01T00:00:00.000Z',
        origin: 'live',
        actor: { id: 'x', role: 'system' },
        commandId: `c${revision}`,
        correlationId: stream,
        causationId: 'x',
        previousHash: previousHash ?? (before ? hashOf(before) : NO_HASH),
      },
    };
    const done = await store.append(stream, revision === 0 ? 'none' : revision - 1, [event]);
    assert.ok(done.ok);
    if (done.ok) before = { ...event, stream, revision, position: done.position };
  }
};

const listed = {
  type: 'ProductListed',
  data: { sku: '10001', name: 'MUG', priceMinor: 255, currency: 'GBP' },
};
const received = { type: 'GoodsReceived', data: { quantity: 5 } };

test('an empty store and a sound one', async () => {
  assert.equal((await check(memoryEventStore())).streams, 0);
  const here = world();
  await here.run(here.file('shop.csv', csv({ quantity: 3 }, { invoice: 'C500002', quantity: -1 })));
  await raw(here.store, 'customer-17850', [{ type: 'SomethingNew', data: {} }]);
  const { streams, events, violations, categories } = await check(here.store);
  assert.equal([streams, events, violations], [4, (await allEvents(here.store)).length, 0]);
  assert.equal(
    categories,
    { order: 1, product: 1, stock: 1, customer: 1 },
    'a category that is not known is counted',
  );
  here.end();
});

const BROKEN: readonly (readonly [
  what: string,
  stream: string,
  events: Parameters<typeof raw>[2],
  says: RegExp,
])[] = [
  [
    'a hash that is not',
    'stock-10001',
    [received, { ...received, previousHash: 'f'.repeat(64) }],
    /^stock-10001@1: previousHash is not the hash of revision 0/,
  ],
  [
    'a first hash that is not',
    'stock-10001',
    [{ ...received, previousHash: 'f'.repeat(64) }],
    /@0: previousHash of the first event/,
  ],
  [
    'time that goes back',
    'stock-10001',
    [received, { ...received, at: '2025-01-01T00:00:00.000Z' }],
    /@1: it happened at 2025/,
  ],
  [
    'data that its schema does not have',
    'product-10001',
    [{ ...listed, data: { ...listed.data, priceMinor: -1 } }],
    /@0: the data of ProductListed is invalid: data.priceMinor/,
  ],
  [
    'data with a field too many',
    'stock-10001',
    [{ ...received, data: { quantity: 5, colour: 'red' } }],
    /@0: the data of GoodsReceived is invalid/,
  ],
  [
    'a type that is not known',
    'stock-10001',
    [{ type: 'GoodsStolen', data: {} }],
    /@0: it cannot be folded: event type GoodsStolen/,
  ],
  [
    'a version of later',
    'stock-10001',
    [{ ...received, schema: 9 }],
    /@0: it cannot be folded: GoodsReceived has version 9/,
  ],
  ['a product under a wrong name', 'product-10002', [listed], /@0: the product calls itself 10001/],
  [
    'stock that is free while others wait',
    'stock-10001',
    [{ type: 'UnitsBackordered', data: { reservationId: 'a/1', quantity: 2 } }, received],
    /@1: 5 are free while 2 wait/,
  ],
  [
    'an order that begins with something else',
    'order-1',
    [{ type: 'OrderConfirmed', data: {} }],
    /order-1@0: /,
  ],
];
for (const [what, stream, events, says] of BROKEN)
  test(`finds ${what}`, async () => {
    const store = memoryEventStore();
    await raw(store, stream, events);
    const { said, violations } = await check(store);
    assert.ok(violations > 0);
    assert.ok(
      said.some((line) => says.test(line)),
      said.join('\n'),
    );
  });

/** A store whose streams were altered behind its back. */
const altered = (
  store: EventStore,
  alter: (event: EventEnvelope) => EventEnvelope | undefined,
): EventStore => ({
  ...store,
  async *readStream(stream, range) {
    for await (const event of store.readStream(stream, range)) {
      const changed = alter(event);
      if (changed) yield changed;
    }
  },
});

const ALTERED: readonly (readonly [
  what: string,
  alter: (event: EventEnvelope) => EventEnvelope | undefined,
  says: RegExp,
])[] = [
  [
    'an amount that was changed',
    (event) =>
      event.type === 'PaymentCaptured'
        ? { ...event, data: { ...(event.data as object), amountMinor: 1 } }
        : event,
    /previousHash is not the hash of revision/,
  ],
  [
    'money that was captured beyond what was authorized',
    (event) =>
      event.type === 'PaymentCaptured'
        ? { ...event, data: { ...(event.data as object), amountMinor: 99_999 } }
        : event,
    /captured 99999 of 765 authorized/,
  ],
  [
    'units that do not add up',
    (event) =>
      event.type === 'ShipmentDispatched'
        ? { ...event, data: { ...(event.data as object), lines: [{ lineId: '1', quantity: 4 }] } }
        : event,
    /line 1: ordered 3 ≠/,
  ],
  [
    'an event that is missing',
    (event) => (event.type === 'PaymentAuthorized' ? undefined : event),
    /revision 3 stands where 2 should/,
  ],
  [
    'a last event that is missing',
    (event) => (event.type === 'OrderClosed' ? undefined : event),
    /it holds \d+ events; the streams that begin at revision 0 hold \d+/,
  ],
  [
    'actors that were changed',
    (event) =>
      event.type === 'OrderConfirmed'
        ? { ...event, meta: { ...event.meta, actor: { id: 'nobody', role: 'system' } } }
        : event,
    /previousHash is not the hash/,
  ],
];
for (const [what, alter, says] of ALTERED)
  test(`finds ${what}`, async () => {
    const here = world();
    await here.run(here.file('shop.csv', csv({ quantity: 3 })));
    assert.is((await check(here.store)).violations, 0);
    const { said } = await check(altered(here.store, alter));
    assert.ok(
      said.some((line) => says.test(line)),
      said.join('\n'),
    );
    here.end();
  });

test('what is appended while it reads is left for the next time', async () => {
  const here = world();
  await here.run(here.file('shop.csv', csv({ quantity: 3 })));
  const events = (await allEvents(here.store)).length;
  let appended = false;
  const live: EventStore = {
    ...here.store,
    async readAll(after, options) {
      if (!appended)
        await raw(here.store, 'stock-99999', [received, { ...received, previousHash: 'f'.repeat(64) }]);
      appended = true;
      return here.store.readAll(after, options);
    },
  };
  const report = await check(live);
  assert.equal([report.events, report.violations], [events, 0]);
  assert.is((await check(here.store)).violations, 1);
  here.end();
});

test.run();

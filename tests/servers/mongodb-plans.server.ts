/** Every question that a shop asks its MongoDB while it runs, and whether an index answers it. */
import { rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Collection } from 'mongodb';
import { systemClock } from '../../adapters/system.ts';
import { eventually } from '../flow/client.ts';
import { newFolder, openShop } from '../flow/shop.ts';
import { isAnswered, looksAtAll, notingQueries } from './mongodb-queries.ts';
import { startMongoDb } from './mongodb-server.ts';

const server = await startMongoDb();
const test = suite('mongodb: plans');
test.after(() => server.close());

const DAY_MS = 86_400_000;
/** Few documents, all of them wanted: one for each build of a view, and one for each view. */
const SMALL = new Set(['builds', 'active']);
const byKind = (collection: string): string => collection.replace(/~.*$/, '');

test('the fields asked for and the order asked for are those of an index', () => {
  const indexes = [{ key: { _id: 1 } }, { key: { a: 1, b: 1, _id: 1 } }];
  const answered = (filter: object, sort: object = {}): boolean => isAnswered({ filter, sort }, indexes);
  assert.ok(answered({ _id: 'x', c: 3 }));
  assert.ok(answered({ a: 1, b: { $gte: '' } }, { b: 1, _id: 1 }));
  assert.ok(
    answered(
      {
        $or: [
          { a: 1, b: { $gt: 1 } },
          { a: 1, b: 1, _id: { $gt: 'x' } },
        ],
      },
      { b: 1, _id: 1 },
    ),
  );
  assert.ok(answered({ a: { $gt: 1 } }, { a: -1, b: -1, _id: -1 }));
  assert.not(answered({}));
  assert.not(answered({ b: 1 }));
  assert.not(answered({ c: 1 }, { _id: 1 }));
  assert.not(answered({ a: 1 }, { _id: 1 }));
  assert.not(answered({ a: { $ne: 1 } }));
  assert.not(answered({ $or: [{ a: 1 }, { c: 1 }] }));
});

test('whatever the API, consumers and views ask is answered by an index', async () => {
  const folder = newFolder();
  const queries = notingQueries();
  try {
    const shop = await openShop(folder, { MONGODB_URL: server.url, SIM_PAYMENT_FAILURE_RATE: '0.3' });
    for (const sku of ['MUG', 'POT']) await shop.product(sku, 100);
    const { orderId, number } = await shop.place([
      { sku: 'MUG', quantity: 1 },
      { sku: 'POT', quantity: 2 },
    ]);
    for (let n = 0; n < 3; n++) await shop.place([{ sku: 'MUG', quantity: 1 }]);
    await shop.closed(orderId);
    await eventually(
      'the view has it',
      async () => (await shop.call('GET', `/orders/${orderId}`, { as: 'operator' })).body.source === 'view',
    );
    const nowMs = systemClock.now().getTime();
    const [from, to] = [-DAY_MS, DAY_MS].map((ms) => new Date(nowMs + ms).toISOString());
    const lists: Readonly<Record<string, readonly string[]>> = {
      operator: [
        `/orders`,
        `/orders?status=delivered`,
        `/orders?customer=ada`,
        `/orders?customer=ada&status=delivered`,
        `/orders?sku=MUG`,
        `/orders?sku=MUG&from=${from}&to=${to}`,
        `/orders?number=${number}`,
        `/stock`,
        `/customers/ada`,
        `/customers/ada/orders`,
        `/analytics/sales?by=day&from=${from}&to=${to}`,
        `/analytics/products?from=${from}&to=${to}`,
        `/analytics/funnel?from=${from}&to=${to}`,
        `/ops/consumers`,
        `/ops/projections`,
        `/ops/parked`,
        `/ops/parked?consumer=payment`,
        `/ops/parked?stream=order-${orderId}`,
        `/ops/parked?type=OrderPlaced`,
        `/ops/processes`,
        `/ops/forward`,
      ],
      auditor: [
        `/audit/events`,
        `/audit/events?actor=ada`,
        `/audit/events?type=OrderPlaced`,
        `/audit/events?order=${orderId}`,
        `/audit/events?from=${from}&to=${to}`,
      ],
      'customer:ada': [`/orders`, `/catalogue`, `/catalogue?search=m`],
    };
    for (const [as, paths] of Object.entries(lists))
      for (const path of paths) {
        const first = await shop.call('GET', `${path}${path.includes('?') ? '&' : '?'}limit=1`, { as });
        const page = first.status === 422 ? await shop.call('GET', path, { as }) : first;
        assert.is(page.status, 200, `${path}: ${page.text}`);
        const { nextCursor } = page.body;
        if (!nextCursor) continue;
        const next = `${path}${path.includes('?') ? '&' : '?'}limit=1&cursor=${encodeURIComponent(nextCursor)}`;
        assert.is((await shop.call('GET', next, { as })).status, 200, next);
      }
    // Before what was asked for is gone with the shop.
    queries.stop();
    const checked = new Set<string>();
    const unanswered: string[] = [];
    for (const { collection, filter, sort } of queries.asked) {
      const kind = byKind(collection.collectionName);
      const what = `${kind} ${shapeOf(filter)} ${JSON.stringify(sort)}`;
      if (checked.has(what) || (SMALL.has(kind) && Object.keys(filter).length === 0)) continue;
      checked.add(what);
      const answered = isAnswered({ filter, sort }, await indexesOf(collection));
      const plan =
        answered && !server.process
          ? await collection.find(filter).sort(sort).explain('queryPlanner')
          : undefined;
      if (!answered || (plan && looksAtAll(plan))) unanswered.push(what);
    }
    await shop.close();
    assert.equal(unanswered, []);
    assert.ok(checked.size >= 60, `${checked.size} kinds of questions`);
    console.log(`\nNOTE ${checked.size} kinds of questions to MongoDB, each answered by an index`);
  } finally {
    queries.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** What a filter asks for, whatever the values. */
const shapeOf = (filter: unknown): string =>
  JSON.stringify(filter, (key, value: unknown) =>
    typeof value === 'object' && value !== null && !key.startsWith('$in') ? value : '?',
  );
const known = new Map<string, ReturnType<Collection['indexes']>>();
const indexesOf = (collection: Collection) => {
  const { namespace } = collection;
  let found = known.get(namespace);
  // One that nothing was written to yet is not there, and would have the index of ids.
  const ofIds = (): Awaited<typeof found & object> => [{ key: { _id: 1 }, name: '_id_', v: 2 }];
  if (!found) known.set(namespace, (found = collection.indexes().catch(ofIds)));
  return found;
};
test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startApi, type Harness } from './harness.ts';

const withApi = (run: (api: Harness) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    await api.product('MUG-RED', 'Red mug', 1_000);
    await api.product('LAMP', 'Lamp', 4_000);
    await run(api);
  } finally {
    await api.close();
  }
};
const MUG = [{ sku: 'MUG-RED', quantity: 2 }];
const LAMP = [{ sku: 'LAMP', quantity: 1 }];
const ids = (answer: { body: { items: { orderId: string }[] } }): string[] =>
  answer.body.items.map(({ orderId }) => orderId);

const one = suite('one order');

one(
  'the status document, for its customer, operators and auditors',
  withApi(async (api) => {
    const { orderId, number } = await api.place(MUG);
    for (const as of ['customer:ada', 'operator', 'auditor']) {
      const { status, body, headers } = await api.call('GET', `/orders/${orderId}?atLeast=0`, { as });
      assert.is(status, 200);
      assert.equal(
        [body.orderId, body.number, body.customerId, body.status, body.source],
        [orderId, number, 'ada', 'placed', 'view'],
      );
      assert.equal(
        body.steps.map(({ step }: { step: string }) => step),
        ['stock', 'payment', 'shipment', 'delivery'],
      );
      assert.is(body.contact.email, 'ada@example.org');
      assert.is(body.shippingAddress.postcode, 'SW1Y 4JH');
      assert.is(headers.get('etag'), '"0"');
    }
  }),
);

one(
  "a customer sees no other's order, and nobody one that is not there",
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    const other = '01890000-0000-8000-8000-000000000000';
    for (const path of ['', '/history', '?revision=0', '?atLeast=5']) {
      const theirs = await api.call('GET', `/orders/${orderId}${path}`, { as: 'customer:bob' });
      assert.equal([theirs.status, theirs.body.code], [403, 'not_your_order'], path);
      for (const id of [other, 'x', '%2f..']) {
        const none = await api.call('GET', `/orders/${id}${path}`, { as: 'operator' });
        assert.equal([none.status, none.body.code], [404, 'order_not_found'], path);
      }
    }
  }),
);

one(
  'atLeast waits for the view, which says so; past the wait the stream is read',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    await api.settled();
    await api.pauseViews();
    const cancelled = await api.call('POST', `/orders/${orderId}/cancel`, {
      as: 'customer:ada',
      body: { reason: 'no' },
    });
    const { revision } = cancelled.body;
    const get = (query: string, wait?: number) =>
      api.call('GET', `/orders/${orderId}${query}`, {
        as: 'customer:ada',
        ...(wait === undefined ? {} : { headers: { prefer: `respond-async, wait=${wait}` } }),
      });
    const old = await get('');
    assert.equal([old.body.revision, old.body.source], [0, 'view']);
    const streamed = await get(`?atLeast=${revision}`, 0);
    assert.equal(
      [streamed.body.revision, streamed.body.source, streamed.body.status],
      [revision, 'stream', 'cancelled'],
    );
    const waiting = get(`?atLeast=${revision}`, 30);
    api.resumeViews();
    const seen = await waiting;
    assert.equal([seen.body.revision, seen.body.source], [revision, 'view']);
  }),
);

one(
  'an order that the view lacks is read from its stream',
  withApi(async (api) => {
    await api.pauseViews();
    const { orderId } = await api.place(MUG);
    const { body } = await api.call('GET', `/orders/${orderId}`, { as: 'customer:ada' });
    assert.equal([body.source, body.revision], ['stream', 0]);
    assert.is(body.position, await api.deps.store.tail());
    assert.is(body.contact.name, 'Ada Lovelace');
  }),
);

one(
  'as it was: by revision and by time, 404 before it was placed',
  withApi(async (api) => {
    const before = api.deps.clock.now().toISOString();
    api.moveOn(60_000);
    const { orderId } = await api.place(MUG);
    const placed = api.deps.clock.now().toISOString();
    api.moveOn(60_000);
    await api.confirm(orderId);
    const get = (query: string) => api.call('GET', `/orders/${orderId}?${query}`, { as: 'customer:ada' });
    assert.is((await get('atLeast=1')).body.status, 'confirmed');
    assert.equal(
      [(await get('revision=0')).body.status, (await get('revision=0')).body.source],
      ['placed', 'stream'],
    );
    assert.is((await get(`asOf=${placed}`)).body.revision, 0);
    assert.is((await get(`asOf=${api.deps.clock.now().toISOString()}`)).body.status, 'confirmed');
    assert.is((await get(`asOf=${before}`)).status, 404);
    assert.equal((await get('revision=99')).body.code, 'revision_not_found');
    for (const query of [
      'revision=-1',
      'revision=1.5',
      'revision=',
      'asOf=yesterday',
      'atLeast=x',
      'atLeast=1&atLeast=2',
      'revision=0&atLeast=0',
      'at=1',
    ])
      assert.equal((await get(query)).body.code, 'invalid_request', query);
  }),
);

one(
  'If-None-Match answers 304 while nothing has changed',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    await api.settled();
    const get = (etag: string) =>
      api.call('GET', `/orders/${orderId}`, { as: 'customer:ada', headers: { 'if-none-match': etag } });
    assert.is((await get('"0"')).status, 304);
    assert.is((await get('"7", W/"0"')).status, 304);
    assert.is((await get('"1"')).status, 200);
  }),
);

one(
  'erased personal data reads so; address and contact that were never known are null',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    await api.deps.vault.erase('ada');
    const { body } = await api.call('GET', `/orders/${orderId}?atLeast=0`, { as: 'operator' });
    assert.equal([body.contact, body.shippingAddress], ['[erased]', '[erased]']);
    const history = await api.call('GET', `/orders/${orderId}/history`, { as: 'operator' });
    assert.is(history.body.items[0].data.contact, '[erased]');
  }),
);
one.run();

const history = suite('history');

history(
  'from revision 0, chained by hash, in pages',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    await api.confirm(orderId);
    const all = await api.call('GET', `/orders/${orderId}/history`, { as: 'auditor' });
    const items = all.body.items as {
      type: string;
      revision: number;
      hash: string;
      position: string;
      meta: { previousHash: string };
    }[];
    assert.equal(
      items.map(({ revision }) => revision),
      items.map((_, index) => index),
    );
    assert.equal(
      items.map(({ type }) => type),
      ['OrderPlaced', 'StockReserved', 'PaymentAuthorized', 'OrderConfirmed'],
    );
    assert.is(all.body.nextCursor, null);
    for (const [index, { meta }] of items.entries())
      assert.is(meta.previousHash, index === 0 ? '0'.repeat(64) : items[index - 1]?.hash);
    const paged: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await api.call(
        'GET',
        `/orders/${orderId}/history?limit=3${cursor ? `&cursor=${cursor}` : ''}`,
        { as: 'auditor' },
      );
      assert.ok(body.items.length <= 3);
      paged.push(...body.items.map(({ type }: { type: string }) => type));
      cursor = body.nextCursor;
    }
    assert.equal(
      paged,
      items.map(({ type }) => type),
    );
    const bad = await api.call('GET', `/orders/${orderId}/history?cursor=x`, { as: 'auditor' });
    assert.equal([bad.status, bad.body.code], [400, 'invalid_cursor']);
    assert.is((await api.call('GET', `/orders/${orderId}/history?limit=201`, { as: 'auditor' })).status, 422);
  }),
);

history(
  'customers read what is theirs, auditors what is stored',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    await api.call('POST', `/orders/${orderId}/hold`, { as: 'operator', body: { reason: 'looks odd' } });
    const itemsFor = async (as: string) =>
      (await api.call('GET', `/orders/${orderId}/history`, { as })).body.items;
    const [mine, stored, operators] = [
      await itemsFor('customer:ada'),
      await itemsFor('auditor'),
      await itemsFor('operator'),
    ];
    assert.is(mine[0].data.contact.email, 'ada@example.org');
    assert.is(operators[0].data.shippingAddress.city, 'London');
    assert.equal([mine[0].data.requestHash, mine[0].data.payment], [undefined, { method: 'card' }]);
    assert.is(stored[0].data.contact.subject, 'ada');
    assert.match(stored[0].data.requestHash, /^[0-9a-f]+$/);
    assert.equal(mine[0].meta.actor, { id: 'ada', role: 'customer' });
    assert.equal(
      mine.map(({ hash }: { hash: string }) => hash),
      stored.map(({ hash }: { hash: string }) => hash),
    );
  }),
);
history.run();

const lists = suite('lists');

lists(
  'own orders, newest first; operators and auditors see all, by each filter',
  withApi(async (api) => {
    const placed: Record<string, string> = {};
    for (const [name, customer, wanted] of [
      ['a', 'ada', MUG],
      ['b', 'bob', LAMP],
      ['c', 'ada', LAMP],
      ['d', 'ada', MUG],
    ] as const) {
      placed[name] = (await api.place(wanted, { customer })).orderId;
      api.moveOn(60_000);
    }
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => placed[name] ?? '');
    await api.call('POST', `/orders/${a}/cancel`, { as: 'operator', body: { reason: 'test' } });
    await api.settled();
    const list = async (as: string, query = '') => ids(await api.call('GET', `/orders${query}`, { as }));
    assert.equal(await list('customer:ada'), [d, c, a]);
    assert.equal(await list('customer:bob'), [b]);
    assert.equal(await list('customer:eve'), []);
    assert.equal(await list('customer:ada', '?status=cancelled'), [a]);
    for (const as of ['operator', 'auditor']) {
      assert.equal(await list(as), [d, c, b, a]);
      assert.equal(await list(as, '?customer=ada'), [d, c, a]);
      assert.equal(await list(as, '?customer=ada&status=placed'), [d, c]);
      assert.equal(await list(as, '?customer=ada&sku=LAMP'), [c]);
      assert.equal(await list(as, '?sku=LAMP'), [c, b]);
      assert.equal(await list(as, '?status=placed'), [d, c, b]);
      assert.equal(await list(as, '?sku=MUG-RED&status=cancelled'), [a]);
    }
    const {
      body: { number, placedAt },
    } = await api.call('GET', `/orders/${c}`, { as: 'operator' });
    assert.equal(await list('operator', `?number=${number.toLowerCase()}`), [c]);
    assert.equal(await list('operator', `?number=${number}&customer=bob`), []);
    assert.equal(await list('operator', `?from=${placedAt}`), [d, c]);
    assert.equal(await list('operator', `?to=${placedAt}`), [b, a]);
    assert.equal(await list('operator', `?from=${placedAt}&to=${placedAt}`), []);
    const summary = (await api.call('GET', '/orders?limit=1', { as: 'operator' })).body.items[0];
    assert.equal([summary.contact, summary.shippingAddress, summary.source], [undefined, undefined, 'view']);
  }),
);

lists(
  'customers cannot filter by others, bad filters and cursors are refused',
  withApi(async (api) => {
    await api.place(MUG);
    for (const query of [
      'customer=bob',
      'sku=LAMP',
      'number=0123456789AB',
      'from=2026-01-01',
      'to=2026-01-01',
    ])
      assert.equal(
        (await api.call('GET', `/orders?${query}`, { as: 'customer:ada' })).body.code,
        'forbidden',
        query,
      );
    for (const query of [
      'status=lost',
      'limit=0',
      'limit=201',
      'limit=5.0',
      'limit=+5',
      'from=noon',
      'number=short',
      'nonsense=1',
      'status=placed&status=held',
    ])
      assert.equal(
        (await api.call('GET', `/orders?${query}`, { as: 'operator' })).body.code,
        'invalid_request',
        query,
      );
    for (const cursor of ['x', 'placed:x', 'customer:e30', 'placed:'])
      assert.equal(
        (await api.call('GET', `/orders?cursor=${cursor}`, { as: 'operator' })).body.code,
        'invalid_cursor',
        cursor,
      );
  }),
);

lists(
  "cursors are stable while orders come, and no customer's cursor shows another's orders",
  withApi(async (api) => {
    const expected: string[] = [];
    for (let n = 0; n < 7; n++) {
      expected.unshift((await api.place(MUG)).orderId);
      api.moveOn(1_000);
    }
    await api.place(LAMP, { customer: 'bob' });
    await api.settled();
    const found: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const answer = await api.call(
        'GET',
        `/orders?limit=3${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
        { as: 'customer:ada' },
      );
      found.push(...ids(answer));
      cursor = answer.body.nextCursor;
      api.moveOn(1_000);
      await api.place(MUG);
      await api.settled();
    }
    assert.equal(found, expected);
    const {
      body: { nextCursor },
    } = await api.call('GET', '/orders?limit=3', { as: 'customer:ada' });
    const theirs = await api.call('GET', `/orders?cursor=${encodeURIComponent(nextCursor)}`, {
      as: 'customer:bob',
    });
    assert.is(theirs.body.code, 'invalid_cursor');
  }),
);
lists.run();

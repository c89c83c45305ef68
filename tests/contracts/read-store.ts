import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Position } from '../../domain/kernel.ts';
import type { Find, KeyPart, ReadStore, Row, Scan } from '../../ports/read-store.ts';

export type Made = Readonly<{ store: ReadStore; close(): Promise<void> }>;
const VIEW = 'orders@1+1';
export const at = (n: number): Position => String(n).padStart(16, '0') as Position;
export const row = (id: string, keys: Row['keys'], doc: unknown = { id }, n = 1): Row => ({
  id,
  doc,
  keys,
  at: at(n),
});

/** Ids in the order found, over pages of `limit` (all in one page by default). */
const found = async (
  store: ReadStore,
  query: Omit<Find, 'limit'> & { limit?: number },
  view = VIEW,
): Promise<string> => {
  const ids: string[] = [];
  for (let after: string | undefined; ;) {
    const page = await store.find(view, { limit: 100, ...query, ...(after === undefined ? {} : { after }) });
    ids.push(...page.rows.map(({ id }) => id));
    if (page.next === null) return ids.join(' ');
    after = page.next;
  }
};

/** What every read store must do. */
export const readStoreContract = (name: string, make: () => Promise<Made>): void => {
  const test = suite<{ made: Made; store: ReadStore }>(`read store: ${name}`);
  test.before.each(async (context) => {
    context.made = await make();
    context.store = context.made.store;
  });
  test.after.each(({ made }) => made.close());

  test('keeps rows as JSON keeps them, and removes them', async ({ store }) => {
    assert.is(await store.get(VIEW, 'a'), undefined);
    await store.commit(
      VIEW,
      undefined,
      [row('a', {}, { n: 1, gone: undefined, list: [1, null], text: 'ä🛒' }), row('b', {})],
      at(1),
    );
    assert.equal(await store.get(VIEW, 'a'), { n: 1, list: [1, null], text: 'ä🛒' });
    assert.is(await store.get('orders@1+2', 'a'), undefined, 'a view apart');
    await store.commit(VIEW, at(1), [row('a', {}, null), row('never', {}, null)], at(2));
    assert.is(await store.get(VIEW, 'a'), undefined);
    assert.equal(await store.get(VIEW, 'b'), { id: 'b' });
  });

  test('commits rows and checkpoint together, or nothing', async ({ store }) => {
    assert.is(await store.checkpoint(VIEW), undefined);
    assert.is(await store.commit(VIEW, at(1), [row('a', {})], at(2)), 'stale');
    assert.is(await store.commit(VIEW, undefined, [row('a', {})], at(2)), 'committed');
    assert.is(await store.commit(VIEW, undefined, [row('a', {}, { late: true })], at(3)), 'stale');
    assert.is(await store.checkpoint(VIEW), at(2));
    assert.equal(await store.get(VIEW, 'a'), { id: 'a' });
    const outcomes = await Promise.all(
      [1, 2, 3].map((n) => store.commit(VIEW, at(2), [row('a', {}, { n })], at(10 + n))),
    );
    assert.equal(outcomes.filter((outcome) => outcome === 'committed').length, 1, 'one of three at once');
    assert.equal(await store.get(VIEW, 'a'), { n: outcomes.indexOf('committed') + 1 });
  });

  test('finds by prefix, in order of the next part, with bounds, both ways', async ({ store }) => {
    const keys = (...parts: KeyPart[]) => ({ by: [parts] });
    await store.commit(
      VIEW,
      undefined,
      [
        row('r1', keys('cust', '2026-01-03')),
        row('r2', keys('cust', '2026-01-01')),
        row('r3', keys('cust', '2026-01-02', 'x')),
        row('r4', keys('cust', '2026-01-02')),
        row('r0', keys('cust', '2026-01-02')),
        row('r5', keys('customer', '2026-01-01')),
        row('r6', keys('cust')),
      ],
      at(1),
    );
    const query = { index: 'by', prefix: ['cust'] };
    assert.is(await found(store, query), 'r6 r2 r0 r4 r3 r1');
    assert.is(await found(store, { ...query, descending: true }), 'r1 r3 r4 r0 r2 r6');
    assert.is(await found(store, { ...query, from: '2026-01-02' }), 'r0 r4 r3 r1');
    assert.is(await found(store, { ...query, from: '2026-01-02', to: '2026-01-03' }), 'r0 r4 r3');
    assert.is(
      await found(store, { ...query, from: '2026-01-02', to: '2026-01-03', descending: true }),
      'r3 r4 r0',
    );
    assert.is(await found(store, { ...query, to: '2026-01-02' }), 'r6 r2');
    assert.is(await found(store, { index: 'by', prefix: ['cust', '2026-01-02'] }), 'r0 r4 r3');
    assert.is(await found(store, { index: 'by', prefix: [] }), 'r6 r2 r0 r4 r3 r1 r5');
    assert.is(await found(store, { index: 'none', prefix: [] }), '');
    for (const limit of [1, 2, 5]) {
      assert.is(await found(store, { ...query, limit }), 'r6 r2 r0 r4 r3 r1', `pages of ${limit}`);
      assert.is(
        await found(store, { ...query, limit, from: '2026-01-02', descending: true }),
        'r1 r3 r4 r0',
        `pages of ${limit} down`,
      );
    }
  });

  test('orders numbers as numbers, before text, and text by its bytes', async ({ store }) => {
    const parts: KeyPart[] = [10, 9, -1, 0, 1.5, 'a', 'B', '10', 'ä', 'z', '', '🛒', '\uffee', 2 ** 40];
    await store.commit(
      VIEW,
      undefined,
      parts.map((part) => row(JSON.stringify(part), { by: [[part]] })),
      at(1),
    );
    assert.is(
      await found(store, { index: 'by', prefix: [] }),
      [-1, 0, 1.5, 9, 10, 2 ** 40, '', '10', 'B', 'a', 'z', 'ä', '\uffee', '🛒']
        .map((part) => JSON.stringify(part))
        .join(' '),
    );
    assert.is(
      await found(store, { index: 'by', prefix: [], from: 9, to: 'B' }),
      [9, 10, 2 ** 40, '', '10'].map((part) => JSON.stringify(part)).join(' '),
    );
  });

  test('a row is found under its present keys alone', async ({ store }) => {
    await store.commit(
      VIEW,
      undefined,
      [row('a', { state: [['open']], sku: [['x'], ['y']] }), row('b', { state: [['open']] })],
      at(1),
    );
    await store.commit(VIEW, at(1), [row('a', { state: [['shut']], sku: [['y'], ['z']] })], at(2));
    assert.is(await found(store, { index: 'state', prefix: ['open'] }), 'b');
    assert.is(await found(store, { index: 'state', prefix: ['shut'] }), 'a');
    assert.is(await found(store, { index: 'sku', prefix: [] }), 'a a');
    await store.commit(
      VIEW,
      at(2),
      [
        row('a', { state: [['kept']] }, null),
        row('b', { state: [['one']] }, 1),
        row('b', { state: [['two']] }, 2),
      ],
      at(3),
    );
    assert.is(await found(store, { index: 'sku', prefix: [] }), '');
    assert.is(
      await found(store, { index: 'state', prefix: [] }),
      'b',
      'a row twice in a commit: the last counts',
    );
    assert.is(await found(store, { index: 'state', prefix: ['two'] }), 'b');
  });

  test('a cursor is a place that outlives its row, and none but the query it came from', async ({
    store,
  }) => {
    const keyed = (id: string) => row(id, { by: [['p', id]] });
    await store.commit(VIEW, undefined, ['a', 'c', 'e', 'g'].map(keyed), at(1));
    const page = await store.find(VIEW, { index: 'by', prefix: ['p'], limit: 2 });
    assert.equal(
      page.rows.map(({ id, doc }) => [id, doc]),
      [
        ['a', { id: 'a' }],
        ['c', { id: 'c' }],
      ],
    );
    assert.is(page.next, page.rows[1]!.cursor);
    await store.commit(VIEW, at(1), [{ ...keyed('c'), doc: null }, keyed('b'), keyed('d')], at(2));
    const query: Find = { index: 'by', prefix: ['p'], limit: 10, after: page.next! };
    assert.equal(
      (await store.find(VIEW, query)).rows.map(({ id }) => id),
      ['d', 'e', 'g'],
    );
    assert.equal(
      (await store.find(VIEW, { ...query, descending: true })).rows.map(({ id }) => id),
      ['b', 'a'],
    );
    assert.is((await store.find(VIEW, { ...query, limit: 3 })).next, null, 'full, but nothing follows');
    for (const after of [
      'nonsense',
      Buffer.from('["q","a"]').toString('base64url'),
      Buffer.from('{}').toString('base64url'),
      '',
    ])
      assert.instance(
        await store.find(VIEW, { ...query, after }).catch((error: unknown) => error),
        RangeError,
        after,
      );
  });

  test('scans in the order of ids, by their bytes, with the checkpoint', async ({ store }) => {
    assert.equal(await store.scan(VIEW, { limit: 10 }), { rows: [], next: null, checkpoint: undefined });
    const ids = ['B', 'a', 'a/1', 'ab', 'b', 'z', 'ä', '\uffee', '🛒'];
    await store.commit(
      VIEW,
      undefined,
      [...ids].reverse().map((id, n) => row(id, { by: [['k', n], ['l']] }, { id, text: 'one\ntwo' }, n + 1)),
      at(9),
    );
    await store.commit('orders@1+11', undefined, [row('c', {})], at(3));
    const scanned = async (range: Omit<Scan, 'limit'>, limit = 100): Promise<string> => {
      const seen: string[] = [];
      for (let after = range.after; ;) {
        const page = await store.scan(VIEW, { ...range, ...(after === undefined ? {} : { after }), limit });
        assert.is(page.checkpoint, at(9));
        assert.ok(page.rows.length <= limit);
        seen.push(...page.rows.map(({ id }) => id));
        if (page.next === null) return seen.join(' ');
        after = page.next;
      }
    };
    for (const limit of [100, 1, 4, ids.length])
      assert.is(await scanned({}, limit), ids.join(' '), `pages of ${limit}`);
    assert.is(await scanned({ after: 'a', to: 'b' }), 'a/1 ab b', 'after is exclusive, to is inclusive');
    assert.is(await scanned({ after: 'a0', to: 'az' }, 1), 'ab', 'bounds that are no rows');
    assert.is(await scanned({ after: 'b', to: 'a' }), '');
    const [first] = (await store.scan(VIEW, { limit: 1 })).rows;
    assert.equal(
      first,
      row('B', { by: [['k', 8], ['l']] }, { id: 'B', text: 'one\ntwo' }, 9),
      'the whole row',
    );
    await store.commit(VIEW, at(9), [row('B', {}, { second: true }, 10), row('a', {}, null, 10)], at(10));
    assert.equal(await store.scan(VIEW, { limit: 1 }), {
      rows: [row('B', {}, { second: true }, 10)],
      next: 'B',
      checkpoint: at(10),
    });
    assert.equal(
      (await store.scan(VIEW, { after: 'B', limit: 1 })).rows.map(({ id }) => id),
      ['a/1'],
    );
  });

  test('tells of commits by this process to every build of a view, until it is stopped', async ({
    store,
  }) => {
    const heard: string[] = [];
    const stop = store.watch('orders', (view, rows, to) =>
      heard.push(
        `${view} ${rows.map((changed) => `${changed.id}:${Number(changed.at)}`).join('+')}@${Number(to)}`,
      ),
    );
    await store.commit(VIEW, undefined, [row('a', {}), row('b', {}, null, 2)], at(2));
    await store.commit(VIEW, undefined, [row('x', {})], at(2));
    await store.commit('orders@2(Europe/London)+7', undefined, [row('c', {}, {}, 4)], at(4));
    for (const other of ['other@1+1', 'orders-old@1+1', 'order@1+1'])
      await store.commit(other, undefined, [row('x', {})], at(2));
    await store.commit(VIEW, at(2), [], at(3));
    stop();
    await store.commit(VIEW, at(3), [row('d', {})], at(4));
    assert.equal(heard, ['orders@1+1 a:1+b:2@2', 'orders@2(Europe/London)+7 c:4@4', 'orders@1+1 @3']);
  });

  test('activates a build that has come as far as the active one', async ({ store }) => {
    const [first, second, third] = [VIEW, 'orders@2(Europe/London)+1', 'orders@1+2'];
    assert.is(await store.active('orders'), undefined);
    assert.is(await store.activate('orders', third), 'activated', 'where there is nothing to fold');
    assert.equal(await store.active('orders'), { view: third });
    await store.commit(first, undefined, [], at(10));
    await store.commit(second, undefined, [], at(9));
    assert.is(await store.activate('orders', first), 'activated');
    assert.equal(await store.active('orders'), { view: first, previous: third });
    assert.is(await store.activate('orders', second), 'behind');
    assert.is(await store.activate('orders', third), 'behind');
    assert.equal(await store.active('orders'), { view: first, previous: third });
    await store.commit(second, at(9), [], at(10));
    assert.is(await store.activate('orders', second), 'activated');
    assert.equal(await store.active('orders'), { view: second, previous: first });
    assert.is(await store.activate('orders', second), 'activated', 'once more changes nothing');
    assert.equal(await store.active('orders'), { view: second, previous: first });
    await store.commit(second, at(10), [], at(11));
    assert.is(await store.activate('orders', first), 'behind', 'the way back as well');
    await store.commit(first, at(10), [], at(11));
    assert.is(await store.activate('orders', first), 'activated');
    assert.equal(await store.active('orders'), { view: first, previous: second });
    assert.is(await store.active('order'), undefined);
  });

  test('lists the builds of a view', async ({ store }) => {
    assert.equal(await store.builds('orders'), []);
    for (const view of [VIEW, 'orders@2(Europe/London)+1', 'orders@10+1', 'orders-old@1+1', 'order@1+1'])
      await store.commit(view, undefined, [], at(5));
    await store.commit(VIEW, at(5), [], at(6));
    const builds = [...(await store.builds('orders'))].sort((a, b) => (a.view < b.view ? -1 : 1));
    assert.equal(builds, [
      { view: VIEW, checkpoint: at(6) },
      { view: 'orders@10+1', checkpoint: at(5) },
      { view: 'orders@2(Europe/London)+1', checkpoint: at(5) },
    ]);
    await store.drop('orders@10+1');
    assert.equal((await store.builds('orders')).length, 2);
  });

  test('drops a build, but never the active one', async ({ store }) => {
    const many = Array.from({ length: 2_500 }, (_, i) =>
      row(`r${i}`, {
        by: [[i]],
        also: [
          [i, 'a'],
          [i, 'b'],
          [i, 'c'],
          [i, 'd'],
        ],
      }),
    );
    const other = 'orders@1+11';
    await store.commit(VIEW, undefined, many, at(1));
    await store.commit(other, undefined, many.slice(0, 3), at(1));
    await store.activate('orders', VIEW);
    assert.instance(await store.drop(VIEW).catch((error: unknown) => error), RangeError);
    assert.is(await store.checkpoint(VIEW), at(1));
    assert.equal(await store.get(VIEW, 'r7'), { id: 'r7' });
    await store.activate('orders', other);
    await store.drop(VIEW);
    assert.equal(await store.active('orders'), { view: other }, 'what is gone is nothing to go back to');
    assert.equal(
      [
        await store.get(VIEW, 'r7'),
        await store.checkpoint(VIEW),
        await found(store, { index: 'by', prefix: [] }),
      ],
      [undefined, undefined, ''],
    );
    assert.equal((await store.scan(VIEW, { limit: 10 })).rows, []);
    assert.is(
      await found(store, { index: 'by', prefix: [] }, other),
      'r0 r1 r2',
      'a build whose name goes on',
    );
    assert.is(await store.activate('orders', VIEW), 'behind');
    assert.is(await store.commit(VIEW, at(1), [], at(2)), 'stale');
    assert.is(
      await store.commit(VIEW, undefined, many.slice(0, 1), at(1)),
      'committed',
      'the name is free again',
    );
    assert.is(await found(store, { index: 'also', prefix: [] }), 'r0 r0 r0 r0');
    await store.drop('never@1+1');
  });

  test.run();
};

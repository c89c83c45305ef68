import * as assert from 'uvu/assert';
import type { ChangeCursor, Find, ReadStore, Row, Scan } from '../../ports/read-store.ts';
import { until } from '../fake-clock.ts';
import { contract, type Make } from './making.ts';
import { buildsOfAView } from './view-builds.ts';
import { at, commit, found, row, SHAPE, VIEW } from './views.ts';
import { thrown } from '../thrown.ts';

/**
 * What every read store must do. The store's build VIEW is made, with SHAPE. `together`: rows and checkpoint are written
 * in one step, so that who loses a race has written nothing.
 */
export const readStoreContract = (
  name: string,
  make: Make<ReadStore>,
  { together = true }: Readonly<{ together?: boolean }> = {},
): void => {
  const { test, run } = contract<ReadStore>(`read store: ${name}`, async () => {
    const made = await make();
    await made.port.make(VIEW, SHAPE);
    return made;
  });

  test('keeps rows as JSON keeps them, and removes them', async (store) => {
    assert.is(await store.get(VIEW, 'a'), undefined);
    assert.is(await store.row(VIEW, 'a'), undefined);
    const doc = { n: 1, gone: undefined, list: [1, null], text: 'ä🛒\n' };
    await commit(store, 0, 1, [row('a', { customer: 'c', sku: ['x', 'y'] }, 1, doc), row('b', {})]);
    assert.equal(await store.get(VIEW, 'a'), { n: 1, list: [1, null], text: 'ä🛒\n' });
    assert.equal(await store.row(VIEW, 'a'), {
      ...row('a', { customer: 'c', sku: ['x', 'y'] }),
      doc: { n: 1, list: [1, null], text: 'ä🛒\n' },
    });
    await commit(store, 1, 2, [row('a', {}, 2, null), row('never', {}, 2, null)]);
    assert.is(await store.get(VIEW, 'a'), undefined);
    assert.equal(await store.row(VIEW, 'a'), row('a', {}, 2, null), 'what is left tells when');
    assert.equal(await store.get(VIEW, 'b'), { id: 'b' });
  });

  test('a build that is not made has nothing, and takes nothing', async (store) => {
    const other = 'orders@1+2';
    await commit(store, 0, 1, [row('a', { state: 'open' })]);
    assert.equal(
      [await store.get(other, 'a'), await store.checkpoint(other), await store.active('orders')],
      [undefined, undefined, undefined],
    );
    assert.is(await found(store, { index: 'state', prefix: [] }, other), '');
    assert.equal(await store.scan(other, { limit: 9 }), { rows: [], next: null, checkpoint: undefined });
    assert.is(await commit(store, 0, 1, [row('a', {})], other), 'stale');
    await store.make(other, SHAPE);
    await store.make(VIEW, SHAPE);
    assert.equal(await store.get(VIEW, 'a'), { id: 'a' }, 'making it again changes nothing');
  });

  test('commits rows and checkpoint together, or nothing', async (store) => {
    assert.is(await store.checkpoint(VIEW), undefined);
    assert.is(await commit(store, 1, 2, [row('a', {})]), 'stale');
    assert.is(await commit(store, 0, 2, [row('a', {})]), 'committed');
    assert.is(await commit(store, 0, 3, [row('a', {}, 3, { late: true })]), 'stale');
    assert.is(await store.checkpoint(VIEW), at(2));
    assert.equal(await store.get(VIEW, 'a'), { id: 'a' });
    const outcomes = await Promise.all(
      [3, 4, 5].map((n) => commit(store, 2, 10 + n, [row('a', {}, n, { n })])),
    );
    assert.equal(outcomes.filter((outcome) => outcome === 'committed').length, 1, 'one of three at once');
    const winner = outcomes.indexOf('committed') + 3;
    assert.is(await store.checkpoint(VIEW), at(10 + winner));
    if (together) assert.equal(await store.get(VIEW, 'a'), { n: winner });
  });

  test('a row is replaced by what is newer alone; of one id in a commit the last counts', async (store) => {
    await commit(store, 0, 5, [row('a', { state: 'five', day: '1', sku: ['x'] }, 5, 5), row('b', {}, 1, 1)]);
    await commit(store, 5, 6, [
      row('a', { state: 'four', day: '1', sku: ['y'] }, 4, 4),
      row('b', {}, 2, 2),
      row('b', {}, 6, 6),
    ]);
    assert.equal([await store.get(VIEW, 'a'), await store.get(VIEW, 'b')], [5, 6]);
    assert.is(await found(store, { index: 'state', prefix: ['five'] }), 'a');
    assert.is(await found(store, { index: 'sku', prefix: ['x'] }), 'a');
    assert.is(await found(store, { index: 'sku', prefix: ['y'] }), '');
    await commit(store, 6, 7, [row('a', {}, 5, null)]);
    assert.is(await store.get(VIEW, 'a'), 5, 'no removal that is older either');
  });

  test('a lower token than the highest so far writes nothing', async (store) => {
    const by = (token: number, n: number) =>
      store.commit(VIEW, {
        from: n === 1 ? undefined : at(n - 1),
        to: at(n),
        rows: [row('a', {}, n, n)],
        fence: { lease: 'view:orders', token },
      });
    assert.is(await by(2, 1), 'committed');
    assert.is(await by(1, 2), 'stale');
    assert.equal([await store.checkpoint(VIEW), await store.get(VIEW, 'a')], [at(1), 1]);
    assert.is(await by(3, 2), 'committed');
    assert.is(await by(2, 3), 'stale');
  });

  test('finds by prefix, in order of the next column, with bounds, both ways', async (store) => {
    const of = (id: string, customer: string, day?: string) =>
      row(id, { customer, ...(day === undefined ? {} : { day }) });
    await commit(store, 0, 1, [
      of('r1', 'cust', '2026-01-03'),
      of('r2', 'cust', '2026-01-01'),
      of('r4', 'cust', '2026-01-02'),
      of('r0', 'cust', '2026-01-02'),
      of('r5', 'customer', '2026-01-01'),
      of('r6', 'cust'),
    ]);
    const query = { index: 'customer', prefix: ['cust'] };
    assert.is(await found(store, query), 'r2 r0 r4 r1', 'one that lacks a column is not in the index');
    assert.is(await found(store, { ...query, descending: true }), 'r1 r4 r0 r2');
    assert.is(await found(store, { ...query, from: '2026-01-02' }), 'r0 r4 r1');
    const days = { from: '2026-01-02', to: '2026-01-03' };
    assert.is(await found(store, { ...query, ...days }), 'r0 r4');
    assert.is(await found(store, { ...query, ...days, descending: true }), 'r4 r0');
    assert.is(await found(store, { ...query, to: '2026-01-02' }), 'r2');
    assert.is(await found(store, { index: 'customer', prefix: ['cust', '2026-01-02'] }), 'r0 r4');
    assert.is(await found(store, { index: 'customer', prefix: [] }), 'r2 r0 r4 r1 r5');
    assert.is(await found(store, { index: 'customer', prefix: [], to: 'customer' }), 'r2 r0 r4 r1');
    for (const limit of [1, 2, 5]) {
      assert.is(await found(store, { ...query, limit }), 'r2 r0 r4 r1', `pages of ${limit}`);
      const down = { ...query, limit, from: '2026-01-02', descending: true };
      assert.is(await found(store, down), 'r1 r4 r0', `pages of ${limit} down`);
    }
    for (const wrong of [
      { index: 'none', prefix: [] },
      { index: 'sku', prefix: [] },
      { index: 'state', prefix: ['open', 'and more'] },
    ])
      assert.instance(await thrown(store.find(VIEW, { ...wrong, limit: 1 })), RangeError);
  });

  test('orders numbers as numbers and text by its bytes', async (store) => {
    const amounts = [10, 9, -1, 0, 2 ** 40];
    await commit(
      store,
      0,
      1,
      amounts.map((amount) => row(String(amount), { amount })),
    );
    assert.is(await found(store, { index: 'amount', prefix: [] }), '-1 0 9 10 1099511627776');
    assert.is(await found(store, { index: 'amount', prefix: [], from: 0, to: 10 }), '0 9');
    const texts = ['a', 'B', '10', 'ä', 'z', '', '🛒', '\uffee'];
    await commit(
      store,
      1,
      2,
      texts.map((state, n) => row(`t${n}`, { state }, 2, state)),
    );
    const { rows } = await store.find<string>(VIEW, { index: 'state', prefix: [], limit: 20 });
    assert.equal(
      rows.map(({ doc }) => doc),
      ['', '10', 'B', 'a', 'z', 'ä', '\uffee', '🛒'],
    );
  });

  test('a row is found under its present columns alone, once for each of several texts', async (store) => {
    await commit(store, 0, 1, [
      row('a', { state: 'open', day: '1', sku: ['x', 'y', 'x'] }),
      row('b', { state: 'open', day: '2', sku: ['x'] }),
      row('c', { sku: ['x'] }),
    ]);
    const every = { index: 'every-sku', prefix: [] };
    assert.is(await found(store, every), 'a b c a');
    for (const limit of [1, 2, 3]) assert.is(await found(store, { ...every, limit }), 'a b c a');
    assert.is(await found(store, { ...every, descending: true, limit: 1 }), 'a c b a');
    assert.is(await found(store, { ...every, from: 'x', to: 'y' }), 'a b c');
    assert.is(await found(store, { ...every, from: 'xx' }), 'a');
    assert.is(await found(store, { ...every, prefix: ['y'] }), 'a');
    assert.is(await found(store, { index: 'sku', prefix: ['x'] }), 'a b');
    assert.is(await found(store, { index: 'sku', prefix: ['x'], descending: true, limit: 1 }), 'b a');
    assert.is(await found(store, { index: 'sku', prefix: ['x', '2'] }), 'b');
    await commit(store, 1, 2, [row('a', { state: 'shut', day: '1', sku: ['y', 'z'] }, 2)]);
    assert.is(await found(store, { index: 'state', prefix: ['open'] }), 'b');
    assert.is(await found(store, { index: 'state', prefix: ['shut'] }), 'a');
    assert.is(await found(store, every), 'b c a a');
    assert.is(await found(store, { index: 'sku', prefix: ['z'] }), 'a');
    await commit(store, 2, 3, [row('a', { day: '3', sku: ['y'] }, 3), row('b', { day: '2', sku: [] }, 3)]);
    assert.is(await found(store, { index: 'sku', prefix: ['y'], from: '3' }), 'a', 'under the new day');
    assert.is(await found(store, { index: 'sku', prefix: ['x'] }), '');
    assert.is(await found(store, every), 'c a');
    await commit(store, 3, 4, [row('a', { state: 'kept' }, 4, null)]);
    assert.is(await found(store, every), 'c');
    assert.is(await found(store, { index: 'state', prefix: [] }), '');
  });

  test('a value that a column cannot hold is a bug of the view, and nothing is written', async (store) => {
    for (const columns of [{ amount: '1' }, { state: 1 }, { sku: 'x' }, { amount: 1.5 }, { other: 1 }])
      assert.instance(
        await thrown(commit(store, 0, 1, [row('first', {}), row('a', columns as unknown as Row['columns'])])),
        TypeError,
        JSON.stringify(columns),
      );
    assert.equal([await store.get(VIEW, 'first'), await store.checkpoint(VIEW)], [undefined, undefined]);
  });

  test('a cursor is a place that outlives its row, and none but the query it came from', async (store) => {
    const keyed = (id: string, n = 1) => row(id, { customer: 'p', day: id }, n);
    await commit(
      store,
      0,
      1,
      ['a', 'c', 'e', 'g'].map((id) => keyed(id)),
    );
    const page = await store.find(VIEW, { index: 'customer', prefix: ['p'], limit: 2 });
    assert.equal(
      page.rows.map(({ id, doc }) => [id, doc]),
      [
        ['a', { id: 'a' }],
        ['c', { id: 'c' }],
      ],
    );
    assert.is(page.next, page.rows[1]!.cursor);
    await commit(store, 1, 2, [{ ...keyed('c', 2), doc: null }, keyed('b', 2), keyed('d', 2)]);
    const query: Find = { index: 'customer', prefix: ['p'], limit: 10, after: page.next! };
    const ids = async (asked: Find): Promise<readonly string[]> =>
      (await store.find(VIEW, asked)).rows.map(({ id }) => id);
    assert.equal(await ids(query), ['d', 'e', 'g']);
    assert.equal(await ids({ ...query, descending: true }), ['b', 'a']);
    assert.is((await store.find(VIEW, { ...query, limit: 3 })).next, null, 'full, but nothing follows');
    const encoded = (text: string): string => Buffer.from(text).toString('base64url');
    for (const after of ['nonsense', encoded('["q","a","a"]'), encoded('["p","a"]'), encoded('{}'), ''])
      assert.instance(await thrown(store.find(VIEW, { ...query, after })), RangeError, after);
  });

  test('scans in the order of ids, by their bytes, with the checkpoint', async (store) => {
    assert.equal(await store.scan(VIEW, { limit: 10 }), { rows: [], next: null, checkpoint: undefined });
    const ids = ['B', 'a', 'a/1', 'ab', 'b', 'z', 'ä', '\uffee', '🛒'];
    const rows = [...ids].reverse().map((id, n) => row(id, { amount: n, sku: ['l'] }, n + 1));
    await commit(store, 0, 9, [...rows, row('gone', {}, 9, null)]);
    await store.make('orders@1+11', SHAPE);
    await commit(store, 0, 3, [row('c', {})], 'orders@1+11');
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
    assert.equal(first, row('B', { amount: 8, sku: ['l'] }, 9), 'the whole row');
  });

  test('changes since a place: in order of position and id, removals too, a row`s latest state alone', async (store) => {
    const all = async (cursor: ChangeCursor, limit = 100): Promise<string> => {
      const seen: string[] = [];
      for (let place = cursor; ;) {
        const page = await store.changesSince(place, limit);
        if (page === 'restart') return 'restart';
        seen.push(...page.rows.map(({ id, doc, at: n }) => `${id}@${Number(n)}${doc === null ? '-' : ''}`));
        place = page.next;
        if (page.rows.length < limit) return seen.join(' ');
      }
    };
    const start: ChangeCursor = { view: VIEW, position: at(0), rowId: '' };
    assert.is(await all(start), '');
    await commit(store, 0, 3, [row('b', {}, 1), row('a', {}, 1), row('c', {}, 3), row('d', {}, 2)]);
    for (const limit of [1, 2, 100])
      assert.is(await all(start, limit), 'a@1 b@1 d@2 c@3', `pages of ${limit}`);
    assert.is(await all({ view: VIEW, position: at(1), rowId: 'a' }), 'b@1 d@2 c@3');
    await commit(store, 3, 5, [row('a', {}, 5, null), row('b', {}, 4)]);
    assert.is(await all(start), 'd@2 c@3 b@4 a@5-');
    assert.is(await all({ view: VIEW, position: at(3), rowId: '\u{10FFFF}' }), 'b@4 a@5-');
    assert.is(await all({ ...start, view: 'orders@1+9' }), 'restart');
  });

  test('tells of commits and activations, until it is stopped', async (store) => {
    let heard = 0;
    const stop = store.onChange(() => void (heard += 1));
    await commit(store, 0, 1, [row('a', {})]);
    await until('the commit', () => heard > 0);
    const before = heard;
    await store.activate('orders', VIEW, undefined);
    await until('the activation', () => heard > before);
    stop();
    const after = heard;
    await commit(store, 1, 2, []);
    assert.is(heard, after);
  });

  buildsOfAView(test);
  run();
};

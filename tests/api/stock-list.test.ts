import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { stockStream, stocks } from '../../domain/stock/stock.ts';
import { startApi, type Harness } from './harness.ts';

const withApi = (run: (api: Harness) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    for (const [sku, units] of [
      ['B', 5],
      ['A', 7],
      ['C-1', 0],
      ['D', 100],
      ['a', 5],
    ] as const)
      await api.product(sku, `Thing ${sku}`, 1_000, units);
    await run(api);
  } finally {
    await api.close();
  }
};
const get = (api: Harness, query: string) => api.call('GET', `/stock${query}`, { as: 'operator' });
const shown = ({ body }: { body: { items: { sku: string; available: number }[] } }) =>
  body.items.map(({ sku, available }) => `${sku}:${available}`).join(' ');

const test = suite('stock, listed');

test(
  'by SKU, or with below by what is available, the least first',
  withApi(async (api) => {
    await api.deps.executor.execute(
      stocks,
      stockStream('D'),
      { type: 'ReserveUnits', data: { reservationId: 'o/1', quantity: 103, onShortage: 'backorder' } },
      { commandId: 'r', actor: { id: 'tests', role: 'system' } },
    );
    await api.call('POST', '/stock/A/adjust', { as: 'operator', body: { quantity: -1, reason: 'broken' } });
    await api.settled();
    assert.is(shown(await get(api, '')), 'A:6 B:5 C-1:0 D:0 a:5');
    assert.is(shown(await get(api, '?below=6')), 'C-1:0 D:0 B:5 a:5');
    assert.is(shown(await get(api, '?below=7')), 'C-1:0 D:0 B:5 a:5 A:6');
    assert.is(shown(await get(api, '?below=0')), '');
    const { body } = await get(api, '?below=1');
    const { updatedAt, ...levels } = body.items[1];
    assert.equal(levels, { sku: 'D', onHand: 100, reserved: 100, backordered: 3, available: 0 });
    assert.ok(Math.abs(Date.parse(updatedAt) - api.deps.clock.now().getTime()) < 60_000);
    for (const { sku, ...row } of (await get(api, '')).body.items) {
      const { revision: _revision, ...own } = (await api.call('GET', `/stock/${sku}`, { as: 'operator' }))
        .body;
      assert.equal({ sku, ...row, updatedAt: '' }, { ...own, updatedAt: '' });
    }
  }),
);

test(
  'below 0 comes first: more has left than was counted',
  withApi(async (api) => {
    await api.deps.executor.execute(
      stocks,
      stockStream('B'),
      { type: 'AdjustStock', data: { delta: -9, reason: 'sent', fact: true } },
      { commandId: 'f', actor: { id: 'tests', role: 'system' } },
    );
    await api.settled();
    assert.is(shown(await get(api, '?below=0')), 'B:-4');
    assert.is(shown(await get(api, '?below=1')), 'B:-4 C-1:0');
  }),
);

test(
  'in pages; a cursor of the other order is none',
  withApi(async (api) => {
    await api.settled();
    for (const [query, all] of [
      ['?', 'A:7 B:5 C-1:0 D:100 a:5'],
      ['?below=8&', 'C-1:0 B:5 a:5 A:7'],
    ] as const) {
      const seen: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const answer = await get(
          api,
          `${query}limit=2${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
        );
        assert.ok(answer.body.items.length <= 2);
        seen.push(shown(answer));
        cursor = answer.body.nextCursor;
      }
      assert.is(seen.join(' '), all);
    }
    const { nextCursor } = (await get(api, '?limit=1')).body;
    for (const query of [`?below=9&cursor=${nextCursor}`, '?cursor=x', '?cursor=sku:x'])
      assert.equal((await get(api, query)).body.code, 'invalid_cursor', query);
    for (const query of ['?below=-1', '?below=x', '?below=1.5', '?limit=0', '?sku=A'])
      assert.equal((await get(api, query)).body.code, 'invalid_request', query);
  }),
);

test(
  'for operators',
  withApi(async (api) => {
    for (const as of ['customer:ada', 'auditor'])
      assert.is((await api.call('GET', '/stock', { as })).status, 403);
  }),
);
test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { wordsOf } from '../../api/catalogue-search.ts';
import { searchWords } from '../../projections/catalogue.ts';
import { startApi, type Harness } from './harness.ts';

const withApi = (run: (api: Harness) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    await run(api);
  } finally {
    await api.close();
  }
};
const skus = (answer: { body: { items: { sku: string }[] } }): string[] =>
  answer.body.items.map(({ sku }) => sku);
const NAMES = {
  'A-1': 'Red Mug',
  'A-2': 'Heart of hearts mug',
  'B-1': 'Lamp, café style',
  'B-2': 'Redwood table',
  C: 'Mugwort tea',
};

const catalogue = suite('catalogue');

catalogue(
  'lists by SKU with price and what is available, in pages',
  withApi(async (api) => {
    for (const [sku, name] of Object.entries(NAMES)) await api.product(sku, name, 500, sku === 'C' ? 0 : 7);
    await api.settled();
    const { body } = await api.call('GET', '/catalogue');
    assert.equal(body.items[0], {
      sku: 'A-1',
      name: 'Red Mug',
      price: { amountMinor: 500, currency: 'GBP' },
      available: 7,
    });
    assert.equal(skus({ body }), ['A-1', 'A-2', 'B-1', 'B-2', 'C']);
    assert.is(body.items[4].available, 0);
    const first = await api.call('GET', '/catalogue?limit=2');
    const second = await api.call('GET', `/catalogue?limit=2&cursor=${first.body.nextCursor}`);
    assert.equal(
      [skus(first), skus(second)],
      [
        ['A-1', 'A-2'],
        ['B-1', 'B-2'],
      ],
    );
    assert.is((await api.call('GET', '/catalogue?cursor=x')).body.code, 'invalid_cursor');
    assert.is((await api.call('GET', '/catalogue?search=mug&cursor=x')).body.code, 'invalid_cursor');
  }),
);

catalogue(
  'finds by how words begin, in name and SKU, each product once',
  withApi(async (api) => {
    for (const [sku, name] of Object.entries(NAMES)) await api.product(sku, name, 500, 0);
    await api.settled();
    const search = async (text: string) =>
      skus(await api.call('GET', `/catalogue?search=${encodeURIComponent(text)}`)).sort();
    assert.equal(await search('mug'), ['A-1', 'A-2', 'C']);
    assert.equal(await search('red m'), ['A-1']);
    assert.equal(await search('HEART'), ['A-2']);
    assert.equal(await search('café'), ['B-1']);
    assert.equal(await search('a-'), ['A-1', 'A-2']);
    assert.equal(await search('b-2'), ['B-2']);
    assert.equal(await search('nothing'), []);
    assert.equal((await search(' ')).length, 5);
    for (const limit of [1, 2]) {
      const found: string[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page = await api.call(
          'GET',
          `/catalogue?search=h&limit=${limit}${cursor ? `&cursor=${cursor}` : ''}`,
        );
        found.push(...skus(page));
        cursor = page.body.nextCursor;
      }
      assert.equal(found, ['A-2'], `limit ${limit}`);
    }
  }),
);

catalogue('the search folds words as the view does', () => {
  for (const text of [...Object.values(NAMES), 'ÄÖ 12½ x-y_z', ''])
    assert.equal(wordsOf(text), searchWords(text));
});

catalogue(
  'pricing and delisting are events, done once, and checkout follows',
  withApi(async (api) => {
    const put = (amountMinor: number, key: string) =>
      api.call('PUT', '/catalogue/MUG', {
        as: 'operator',
        key,
        body: { name: 'Mug', price: { amountMinor, currency: 'GBP' } },
      });
    const first = await put(500, 'k1');
    assert.equal([first.status, first.body.revision, first.body.listed], [200, 0, true]);
    assert.is((await put(500, 'k1')).text, first.text);
    assert.is((await put(600, 'k2')).body.revision, 1);
    assert.is((await api.place([{ sku: 'MUG', quantity: 1 }])).total.linesMinor, 600);
    const gone = await api.call('DELETE', '/catalogue/MUG', { as: 'operator' });
    assert.equal([gone.status, gone.body.listed], [200, false]);
    const order = await api.call('POST', '/orders', {
      as: 'customer:ada',
      body: {
        lines: [{ sku: 'MUG', quantity: 1 }],
        contact: { name: 'A', email: 'a@example.org' },
        shippingAddress: { name: 'A', line1: '1', city: 'B', postcode: 'C', country: 'GB' },
        payment: { method: 'card' },
      },
    });
    assert.is(order.body.code, 'unknown_sku');
    await api.settled();
    assert.equal(skus(await api.call('GET', '/catalogue')), []);
    assert.is((await api.call('DELETE', '/catalogue/NONE', { as: 'operator' })).body.code, 'sku_not_found');
  }),
);

catalogue(
  'bad products are refused',
  withApi(async (api) => {
    const good = { name: 'Mug', price: { amountMinor: 500, currency: 'GBP' } };
    const refused = async (sku: string, body: object, code: string) =>
      assert.is(
        (await api.call('PUT', `/catalogue/${sku}`, { as: 'operator', body })).body.code,
        code,
        JSON.stringify(body),
      );
    await refused('MUG', { ...good, price: { amountMinor: 500, currency: 'EUR' } }, 'currency_mismatch');
    for (const amountMinor of [0, -1, 1.5, '5', 100_000_001])
      await refused('MUG', { ...good, price: { amountMinor, currency: 'GBP' } }, 'invalid_request');
    await refused('MUG', { ...good, name: '' }, 'invalid_request');
    await refused('MUG', { ...good, stock: 5 }, 'invalid_request');
    await refused('%20x', good, 'invalid_request');
    await refused('x'.repeat(65), good, 'invalid_request');
    await refused('%zz', good, 'bad_request');
    assert.is(await api.deps.store.tail(), undefined);
  }),
);
catalogue.run();

const stock = suite('stock');

stock(
  'received and adjusted once, shown from the stream',
  withApi(async (api) => {
    const levels = async () => (await api.call('GET', '/stock/MUG', { as: 'operator' })).body;
    assert.is((await levels()).code, 'sku_not_found');
    const receive = () =>
      api.call('POST', '/stock/MUG/receive', {
        as: 'operator',
        key: 'k',
        body: { quantity: 10, reason: 'delivery 7' },
      });
    const first = await receive();
    assert.equal(
      { ...first.body, position: '' },
      { sku: 'MUG', onHand: 10, reserved: 0, backordered: 0, available: 10, revision: 0, position: '' },
    );
    assert.is((await receive()).text, first.text);
    assert.is(
      (
        await api.call('POST', '/stock/MUG/adjust', {
          as: 'operator',
          body: { quantity: -3, reason: 'broken' },
        })
      ).body.onHand,
      7,
    );
    const below = await api.call('POST', '/stock/MUG/adjust', {
      as: 'operator',
      body: { quantity: -8, reason: 'broken' },
    });
    assert.equal([below.status, below.body.code], [409, 'below_zero']);
    assert.equal(await levels(), {
      sku: 'MUG',
      onHand: 7,
      reserved: 0,
      backordered: 0,
      available: 7,
      revision: 1,
    });
  }),
);

stock(
  'bad quantities are refused',
  withApi(async (api) => {
    const ask = async (what: string, body: object) =>
      (await api.call('POST', `/stock/MUG/${what}`, { as: 'operator', body })).body.code;
    for (const quantity of [0, -1, 1.5, '1', 1_000_001, null])
      assert.is(await ask('receive', { quantity }), 'invalid_request');
    for (const quantity of [0, 1.5, 1_000_001, -1_000_001])
      assert.is(await ask('adjust', { quantity, reason: 'x' }), 'invalid_request');
    assert.is(await ask('adjust', { quantity: 1 }), 'invalid_request');
    assert.is(await api.deps.store.tail(), undefined);
  }),
);

stock(
  'a product without stock has none',
  withApi(async (api) => {
    await api.product('MUG', 'Mug', 500, 0);
    assert.equal((await api.call('GET', '/stock/MUG', { as: 'operator' })).body, {
      sku: 'MUG',
      onHand: 0,
      reserved: 0,
      backordered: 0,
      available: 0,
      revision: -1,
    });
  }),
);
stock.run();

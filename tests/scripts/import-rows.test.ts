import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { statusOf } from '../../domain/order/status.ts';
import { localTime } from '../../scripts/import/local-time.ts';
import { minorUnits } from '../../scripts/import/row-rules.ts';
import { allEvents, csv, row, streamsOf, world, type Cells } from './world.ts';

const reading = suite('import: amounts and times');

reading('an amount is read by its digits', () => {
  for (const [text, minor] of [
    ['2.55', 255],
    ['0.29', 29],
    ['1.1', 110],
    ['12', 1200],
    ['38970.00', 3_897_000],
    ['-11062.06', -1_106_206],
    ['0', 0],
  ] as const)
    assert.is(minorUnits(text, 2), minor, text);
  for (const text of ['', 'NA', '2.555', '1e3', '1,000.00', ' 2', '.5', '2.', '9999999999999999'])
    assert.is(minorUnits(text, 2), undefined, text);
  assert.is(minorUnits('1200', 0), 1200);
  assert.is(minorUnits('1.5', 0), undefined);
});

reading("a time is the shop's", () => {
  const london = localTime('Europe/London');
  assert.is(london('2011-01-10 10:00:00')?.at, '2011-01-10T10:00:00.000Z');
  assert.is(london('2011-07-10 10:00:00')?.at, '2011-07-10T09:00:00.000Z');
  assert.is(
    london('2011-03-27 01:30:00')?.at,
    '2011-03-27T01:30:00.000Z',
    'an hour that the clocks left out: moved forward',
  );
  assert.is(localTime('Asia/Tokyo')('2011-01-10 10:00:00')?.at, '2011-01-10T01:00:00.000Z');
  for (const text of [
    '2011-02-30 10:00:00',
    '2011-01-10',
    '10/01/2011 10:00',
    '2011-01-10 25:00:00',
    '1969-01-01 00:00:00',
    '',
  ])
    assert.is(london(text), undefined, text);
});

const rules = suite('import: rows');

const REJECTED: readonly (readonly [code: string, cells: Cells | string])[] = [
  ['invalid_quantity', { quantity: '1.5' }],
  ['invalid_quantity', { quantity: 0 }],
  ['invalid_quantity', { quantity: '99999999999999999999' }],
  ['invalid_quantity', { quantity: 'six' }],
  ['invalid_price', { price: 'NA' }],
  ['invalid_price', { price: '0.001' }],
  ['invalid_date', { date: '2011-13-01 10:00:00' }],
  ['invalid_date', { date: '01/12/2010 08:26' }],
  ...[
    'POST',
    'DOT',
    'M',
    'm',
    'D',
    'C2',
    'S',
    'B',
    'PADS',
    'CRUK',
    'BANK CHARGES',
    'AMAZONFEE',
    'gift_0001_40',
    '1234',
    '',
  ].map((sku) => ['not_goods', { sku }] as const),
  ['no_price', { price: '0' }],
  ['negative_price', { price: '-11.06' }],
  ['not_an_order', { invoice: 'A563185' }],
  ['not_an_order', { invoice: '' }],
  ['negative_quantity', { quantity: -3 }],
  ['positive_quantity', { invoice: 'C500009', quantity: 2 }],
  ['no_customer', { invoice: 'C500009', quantity: -2, customer: 'NA' }],
  ['no_earlier_order', { invoice: 'C500009', quantity: -2 }],
  ['invalid_customer', { customer: 'a/b' }],
  ['wrong_columns', `${row({})},surplus`],
];

for (const [code, cells] of REJECTED)
  rules(`${code}: ${JSON.stringify(cells)}`, async () => {
    const here = world();
    // A good row behind it: one row's fault is no other's.
    const { summary, rejected } = await here.run(
      here.file('shop.csv', csv(cells, { invoice: '500002', sku: '10002' })),
    );
    assert.equal(
      rejected.map((one) => [one.row, one.code]),
      [['1', code]],
    );
    assert.ok((rejected[0]?.sentence ?? '').length > 10);
    assert.equal([summary.rows, summary.accepted, summary.rejected, summary.orders], [2, 1, 1, 1]);
    assert.equal(summary.rejectedBy, { [code]: 1 });
    assert.equal(await streamsOf(here.store, 'product'), ['10002']);
    here.end();
  });

rules('goods are told by their codes', async () => {
  const here = world();
  const skus = ['85123A', '84029g', '10080', '90214BL', 'DCGS0003', 'DCGSSGIRL'];
  const { summary } = await here.run(here.file('shop.csv', csv(...skus.map((sku) => ({ sku })))));
  assert.is(summary.accepted, skus.length);
  assert.equal(await streamsOf(here.store, 'product'), skus);
  here.end();
});

rules('rows of one invoice that disagree with its first are rejected', async () => {
  const here = world();
  const { rejected, summary } = await here.run(
    here.file(
      'shop.csv',
      csv(
        {},
        { customer: '17851' },
        { country: 'France' },
        { date: '2011-01-11 10:00:00' },
        { date: '2011-01-10 10:01:00', sku: '10002' },
      ),
    ),
  );
  assert.equal(
    rejected.map(({ row: number, code }) => [number, code]),
    [
      ['2', 'inconsistent_invoice'],
      ['3', 'inconsistent_invoice'],
      ['4', 'inconsistent_invoice'],
    ],
  );
  assert.is(summary.accepted, 2, 'two minutes of one day are one invoice');
  assert.is((await here.order('500001', '2011-01-10T10:00:00.000Z')).lines.length, 2);
  here.end();
});

rules('an invoice that comes again further down is rejected there', async () => {
  const here = world();
  const { rejected } = await here.run(here.file('shop.csv', csv({}, { invoice: '500002' }, {})));
  assert.equal(
    rejected.map(({ row: number, code, InvoiceNo }) => [number, code, InvoiceNo]),
    [['3', 'invoice_reappears', '500001']],
  );
  here.end();
});

rules('an invoice becomes an order of its day, paid, sent, delivered and closed', async () => {
  const here = world();
  const { summary } = await here.run(
    here.file(
      'shop.csv',
      csv(
        { quantity: 6 },
        { sku: '10002', name: 'NA', price: '3.39', quantity: 2 },
        { quantity: 1 },
        { invoice: '500002', customer: 'NA', country: 'EIRE' },
      ),
    ),
  );
  const at = '2011-01-10T10:00:00.000Z';
  const state = await here.order('500001', at);
  assert.is(statusOf(state), 'delivered');
  assert.is(state.closedAt, at);
  assert.equal(
    [state.customerId, state.country, state.currency, state.expiresAt],
    ['17850', 'GB', 'GBP', '2011-01-10T10:30:00.000Z'],
  );
  assert.equal(state.totals, {
    linesMinor: 2463,
    shippingMinor: 0,
    discountMinor: 0,
    taxMinor: 0,
    totalMinor: 2463,
  });
  assert.equal(
    state.lines.map(({ lineId, sku, name, ordered, dispatched }) => [lineId, sku, name, ordered, dispatched]),
    [
      ['1', '10001', 'MUG', 6, 6],
      ['2', '10002', '10002', 2, 2],
      ['3', '10001', 'MUG', 1, 1],
    ],
  );
  const guest = await here.order('500002', at);
  assert.equal([guest.customerId, guest.country], ['guest-500002', 'IE']);
  const events = await allEvents(here.store);
  assert.is(summary.events, events.length, 'each newly stored event is counted');
  assert.ok(
    events.every(({ meta }) => meta.origin === 'import' && meta.actor.id === 'import' && meta.at === at),
  );
  here.end();
});

rules('catalogue and stock follow from the history', async () => {
  const here = world();
  await here.run(
    here.file(
      'shop.csv',
      csv(
        { quantity: 5, name: 'mug', price: '2.50', date: '2011-01-10 10:00:00' },
        { invoice: '500002', quantity: 3, name: 'MUG', price: '2.55', date: '2011-01-11 10:00:00' },
        { invoice: 'C500003', quantity: -4, price: '2.50', date: '2011-01-12 10:00:00' },
        {
          invoice: '500004',
          quantity: -7,
          name: 'smashed',
          price: '0',
          customer: 'NA',
          date: '2011-01-13 10:00:00',
        },
        {
          invoice: '500005',
          quantity: -1,
          name: 'NA',
          price: '0',
          customer: 'NA',
          date: '2011-01-14 10:00:00',
        },
        { invoice: '500006', quantity: 1, name: 'mug', price: '2.55', date: '2011-01-15 10:00:00' },
      ),
    ),
  );
  const told = (await allEvents(here.store))
    .filter(({ stream }) => /^(stock|product)-/.test(stream))
    .map(({ type, data, meta }) => [type, data, meta.at.slice(0, 10)]);
  // 5 + 3 − 4 + 7 + 1 + 1 units leave a beginning of 13, of which 5 net were sold.
  assert.equal(told, [
    ['ProductListed', { sku: '10001', name: 'mug', priceMinor: 255, currency: 'GBP' }, '2011-01-10'],
    [
      'GoodsReceived',
      { quantity: 13, reason: 'opening balance derived from the imported history' },
      '2011-01-10',
    ],
    ['StockAdjusted', { delta: -7, reason: 'smashed' }, '2011-01-13'],
    ['StockAdjusted', { delta: -1, reason: 'damages, lost stock' }, '2011-01-14'],
    [
      'StockAdjusted',
      { delta: -5, reason: 'net of units sold and returned in the imported history' },
      '2011-01-15',
    ],
  ]);
  here.end();
});

reading.run();
rules.run();

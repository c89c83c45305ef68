import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokenOrderRules } from '../../domain/order/rules.ts';
import { refundedMinor } from '../../domain/order/state.ts';
import { statusOf } from '../../domain/order/status.ts';
import { csv, world, type Cells } from './world.ts';

const test = suite('import: cancellations');

const DAYS = ['2011-01-10', '2011-01-11', '2011-01-12'] as const;
const sale = (invoice: string, day: string, cells: Cells): Cells => ({
  invoice,
  date: `${day} 10:00:00`,
  ...cells,
});
const back = (cells: Cells): Cells => ({ invoice: 'C500099', date: '2011-02-01 09:00:00', ...cells });
const returned = async (here: ReturnType<typeof world>, invoice: string, day: string) => {
  const state = await here.order(invoice, `${day}T10:00:00.000Z`);
  assert.equal(brokenOrderRules(state), []);
  return {
    units: state.lines.map((line) => line.returned),
    refunded: refundedMinor(state),
    returns: state.returns.length,
    state,
  };
};

test('the order at the same price is preferred, then the latest', async () => {
  const here = world();
  const { summary } = await here.run(
    here.file(
      'shop.csv',
      csv(
        sale('500001', DAYS[0], { quantity: 3, price: '2.55' }),
        sale('500002', DAYS[1], { quantity: 3, price: '2.55' }),
        sale('500003', DAYS[2], { quantity: 3, price: '2.10' }),
        back({ quantity: -2, price: '2.55' }),
      ),
    ),
  );
  assert.equal([summary.cancellations, summary.matched, summary.accepted], [1, 1, 4]);
  assert.equal((await returned(here, '500001', DAYS[0])).units, [0]);
  const { units, refunded, state } = await returned(here, '500002', DAYS[1]);
  assert.equal([units, refunded], [[2], 510]);
  assert.is(state.returns[0]?.reason, 'cancelled by C500099');
  assert.is(state.returns[0]?.receivedAt, '2011-02-01T09:00:00.000Z');
  assert.is(statusOf(state), 'delivered');
  assert.is.not(state.closedAt, undefined, 'closed again once the money is back');
  assert.equal((await returned(here, '500003', DAYS[2])).units, [0]);
  here.end();
});

test('a row is split over orders when one has not enough, at the price that was paid', async () => {
  const here = world();
  const { summary } = await here.run(
    here.file(
      'shop.csv',
      csv(
        sale('500001', DAYS[0], { quantity: 3, price: '2.00' }),
        sale('500002', DAYS[1], { quantity: 2, price: '3.00' }),
        sale('500003', DAYS[2], { quantity: 2, price: '1.00' }),
        back({ quantity: -6, price: '3.00' }),
      ),
    ),
  );
  assert.equal([summary.matched, summary.rejected], [1, 0]);
  const [first, second, third] = [
    await returned(here, '500001', DAYS[0]),
    await returned(here, '500002', DAYS[1]),
    await returned(here, '500003', DAYS[2]),
  ];
  assert.equal([first.units, second.units, third.units], [[2], [2], [2]]);
  assert.equal([first.refunded, second.refunded, third.refunded], [400, 600, 200]);
  assert.is(statusOf(second.state), 'returned');
  here.end();
});

test('rows of one cancellation on one order are one return', async () => {
  const here = world();
  await here.run(
    here.file(
      'shop.csv',
      csv(
        sale('500001', DAYS[0], { quantity: 3 }),
        sale('500001', DAYS[0], { quantity: 4, sku: '10002' }),
        back({ quantity: -1 }),
        back({ quantity: -4, sku: '10002' }),
        back({ quantity: -1 }),
      ),
    ),
  );
  const { units, returns, refunded } = await returned(here, '500001', DAYS[0]);
  assert.equal([units, returns, refunded], [[2, 4], 1, 6 * 255]);
  here.end();
});

test('what was not sold before, to that customer, of that SKU, in that number, is rejected', async () => {
  const here = world();
  const { rejected, summary } = await here.run(
    here.file(
      'shop.csv',
      csv(
        sale('500001', DAYS[0], { quantity: 3 }),
        back({ quantity: -4 }),
        back({ quantity: -1, sku: '10002' }),
        back({ quantity: -3 }),
        back({ quantity: -1 }),
        back({ invoice: 'C500100', quantity: -1, customer: '17851' }),
        back({ invoice: 'C500101', quantity: -1, customer: 'NA' }),
        { invoice: '500102', quantity: 9, date: '2011-02-02 10:00:00' },
      ),
    ),
  );
  assert.equal(
    rejected.map(({ row, code }) => [row, code]),
    [
      ['2', 'no_earlier_order'],
      ['3', 'no_earlier_order'],
      ['5', 'no_earlier_order'],
      ['6', 'no_earlier_order'],
      ['7', 'no_customer'],
    ],
  );
  assert.match(rejected[0]?.sentence ?? '', /bought 3 of 10001/);
  assert.equal([summary.cancellations, summary.matched], [6, 1]);
  assert.equal((await returned(here, '500001', DAYS[0])).units, [3]);
  assert.equal(
    (await returned(here, '500102', '2011-02-02')).units,
    [0],
    'a later order is not given back by an earlier cancellation',
  );
  here.end();
});

test('two cancellations of one order follow each other', async () => {
  const here = world();
  await here.run(
    here.file(
      'shop.csv',
      csv(
        sale('500001', DAYS[0], { quantity: 5 }),
        back({ quantity: -2 }),
        back({ invoice: 'C500100', quantity: -3, date: '2011-02-03 09:00:00' }),
      ),
    ),
  );
  const { units, returns, refunded, state } = await returned(here, '500001', DAYS[0]);
  assert.equal([units, returns, refunded, statusOf(state)], [[5], 2, 5 * 255, 'returned']);
  here.end();
});

test.run();

import * as assert from 'uvu/assert';
import { valuesOf, type Ledger, type LedgerKey } from '../../adapters/simulated/ledger.ts';
import { contract, type Make } from './making.ts';

/** What every ledger of a simulated provider must do. */
export const ledgerContract = (name: string, make: Make<Ledger>): void => {
  const { test, run } = contract(`ledger: ${name}`, make);

  test('keeps what a transaction put, replaced and removed, each table for itself', async (ledger) => {
    const [calls, others] = [ledger.table<{ n: number }>('calls'), ledger.table<string>('others')];
    const answer = await ledger.transaction(() => {
      calls.put('a', { n: 1 });
      calls.put('b', { n: 2 });
      others.put('a', 'another');
      calls.put('a', { n: (calls.get('a')?.n ?? 0) + 10 });
      calls.remove('b');
      return 'done';
    });
    assert.is(answer, 'done');
    assert.equal([calls.get('a'), calls.get('b'), others.get('a')], [{ n: 11 }, undefined, 'another']);
    assert.equal([calls.count(), others.count()], [1, 1]);
    assert.equal(ledger.table<{ n: number }>('calls').get('a'), { n: 11 }, 'the same table again');
  });

  test('reads in the order of keys: by part, numbers by size, behind one, under a prefix', async (ledger) => {
    const table = ledger.table<string>('table');
    const keys: LedgerKey[] = [
      ['o1', 10, 'b'],
      ['o1', 9, 'z'],
      ['o1', 10, 'a'],
      ['o10', 1, 'a'],
      ['o2', 0, 'a'],
    ];
    await ledger.transaction(() => {
      for (const key of keys) table.put(key, JSON.stringify(key));
    });
    const sorted = ['["o1",9,"z"]', '["o1",10,"a"]', '["o1",10,"b"]', '["o10",1,"a"]', '["o2",0,"a"]'];
    const read = (range: Parameters<typeof table.range>[0]) => table.range(range).map(({ value }) => value);
    assert.equal(read({}), sorted);
    assert.equal(read({ limit: 2 }), sorted.slice(0, 2));
    assert.equal(read({ prefix: ['o1'] }), sorted.slice(0, 3));
    assert.equal(read({ prefix: ['o1', 10] }), sorted.slice(1, 3));
    assert.equal(read({ after: ['o1', 10, 'a'], limit: 2 }), sorted.slice(2, 4));
    assert.equal(read({ prefix: ['o3'] }), []);
    assert.equal(table.range({ limit: 1 })[0]?.key, ['o1', 9, 'z']);
  });

  test('hands out all values, more than a page of them', async (ledger) => {
    const table = ledger.table<number>('many');
    await ledger.transaction(() => {
      for (let n = 0; n < 2_500; n++) table.put(String(n).padStart(5, '0'), n);
    });
    let expected = 0;
    for await (const value of valuesOf(table)) assert.is(value, expected++);
    assert.is(expected, 2_500);
  });

  test('transactions do not mix', async (ledger) => {
    const table = ledger.table<number>('counter');
    const count = () => ledger.transaction(() => table.put('n', (table.get('n') ?? 0) + 1));
    await Promise.all(Array.from({ length: 100 }, count));
    assert.is(table.get('n'), 100);
  });
  run();
};

import { existsSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BadFile } from '../../scripts/import/csv.ts';
import { allEvents, csv, HEADER, row, world } from './world.ts';

const whole = suite('import: files that can be taken');

whole(
  'gzipped, with columns in another order and more of them, quoted, with CRLF and a byte order mark',
  async () => {
    const here = world();
    const text =
      '\ufeffCountry,Note,"InvoiceNo",StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\r\nFrance,x,500001,10001,"MUG, ""BIG""",2,2011-01-10 10:00:00,2.55,17850\r\n';
    const { summary } = await here.run(here.file('shop.csv.gz', gzipSync(text)));
    assert.equal([summary.rows, summary.accepted], [1, 1]);
    const state = await here.order('500001', '2011-01-10T10:00:00.000Z');
    assert.equal([state.country, state.lines[0]?.name], ['FR', 'MUG, "BIG"']);
    here.end();
  },
);

whole('a header alone, and a last row without a line end', async () => {
  const here = world();
  assert.is((await here.run(here.file('none.csv', `${HEADER}\n`))).summary.rows, 0);
  assert.is((await here.run(here.file('one.csv', csv({}).trimEnd()))).summary.accepted, 1);
  here.end();
});

const bad = suite('import: files that cannot be taken');

const many = csv(
  ...Array.from({ length: 3_000 }, (_, i) => ({ invoice: String(500_000 + i), name: `"MUG ${i}"` })),
);
const gz = gzipSync(many);
const BAD: readonly (readonly [what: string, content: string | Buffer, says: RegExp])[] = [
  ['nothing in it', '', /empty/],
  ['a column missing', many.replaceAll(',UnitPrice', ',Cost'), /UnitPrice is missing/],
  ['a column twice', `${HEADER},Country\n`, /Country stands there twice/],
  ['no CSV', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), /none of the columns|not CSV/],
  ['JSON', '{"InvoiceNo": "1"}\n', /none of the columns|not CSV/],
  ['gzip cut off', gz.subarray(0, gz.length - 100), /cut off/],
  [
    'gzip damaged',
    Buffer.concat([gz.subarray(0, 200), Buffer.alloc(50, 7), gz.subarray(250)]),
    /damaged|cut off/,
  ],
  ['a quote never closed', `${many}${row({ name: '"MUG' })}\n`, /never closed/],
  ['cut off in a quoted cell', many.slice(0, many.lastIndexOf('MUG') + 2), /cut off/],
  [
    'cut off in a number',
    many.slice(0, many.lastIndexOf('2.55') + 1),
    /cut off in its last row \(row 3000\)/,
  ],
  ['cut off behind the last comma', many.slice(0, many.lastIndexOf(',') + 1), /cut off in its last row/],
  ['a quote where none may be', many.replace('"MUG 1500"', '"MUG" 1500'), /not CSV/],
];

for (const [what, content, says] of BAD)
  bad(`${what}: one clear error, nothing taken`, async () => {
    const here = world();
    let error: unknown;
    await here.run(here.file('shop.csv', content)).catch((thrown: unknown) => (error = thrown));
    assert.instance(error, BadFile);
    assert.match((error as Error).message, says);
    assert.match((error as Error).message, /shop\.csv/);
    assert.is((await allEvents(here.store)).length, 0);
    assert.not.ok(existsSync(here.rejects), 'no reject file either');
    here.end();
  });

whole.run();
bad.run();

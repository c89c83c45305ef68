import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { csv, world } from './world.ts';

const scripts = join(import.meta.dirname, '..', '..', 'scripts');
type Ended = Readonly<{ status: number; out: string; err: string }>;
const run = (
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> =>
  new Promise((resolve) => {
    const { NODE_ENV: _test, ...outer } = process.env;
    execFile(
      process.execPath,
      [join(scripts, `${script}.js`), ...args],
      { env: { ...outer, ...env }, timeout: 60_000 },
      (error, out, err) => {
        resolve({ status: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, err });
      },
    );
  });
const lastLine = (out: string) =>
  JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;

const test = suite('command lines');

test('--help', async () => {
  for (const script of ['import', 'check', 'shop', 'backup', 'restore', 'copy']) {
    const { status, out } = await run(script, ['--help']);
    assert.is(status, 0, script);
    assert.match(out, new RegExp(`npm run ${script}`));
    assert.match(out, /Exit status/);
  }
});

test('wrong use is one sentence and status 2', async () => {
  const here = world();
  const file = here.file('shop.csv', csv({}));
  const env = { DATA_DIR: join(here.folder, 'data') };
  for (const [script, args, says] of [
    ['import', [], /Name one file/],
    ['import', [file, file], /Name one file/],
    ['import', [file, '--colour'], /--colour/],
    ['import', ['nowhere.csv'], /no such file/],
    ['import', [file, '--timezone', 'Mars/Olympus'], /SHOP_TIMEZONE/],
    ['import', [file, '--reject', file], /overwritten/],
    ['import', [here.folder], /folder/],
    ['import', [here.file('bad.csv', 'a,b\n1,2\n')], /none of the columns/],
    ['check', ['surplus'], /surplus/],
    ['backup', [], /one folder/],
    ['restore', [], /one backup/],
    ['restore', [here.folder], /holds no backup/],
    ['check', ['--colour'], /--colour/],
    ['copy', [], /--to needs/],
    ['copy', ['--to', ''], /--to needs/],
    ['copy', ['--to', 'http://x'], /EVENT_STORE_URL must be/],
    ['shop', [file], /--url/],
    ['shop', [file, '--url', 'http://127.0.0.1:1', '--speed', '0'], /--speed/],
    ['shop', [file, '--url', 'ftp://x', '--speed', '1'], /--url/],
    ['shop', [file, '--url', 'http://127.0.0.1:1', '--speed', '1', '--limit', 'many'], /--limit/],
  ] as const) {
    const { status, err, out } = await run(script, args, env);
    assert.is(status, 2, `${script} ${args.join(' ')}: ${err}`);
    assert.match(err, says);
    assert.is(out, '');
    assert.is(err.trimEnd().split('\n').length, 1, err);
  }
  assert.is(readFileSync(file, 'utf8'), csv({}), 'the file is as it was');
  here.end();
});

test('import, again, and check on a data folder', async () => {
  const here = world();
  const env = { DATA_DIR: join(here.folder, 'data') };
  const file = here.file(
    'shop.csv',
    csv({ quantity: 4 }, { sku: 'POST' }, { invoice: 'C500002', quantity: -1 }),
  );
  const first = await run('import', [file, '--json'], env);
  assert.is(first.status, 0, first.err);
  const { rows, accepted, rejected, orders, cancellations, matched, events, seconds } = lastLine(first.out);
  assert.equal([rows, accepted, rejected, orders, cancellations, matched], [3, 2, 1, 1, 1, 1]);
  assert.ok(typeof events === 'number' && events > 10 && typeof seconds === 'number');
  const rejects = join(env.DATA_DIR, 'shop.rejected.csv');
  assert.ok(existsSync(rejects));
  assert.match(readFileSync(rejects, 'utf8'), /^row,code,sentence,InvoiceNo.*\n2,not_goods,/);
  assert.is(lastLine((await run('import', [file, '--json'], env)).out).events, 0);
  const check = await run('check', ['--json'], env);
  assert.is(check.status, 0, check.err);
  const report = lastLine(check.out);
  assert.equal([report.streams, report.events, report.violations], [3, events, 0]);
  here.end();
});

test.run();

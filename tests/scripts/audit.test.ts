import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { searchLine } from '../../scripts/audit/search-line.ts';
import { allEvents, csv, world } from './world.ts';

const scripts = join(import.meta.dirname, '..', '..', 'scripts');
type Ended = Readonly<{ status: number; out: string; err: string }>;
const run = (
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> =>
  new Promise((resolve) => {
    const { NODE_ENV: _test, ...outer } = process.env;
    execFile(
      process.execPath,
      [join(scripts, `${script}.js`), ...args],
      { env: { ...outer, ...env }, timeout: 60_000, maxBuffer: 100 * 1024 * 1024 },
      (error, out, err) => {
        resolve({ status: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, err });
      },
    );
  });
const lines = (out: string): string[] => out.trimEnd().split('\n');
const lastLine = (out: string) => JSON.parse(lines(out).at(-1) ?? '') as Record<string, unknown>;

const test = suite('npm run audit');

test('exports what the store holds and searches it, on a folder', async () => {
  const here = world();
  const env = { DATA_DIR: join(here.folder, 'data') };
  const history = here.file(
    'shop.csv',
    csv(
      { quantity: 4 },
      { invoice: 'C500002', quantity: -1, date: '2011-01-12 10:00:00' },
      { invoice: '500003', customer: '17851', date: '2011-02-01 09:30:00' },
    ),
  );
  assert.is((await run('import', [history], env)).status, 0);
  const store = openSqliteEventStore({
    path: join(env.DATA_DIR, 'events.db'),
    clock: systemClock,
    newId: systemRandomness.uuid,
  });
  const events = await allEvents(store);
  await store.close();

  const printed = await run('audit', ['export'], env);
  assert.is(printed.status, 0, printed.err);
  const exported = lines(printed.out).map(
    (line) => JSON.parse(line) as { position: string; hash: string; id: string },
  );
  assert.equal(
    exported.map(({ hash: _hash, ...event }) => event),
    events,
  );
  const file = join(here.folder, 'all.ndjson');
  const written = await run('audit', ['export', '--to', file, '--json'], env);
  assert.is(written.status, 0, written.err);
  assert.equal(lastLine(written.out), { events: events.length, last: events.at(-1)?.position, file });
  assert.is(readFileSync(file, 'utf8'), printed.out);
  assert.equal(
    readdirSync(here.folder).filter((name) => name.includes('partial')),
    [],
  );
  const rest = await run('audit', ['export', '--after', exported[2]!.position], env);
  assert.is(
    rest.out,
    lines(printed.out)
      .slice(3)
      .map((line) => `${line}\n`)
      .join(''),
  );

  const search = async (...args: string[]): Promise<string[]> => {
    const { status, out, err } = await run('audit', ['search', ...args, '--json'], env);
    assert.is(status, 0, err);
    const found = lines(out).slice(0, -1);
    assert.equal(lastLine(out), { events: found.length });
    return found;
  };
  const newest = (which: (event: (typeof events)[number]) => boolean) =>
    events
      .filter(which)
      .sort((a, b) => (a.meta.at + a.position < b.meta.at + b.position ? 1 : -1))
      .map(searchLine);
  const placed = newest(({ type }) => type === 'OrderPlaced');
  assert.equal(await search('--type', 'OrderPlaced'), placed);
  assert.equal(await search('--type', 'OrderPlaced', '--limit', '1'), placed.slice(0, 1));
  assert.equal(
    await search('--limit', '1000'),
    newest(() => true),
  );
  const order = events.find(({ type }) => type === 'OrderPlaced')!.stream.slice('order-'.length);
  assert.equal(
    await search('--order', order),
    newest(({ stream }) => stream === `order-${order}`),
  );
  assert.equal(await search('--actor', 'nobody'), []);
  assert.equal(
    await search('--from', '2011-01-12', '--to', '2011-02-01'),
    newest(({ meta }) => meta.at >= '2011-01-12' && meta.at < '2011-02-01'),
  );
  // What is stored later is found as well.
  assert.is(
    (
      await run(
        'import',
        [here.file('more.csv', csv({ invoice: '500009', date: '2011-05-01 10:00:00' }))],
        env,
      )
    ).status,
    0,
  );
  assert.is((await search('--type', 'OrderPlaced')).length, placed.length + 1);
  here.end();
});

test('an empty store has nothing to export or to find', async () => {
  const here = world();
  const env = { DATA_DIR: join(here.folder, 'data') };
  const [exported, found] = [
    await run('audit', ['export'], env),
    await run('audit', ['search', '--json'], env),
  ];
  assert.equal([exported.status, exported.out], [0, ''], exported.err);
  assert.equal([found.status, found.out], [0, '{"events":0}\n'], found.err);
  here.end();
});

test('wrong use is one sentence and status 2; nothing is written', async () => {
  const here = world();
  const env = { DATA_DIR: join(here.folder, 'data') };
  const history = here.file('shop.csv', csv({}));
  await run('import', [history], env);
  mkdirSync(join(here.folder, 'taken'));
  const file = join(here.folder, 'out.ndjson');
  for (const [args, says] of [
    [[], /export or search/],
    [['verify'], /export or search/],
    [['search', 'surplus'], /surplus/],
    [['search', '--colour'], /--colour/],
    [['search', '--from', 'yesterday'], /--from/],
    [['search', '--limit', '0'], /--limit/],
    [['search', '--after', 'x'], /--after/],
    [['export', '--actor', 'x'], /--actor/],
    [['export', '--json'], /--to FILE/],
    [['export', '--to', file, '--after', 'x'], /--after: x is no position/],
    [['export', '--to', join(here.folder, 'taken')], /is a folder/],
    [['export', '--to', join(here.folder, 'nowhere', 'x')], /no folder/],
  ] as const) {
    const { status, out, err } = await run('audit', args, env);
    assert.is(status, 2, `${args.join(' ')}: ${err}`);
    assert.match(err, says);
    assert.is(out, '');
    assert.is(lines(err).length, 1, err);
  }
  assert.not.ok(existsSync(file));
  const help = await run('audit', ['--help'], env);
  assert.is(help.status, 0);
  assert.match(help.out, /npm run audit/);
  assert.match(help.out, /Exit status/);
  here.end();
});

test('a line says when, who, what, where and why, and nothing to the terminal', () => {
  const meta = {
    at: '2026-01-01T00:00:00.000Z',
    recordedAt: '',
    origin: 'live',
    actor: { id: 'eve\u001b[2J\n', role: 'operator' },
    commandId: 'c-1',
    correlationId: 'x',
    causationId: 'news-1',
    previousHash: '',
  } as const;
  const event = {
    id: 'i',
    type: 'OrderHeld',
    schema: 1,
    stream: 'order-1',
    revision: 3,
    position: '0',
    data: { hold: 'h', reason: 'looks odd' },
    meta,
  } as never;
  assert.is(
    searchLine(event),
    '2026-01-01T00:00:00.000Z  operator eve [2J   OrderHeld  order-1@3  "looks odd", command c-1, caused by news-1',
  );
});
test.run();

/** The README's way to mend a view, as it stands: from a build whose code has a bug to the one that we have, and back. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startProcess, type ServerProcess } from '../crash/server-process.ts';
import { clientOf, eventually, type Client } from '../flow/client.ts';

const test = suite('README: a view that was wrong');
const root = resolve(import.meta.dirname, '..', '..', '..');
const build = join(root, 'build');

/** The build with a view that forgets what is reserved, as the version before. */
const mistaken = (folder: string): string => {
  const copy = join(folder, 'build');
  for (const part of [
    'adapters',
    'api',
    'compose',
    'consumers',
    'domain',
    'ports',
    'projections',
    'runtime',
    'shop',
  ])
    cpSync(join(build, part), join(copy, part), { recursive: true });
  cpSync(join(build, 'main.js'), join(copy, 'main.js'));
  for (const beside of ['node_modules', 'package.json'])
    symlinkSync(join(root, beside), join(folder, beside));
  const file = join(copy, 'projections', 'stock-levels.js');
  const code = readFileSync(file, 'utf8');
  const [, version] = /version: (\d+),/.exec(code) ?? [];
  const broken = code
    .replace(/version: \d+,/, `version: ${Number(version) - 1},`)
    .replace('levels.onHand - levels.reserved', 'levels.onHand');
  assert.is(broken.length, code.length - ' - levels.reserved'.length);
  writeFileSync(file, broken);
  return join(copy, 'main.js');
};

const started = new Set<ServerProcess>();
test.after.each(async () => {
  for (const server of started) await server.end('SIGKILL');
  started.clear();
});

test('compared, filled, switched to by the new version, gone back from by the old one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-mended-'));
  const variables = {
    PORT: '0',
    SEED: 'none',
    DATA_DIR: join(folder, 'data'),
    SIM_PAYMENT_LATENCY_MS: '1',
    SIM_WAREHOUSE_LATENCY_MS: '3600000',
  };
  const start = async (main?: string): Promise<Client> => {
    const server = startProcess(variables, [], main);
    started.add(server);
    return clientOf(await server.url);
  };
  const stop = async (): Promise<void> => {
    for (const server of started) assert.is((await server.end('SIGTERM')).code, 0, server.errors());
    started.clear();
  };
  const run = (line: string): Promise<Readonly<{ status: number; out: string }>> =>
    new Promise((done) => {
      const [, script = '', args = ''] = /^npm run (\w+) -- ([^#]*)/.exec(line) ?? [];
      execFile(
        process.execPath,
        [join(build, 'scripts', `${script}.js`), ...args.trim().split(' ')],
        { env: { PATH: process.env.PATH ?? '', ...variables } },
        (error, out, err) =>
          done({ status: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out: out + err }),
      );
    });
  const available = async (client: Client): Promise<unknown> => {
    const { items } = await client.ok('GET', '/stock?below=1000');
    return items.find(({ sku }: any) => sku === 'MUG')?.available;
  };
  const view = async (client: Client): Promise<any> =>
    (await client.ok('GET', '/ops/projections')).items.find(({ name }: any) => name === 'stock-levels');

  try {
    const [, block = ''] =
      /<!-- mended -->\n```sh\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
    const [compare = '', fill = '', restart = ''] = block.split('\n');
    const main = mistaken(folder);
    const old = await start(main);
    await old.product('MUG', 100);
    for (let i = 0; i < 3; i++) await old.place([{ sku: 'MUG', quantity: 2 }]);
    await eventually('all to be set aside', async () => (await old.ok('GET', '/stock/MUG')).reserved === 6);
    await eventually('the view to have them', async () => (await view(old)).lag.events === 0);
    assert.is(await available(old), 100, 'that is the bug');

    const compared = await run(compare);
    assert.is(compared.status, 1, compared.out);
    assert.match(compared.out, /^MUG: different\n {4}\/doc\/available: 100 in \S+, 94 in \S+$/m);
    assert.match(compared.out, /1 differ/);
    assert.is((await view(old)).build, undefined, 'nothing is changed');
    const filled = await run(fill);
    assert.is(filled.status, 0, filled.out);
    assert.is(await available(old), 100);
    await old.place([{ sku: 'MUG', quantity: 1 }]);
    await eventually('it to be set aside', async () => (await old.ok('GET', '/stock/MUG')).reserved === 7);

    await stop();
    assert.match(restart, /^npm start /);
    const mended = await start();
    const built = /^(\S+) is built/.exec(filled.out)?.[1];
    await eventually('readers to see it', async () => (await view(mended)).view === built);
    assert.is(await available(mended), 93);

    await stop();
    const back = await start(main);
    await eventually('readers to see the old one', async () => (await view(back)).previous === built);
    assert.match((await view(back)).view, /\+1$/);
    assert.is(await available(back), 100);
    await stop();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();

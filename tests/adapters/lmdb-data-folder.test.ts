import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DataFolderError, openDataFolder, parseKey } from '../../adapters/lmdb/data-folder.ts';
import { child, newFolder } from './sqlite-folder.ts';

const test = suite<{ folder: string; remove(): void }>('data folder');
test.before.each((context) => void Object.assign(context, newFolder()));
test.after.each(({ remove }) => remove());

const refused = async (path: string, ...words: readonly string[]): Promise<void> => {
  const error = await openDataFolder(path, { lock: true }).then(
    (opened) => opened.close(),
    (thrown: unknown) => thrown,
  );
  assert.instance(error, DataFolderError);
  for (const word of [path, ...words])
    assert.ok((error as Error).message.includes(word), (error as Error).message);
};

test('is made at the first start, with keys that stay and that nobody else may read', async ({ folder }) => {
  const path = join(folder, 'new', 'data');
  const first = await openDataFolder(path, { lock: true });
  const [master, secret] = [first.masterKey(), first.secret('webhooks')];
  assert.equal([master.length, secret.length, master.equals(secret)], [32, 32, false]);
  assert.ok(first.secret('webhooks').equals(secret));
  if (process.platform !== 'win32') assert.is(statSync(join(path, 'keys', 'master.key')).mode & 0o777, 0o600);
  await first.close();
  const again = await openDataFolder(path, { lock: true });
  assert.ok(again.masterKey().equals(master) && again.secret('webhooks').equals(secret));
  assert.equal(again.masterKey('07'.repeat(32)), Buffer.alloc(32, 7));
  assert.equal(again.masterKey(Buffer.alloc(32, 7).toString('base64')), Buffer.alloc(32, 7));
  assert.throws(() => again.masterKey('short'), /MASTER_KEY/);
  assert.throws(
    () => again.secret('../master'),
    (error: unknown) => error instanceof RangeError,
  );
  await again.close();
  assert.equal(JSON.parse(readFileSync(join(path, 'format.json'), 'utf8')), { format: 2 });
  assert.equal(readdirSync(path).sort(), ['format.json', 'keys', 'owner'], 'nothing left lying about');
});

test('reads keys as hex and as base64, and nothing else', () => {
  const key = Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - i));
  for (const text of [
    key.toString('hex'),
    key.toString('hex').toUpperCase(),
    key.toString('base64'),
    key.toString('base64url'),
    `${key.toString('hex')}\n`,
  ])
    assert.equal(parseKey(text, 'K'), key);
  for (const text of ['', 'x'.repeat(64), key.toString('hex').slice(1), key.subarray(1).toString('base64')])
    assert.throws(
      () => parseKey(text, 'K'),
      (error: unknown) => error instanceof DataFolderError,
    );
});

test('an older or newer format, a broken record and a file in its place are refused and left as they are', async ({
  folder,
}) => {
  for (const text of ['{"format":1}', '{"format":33}', 'not json', '{}', 'null']) {
    const path = join(folder, `f${text.length}`);
    mkdirSync(path);
    writeFileSync(join(path, 'format.json'), text);
    await refused(path, text.replace(/\D/g, '') ? `format ${text.replace(/\D/g, '')}` : 'format.json');
    assert.equal(
      [readdirSync(path), readFileSync(join(path, 'format.json'), 'utf8')],
      [['format.json'], text],
    );
  }
  const file = join(folder, 'file');
  writeFileSync(file, 'mine');
  await refused(file, 'is not a folder');
  assert.is(readFileSync(file, 'utf8'), 'mine');
});

test('a folder that cannot be written is refused', async ({ folder }) => {
  const path = join(folder, 'ro');
  mkdirSync(path);
  chmodSync(path, 0o500);
  let writable = true;
  try {
    accessSync(path, constants.W_OK);
  } catch {
    writable = false;
  }
  if (writable) console.log('NOTE this user may write everywhere: the read-only folder is not tested');
  else await refused(path, 'may not be read or written');
  // What no user can write:
  if (existsSync('/proc/self')) await refused('/proc', 'cannot be used');
});

test('one server at a time; scripts beside it; free again after close', async ({ folder }) => {
  const server = await openDataFolder(folder, { lock: true });
  await refused(folder, 'in use', String(process.pid));
  const script = await openDataFolder(folder, { lock: false });
  await script.close();
  const other = child('lock', folder);
  assert.is(await other.told(), 'DataFolderError');
  await other.ended;
  await server.close();
  const next = child('lock', folder);
  assert.is(await next.told(), 'locked');
  next.process.send('stop');
  assert.is(await next.told(), 'released');
  await next.ended;
});

test('the lock dies with its process, and one of several starters takes it over', async ({ folder }) => {
  for (const path of [folder, join(folder, 'a-path-too-long-for-the-name-of-a-socket'.repeat(4))]) {
    const first = child('lock', path);
    assert.is(await first.told(), 'locked');
    await refused(path, 'in use', String(first.process.pid));
    first.process.kill('SIGKILL');
    await first.ended;
    const starters = Array.from({ length: 4 }, () => child('lock', path));
    const outcomes = await Promise.all(starters.map((starter) => starter.told()));
    assert.equal(outcomes.sort(), ['DataFolderError', 'DataFolderError', 'DataFolderError', 'locked']);
    for (const starter of starters)
      if (starter.process.connected) starter.process.send('stop', () => undefined);
    await Promise.all(starters.map(({ ended }) => ended));
    assert.not(
      readdirSync(path).some((name) => name.endsWith('.sock')),
      'no socket is left',
    );
  }
});

test('two that found the same dead owner do not both take its place', async ({ folder }) => {
  const first = child('lock', folder);
  assert.is(await first.told(), 'locked');
  first.process.kill('SIGKILL');
  await first.ended;
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => openDataFolder(folder, { lock: true })));
  const locked = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  assert.is(locked.length, 1);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert.instance(outcome.reason, DataFolderError);
  await locked[0]!.close();
});

test('processes that start together get the same keys', async ({ folder }) => {
  const both = await Promise.all([
    openDataFolder(folder, { lock: false }),
    openDataFolder(folder, { lock: false }),
  ]);
  assert.ok(both[0].masterKey().equals(both[1].masterKey()));
  await Promise.all(both.map((one) => one.close()));
});
test.run();

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
import * as assert from 'uvu/assert';
import { DataFolderError, openDataFolder, parseKey } from '../../adapters/data-folder.ts';
import { folderSuite } from './sqlite-folder.ts';

const test = folderSuite('data folder');

const refused = (path: string, ...words: readonly string[]): void => {
  let error: unknown;
  try {
    openDataFolder(path);
  } catch (thrown) {
    error = thrown;
  }
  assert.instance(error, DataFolderError);
  for (const word of [path, ...words])
    assert.ok((error as Error).message.includes(word), (error as Error).message);
};

test('is made at the first start, with keys that stay and that nobody else may read', async ({ folder }) => {
  const path = join(folder, 'new', 'data');
  const first = openDataFolder(path);
  const [master, secret] = [first.masterKey(), first.secret('webhooks')];
  assert.equal([master.length, secret.length, master.equals(secret)], [32, 32, false]);
  assert.ok(first.secret('webhooks').equals(secret));
  if (process.platform !== 'win32') assert.is(statSync(join(path, 'keys', 'master.key')).mode & 0o777, 0o600);
  const again = openDataFolder(path);
  assert.ok(again.masterKey().equals(master) && again.secret('webhooks').equals(secret));
  assert.equal(again.masterKey('07'.repeat(32)), Buffer.alloc(32, 7));
  assert.equal(again.masterKey(Buffer.alloc(32, 7).toString('base64')), Buffer.alloc(32, 7));
  assert.throws(() => again.masterKey('short'), /MASTER_KEY/);
  assert.throws(
    () => again.secret('../master'),
    (error: unknown) => error instanceof RangeError,
  );
  assert.equal(JSON.parse(readFileSync(join(path, 'format.json'), 'utf8')), { format: 2 });
  assert.equal(readdirSync(path).sort(), ['format.json', 'keys'], 'nothing left lying about');
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
    refused(path, text.replace(/\D/g, '') ? `format ${text.replace(/\D/g, '')}` : 'format.json');
    assert.equal(
      [readdirSync(path), readFileSync(join(path, 'format.json'), 'utf8')],
      [['format.json'], text],
    );
  }
  const file = join(folder, 'file');
  writeFileSync(file, 'mine');
  refused(file, 'is not a folder');
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
  else refused(path, 'may not be read or written');
  // What no user can write:
  if (existsSync('/proc/self')) refused('/proc', 'cannot be used');
});

test('processes that share it get the same keys', ({ folder }) => {
  const both = [openDataFolder(folder), openDataFolder(folder)] as const;
  assert.ok(both[0].masterKey().equals(both[1].masterKey()));
});
test.run();

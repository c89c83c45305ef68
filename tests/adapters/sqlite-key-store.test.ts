import * as assert from 'uvu/assert';
import { join } from 'node:path';
import { openSqliteKeyStore } from '../../adapters/sqlite/key-store.ts';
import { openVault } from '../../adapters/vault-crypto.ts';
import type { Sealed } from '../../domain/kernel.ts';
import { ERASED, VaultUnavailable, type Vault } from '../../ports/vault.ts';
import { vaultContract } from '../contracts/vault.ts';
import { child, newFolder, folderSuite } from './sqlite-folder.ts';

const masterKey = Buffer.alloc(32, 7);
const openAt = (folder: string, key = masterKey): Promise<Vault> =>
  openVault(openSqliteKeyStore({ path: join(folder, 'keys.db') }), key);
vaultContract('sqlite', async () => {
  const { folder, remove } = newFolder();
  const vault = await openAt(folder);
  return { port: vault, close: () => vault.close().finally(remove) };
});

const test = folderSuite('vault: sqlite alone');

test('keys outlive the process, under the same master key alone', async ({ folder }) => {
  const first = await openAt(folder);
  const sealed = await first.seal('customer-1', 'secret');
  await first.close();
  const wrong = await openAt(folder, Buffer.alloc(32, 8)).catch((error: unknown) => error);
  assert.instance(wrong, VaultUnavailable);
  const vault = await openAt(folder);
  assert.is(await vault.open(sealed), 'secret');
  await vault.close();
  assert.instance(await vault.open(sealed).catch((error: unknown) => error), VaultUnavailable);
});

test('a key that somebody else replaced is used no more', async ({ folder }) => {
  const [here, elsewhere] = [await openAt(folder), await openAt(folder)];
  const old = await here.seal('customer-1', 'old');
  await elsewhere.erase('customer-1');
  const anew = await elsewhere.seal('customer-1', 'new');
  assert.is((await here.seal('customer-1', 'newer')).key, anew.key);
  assert.equal([await here.open(old), await here.open(anew)], [ERASED, 'new']);
  await Promise.all([here.close(), elsewhere.close()]);
});

test('processes that seal first at once share one key, and an erasure by one counts in all', async ({
  folder,
}) => {
  const both = [child('seal', folder, 'x'), child('seal', folder, 'y')];
  await Promise.all(both.map((one) => one.told()));
  for (const one of both) one.process.send('go');
  const sealed = (await Promise.all(both.map((one) => one.told()))) as Sealed[];
  assert.is(sealed[0]!.key, sealed[1]!.key);
  const vault = await openAt(folder);
  assert.equal(await Promise.all(sealed.map((one) => vault.open(one))), ['x', 'y']);
  for (const one of both) {
    one.process.send('erase');
    assert.is(await one.told(), 'erased');
    assert.is(await vault.open(sealed[0]!), ERASED);
  }
  await Promise.all(both.map(({ ended }) => ended));
  await vault.close();
});
test.run();

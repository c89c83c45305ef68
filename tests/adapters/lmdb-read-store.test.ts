import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLmdbReadStore } from '../../adapters/lmdb/read-store.ts';
import { at, readStoreContract } from '../contracts/read-store.ts';
import { inFolder, newFolder } from './lmdb-folder.ts';

readStoreContract('lmdb', async () => {
  const { adapter, close } = await inFolder((folder) => openLmdbReadStore({ folder }));
  return { store: adapter, close };
});

const test = suite('read store: lmdb alone');
test('a reopened store has rows, keys, checkpoint and what is active', async () => {
  const { folder, remove } = newFolder();
  const first = openLmdbReadStore({ folder });
  await first.commit('v@1+1', undefined, [{ id: 'a', doc: 1, keys: { by: [['k']] } }], at(5));
  await first.activate('v', 'v@1+1');
  await first.close();
  const store = openLmdbReadStore({ folder });
  assert.equal([await store.get('v@1+1', 'a'), await store.checkpoint('v@1+1'), await store.active('v')], [1, at(5), 'v@1+1']);
  await store.commit('v@1+1', at(5), [{ id: 'a', doc: 2, keys: {} }], at(6));
  assert.equal((await store.find('v@1+1', { index: 'by', prefix: [], limit: 10 })).rows, []);
  await store.close();
  remove();
});
test.run();

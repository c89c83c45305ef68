import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLmdbBookkeeping } from '../../adapters/lmdb/bookkeeping.ts';
import { bookkeepingContract } from '../contracts/bookkeeping.ts';
import { inFolder, newFolder } from './sqlite-folder.ts';

bookkeepingContract('lmdb', async () => {
  const { adapter, close } = await inFolder((folder) => openLmdbBookkeeping({ folder }));
  return { books: adapter, close };
});

const test = suite('bookkeeping: lmdb alone');
test('what was asked for before close is there after reopening', async () => {
  const { folder, remove } = newFolder();
  const first = openLmdbBookkeeping({ folder });
  const saved = first.saveCheckpoint('mail', 'all', undefined, '7');
  const scheduled = first.schedule('expiry', 'a', '2026-01-01T00:00:00.000Z');
  await first.close();
  assert.is(await saved, true);
  await scheduled;
  const books = openLmdbBookkeeping({ folder });
  assert.is(await books.checkpoint('mail', 'all'), '7');
  assert.is((await books.due('expiry', '2026-01-02T00:00:00.000Z', 9)).length, 1);
  await books.close();
  remove();
});
test.run();

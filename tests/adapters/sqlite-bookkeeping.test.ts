import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openSqliteBookkeeping } from '../../adapters/sqlite/bookkeeping.ts';
import { openSqliteKeyStore } from '../../adapters/sqlite/key-store.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { blockedLanesContract } from '../contracts/blocked-lanes.ts';
import { checkpointsContract } from '../contracts/checkpoints.ts';
import { controlsContract } from '../contracts/controls.ts';
import { keyStoreContract } from '../contracts/key-store.ts';
import { leasesContract } from '../contracts/leases.ts';
import type { Make } from '../contracts/making.ts';
import { scheduleContract } from '../contracts/schedule.ts';
import { snapshotsContract } from '../contracts/snapshots.ts';
import { newFolder, folderSuite } from './sqlite-folder.ts';

type Books = ReturnType<typeof openSqliteBookkeeping>;
const openAt = (folder: string, store = 's1'): Books =>
  openSqliteBookkeeping({ path: join(folder, 'bookkeeping.db'), store });
/** One port of the bookkeeping in a folder of its own. */
const made =
  <P>(pick: (books: Books) => P): Make<P> =>
  async () => {
    const { folder, remove } = newFolder();
    const books = openAt(folder);
    return { port: pick(books), close: () => books.close().finally(remove) };
  };

checkpointsContract('sqlite', async () => {
  const { folder, remove } = newFolder();
  const opened: Books[] = [];
  const of = async (store: string) => {
    const books = openAt(folder, store);
    opened.push(books);
    return books.checkpoints;
  };
  const close = async (): Promise<void> => {
    for (const books of opened) await books.close();
    remove();
  };
  return { port: { of }, close };
});
leasesContract(
  'sqlite',
  made(({ leases }) => leases),
);
controlsContract(
  'sqlite',
  made(({ controls }) => controls),
);
blockedLanesContract(
  'sqlite',
  made(({ blockedLanes }) => blockedLanes),
);
scheduleContract(
  'sqlite',
  made(({ schedule }) => schedule),
);
snapshotsContract(
  'sqlite',
  made(({ snapshots }) => snapshots),
);
keyStoreContract('sqlite', async () => {
  const { folder, remove } = newFolder();
  const store = openSqliteKeyStore({ path: join(folder, 'keys.db') });
  return { port: store, close: () => store.close().finally(remove) };
});

const test = folderSuite('bookkeeping: sqlite alone');

test('what was asked for before close is there after reopening', async ({ folder }) => {
  const first = openAt(folder);
  const saved = first.checkpoints.save('mail', 'all', undefined, '7');
  const scheduled = first.schedule.set('expiry', 'a', '2026-01-01T00:00:00.000Z');
  await first.close();
  assert.is(await saved, true);
  await scheduled;
  const books = openAt(folder);
  assert.is(await books.checkpoints.get('mail', 'all'), '7');
  assert.is((await books.schedule.due('expiry', '2026-01-02T00:00:00.000Z', 9)).length, 1);
  await books.close();
  const closed = await books.checkpoints.get('mail', 'all').catch((error: unknown) => error);
  assert.instance(closed, StoreUnavailable);
});

test('a snapshot of another event store is none', async ({ folder }) => {
  const [ours, theirs] = [openAt(folder, 's1'), openAt(folder, 's2')];
  await ours.snapshots.save('stock-x', 'stock@1', { revision: 1, state: {}, previousHash: '', at: '' });
  assert.is(await theirs.snapshots.get('stock-x', 'stock@1'), undefined);
  await Promise.all([ours.close(), theirs.close()]);
});
test.run();

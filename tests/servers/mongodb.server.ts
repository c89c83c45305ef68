import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openMongoBookkeeping } from '../../adapters/mongodb/bookkeeping.ts';
import { openMongoKeyStore } from '../../adapters/mongodb/key-store.ts';
import { openMongoReadStore } from '../../adapters/mongodb/read-store.ts';
import { systemClock } from '../../adapters/system.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { ReadStore } from '../../ports/read-store.ts';
import { blockedLanesContract } from '../contracts/blocked-lanes.ts';
import { checkpointsContract } from '../contracts/checkpoints.ts';
import { controlsContract } from '../contracts/controls.ts';
import { keyStoreContract } from '../contracts/key-store.ts';
import { leasesContract } from '../contracts/leases.ts';
import type { Make } from '../contracts/making.ts';
import { readStoreContract } from '../contracts/read-store.ts';
import { scheduleContract } from '../contracts/schedule.ts';
import { snapshotsContract } from '../contracts/snapshots.ts';
import { startMongoDb } from './mongodb-server.ts';

const server = await startMongoDb();
type Books = ReturnType<typeof openMongoBookkeeping>;
const openAt = (url: string, store = 's1'): Books => openMongoBookkeeping({ url, store, clock: systemClock });
const openViews = (url: string, store = 's1'): ReadStore =>
  openMongoReadStore({ url, store, clock: systemClock });
/** One port of the bookkeeping in a database of its own. */
const made =
  <P>(pick: (books: Books) => P): Make<P> =>
  async () => {
    const { close, ...books } = openAt(server.another());
    return { port: pick({ close, ...books }), close };
  };

checkpointsContract('mongodb', async () => {
  const url = server.another();
  const opened: Books[] = [];
  const of = async (store: string) => {
    const books = openAt(url, store);
    opened.push(books);
    return books.checkpoints;
  };
  const close = async (): Promise<void> => {
    for (const books of opened) await books.close();
  };
  return { port: { of }, close };
});
leasesContract(
  'mongodb',
  made(({ leases }) => leases),
);
controlsContract(
  'mongodb',
  made(({ controls }) => controls),
);
blockedLanesContract(
  'mongodb',
  made(({ blockedLanes }) => blockedLanes),
);
scheduleContract(
  'mongodb',
  made(({ schedule }) => schedule),
);
snapshotsContract(
  'mongodb',
  made(({ snapshots }) => snapshots),
);
keyStoreContract('mongodb', async () => {
  const store = openMongoKeyStore({ url: server.another(), beside: true, clock: systemClock });
  return { port: store, close: () => store.close() };
});
readStoreContract(
  'mongodb',
  async () => {
    const store = openViews(server.another());
    return { port: store, close: () => store.close() };
  },
  { together: false },
);

const test = suite('mongodb alone');
test.after(() => server.close());

test('a snapshot of another event store is none', async () => {
  const url = server.another();
  const [ours, theirs] = [openAt(url, 's1'), openAt(url, 's2')];
  await ours.snapshots.save('stock-x', 'stock@1', { revision: 1, state: {}, previousHash: '', at: '' });
  assert.is(await theirs.snapshots.get('stock-x', 'stock@1'), undefined);
  await Promise.all([ours.close(), theirs.close()]);
  assert.instance(
    await ours.checkpoints.get('mail', 'all').catch((error: unknown) => error),
    StoreUnavailable,
  );
});
test.run();

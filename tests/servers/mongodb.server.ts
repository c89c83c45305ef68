import { Collection, MongoClient } from 'mongodb';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openMongoBookkeeping } from '../../adapters/mongodb/bookkeeping.ts';
import { openMongoKeyStore } from '../../adapters/mongodb/key-store.ts';
import { openMongoReadStore } from '../../adapters/mongodb/read-store.ts';
import { systemClock } from '../../adapters/system.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { ReadStore, Row } from '../../ports/read-store.ts';
import { blockedLanesContract } from '../contracts/blocked-lanes.ts';
import { checkpointsContract } from '../contracts/checkpoints.ts';
import { controlsContract } from '../contracts/controls.ts';
import { keyStoreContract } from '../contracts/key-store.ts';
import { leasesContract } from '../contracts/leases.ts';
import type { Make } from '../contracts/making.ts';
import { readStoreContract } from '../contracts/read-store.ts';
import { scheduleContract } from '../contracts/schedule.ts';
import { snapshotsContract } from '../contracts/snapshots.ts';
import { at, commit, row, SHAPE, VIEW } from '../contracts/views.ts';
import { until } from '../fake-clock.ts';
import { thrown } from '../thrown.ts';
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
  assert.instance(await thrown(ours.checkpoints.get('mail', 'all')), StoreUnavailable);
});

test('keys that MongoDB would read something into are kept as they are', async () => {
  const store = openViews(server.another());
  await store.make(VIEW, SHAPE);
  const doc = { 'a.b': { $set: 1 }, '%2E': ['$', { '': null }], '\0': 0, n: 2 ** 40, f: 1.5 };
  await commit(store, 0, 1, [row('a.$b', { state: 'a.b' }, 1, doc)]);
  assert.equal(await store.get(VIEW, 'a.$b'), doc);
  assert.instance(
    await thrown(store.make('other@1+1', { columns: { _at: 'text' }, indexes: {} })),
    TypeError,
  );
  await store.close();
});

test('of several processes that make a build at once one does', async () => {
  const url = server.another();
  const stores = Array.from({ length: 4 }, () => openViews(url));
  await Promise.all(stores.map((store) => store.make(VIEW, SHAPE)));
  await commit(stores[0]!, 0, 1, [row('a', {})]);
  for (const store of stores) assert.equal(await store.get(VIEW, 'a'), { id: 'a' });
  const client = new MongoClient(url);
  const names = (await client.db().listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
  assert.is(names.filter((name) => name.startsWith(VIEW)).length, 1, names.join());
  await client.close();
  await Promise.all(stores.map((store) => store.close()));
});

test('a build that is dropped while another process activates it is either live or gone', async () => {
  const url = server.another();
  const [one, other] = [openViews(url), openViews(url)];
  await one.make(VIEW, SHAPE);
  await one.activate('orders', VIEW, undefined);
  const outcomes = new Set<string>();
  for (let n = 2; n < 32; n++) {
    const next = `orders@1+${n}`;
    await one.make(next, SHAPE);
    const seen = await one.active('orders');
    const late = Array.from({ length: n % 6 }, () => other.active('orders'));
    const [dropped, activated] = await Promise.all([
      thrown(one.drop(next)),
      Promise.all(late).then(() => other.activate('orders', next, seen)),
    ]);
    const isLive = (await one.active('orders'))?.view === next;
    const isThere = (await one.builds('orders')).some(({ view }) => view === next);
    assert.is(isThere, isLive, `${activated}, ${String(dropped)}`);
    assert.is(dropped instanceof RangeError, isLive);
    outcomes.add(isLive ? 'live' : 'gone');
  }
  console.log(`\nNOTE builds that were dropped and activated at once: ${[...outcomes].join(' and ')}`);
  await Promise.all([one.close(), other.close()]);
});

test('who was paused in the middle of a commit, and is replaced, moves nothing on and overwrites nothing', async () => {
  const url = server.another();
  const [paused, next] = [openViews(url), openViews(url)];
  await paused.make(VIEW, SHAPE);
  const by = (store: ReadStore, token: number, from: number, to: number, rows: readonly Row[]) =>
    store.commit(VIEW, {
      from: from === 0 ? undefined : at(from),
      to: at(to),
      rows,
      fence: { lease: 'view:orders', token },
    });
  assert.is(await by(paused, 1, 0, 1, [row('a', {}, 1, 1)]), 'committed');
  const { bulkWrite } = Collection.prototype;
  let goOn: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => (goOn = resolve));
  Collection.prototype.bulkWrite = async function (this: Collection, ...args) {
    Collection.prototype.bulkWrite = bulkWrite;
    await waiting;
    return bulkWrite.apply(this, args);
  } as typeof bulkWrite;
  const late = by(paused, 1, 1, 2, [row('a', {}, 2, 'late'), row('b', {}, 9, 'late')]);
  await until('it is about to write', () => Collection.prototype.bulkWrite === bulkWrite);
  assert.is(await by(next, 2, 1, 3, [row('a', {}, 3, 'next'), row('b', {}, 3, 'next')]), 'committed');
  goOn();
  assert.is(await late, 'stale');
  assert.equal([await next.get(VIEW, 'a'), await next.get(VIEW, 'b')], ['next', 'next']);
  assert.is(await next.checkpoint(VIEW), at(3));
  await Promise.all([paused.close(), next.close()]);
});

test('a server that is away, or hangs, is said to be so, and asked again when it is back', async () => {
  const own = await startMongoDb();
  const opened: Books[] = [];
  const openOwn = (): Books => {
    const books = openAt(own.url);
    opened.push(books);
    return books;
  };
  try {
    if (!own.process) return;
    const books = openOwn();
    await books.checkpoints.save('mail', 'all', undefined, '7');
    const asked = async (): Promise<string> => String(await thrown(books.checkpoints.get('mail', 'all')));
    // How it is noticed differs: a call may be just being written.
    for (let times = 0; times < 10; times++) {
      await own.process.kill();
      assert.match(await asked(), /^StoreUnavailable: the bookkeeping on MongoDB cannot be reached/);
      await own.process.start();
      assert.is(await books.checkpoints.get('mail', 'all'), '7');
    }
    own.process.freeze();
    assert.match(await asked(), /cannot be reached: no answer in 5000 ms/);
    await books.close();
    own.process.thaw();
    assert.is(await openOwn().checkpoints.get('mail', 'all'), '7');
  } finally {
    own.process?.thaw();
    for (const books of opened) await books.close();
    await own.close();
  }
});
test.run();

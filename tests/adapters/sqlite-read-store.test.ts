import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openConnection } from '../../adapters/sqlite/driver.ts';
import { openSqliteReadStore } from '../../adapters/sqlite/read-store.ts';
import { systemClock } from '../../adapters/system.ts';
import { OtherStore } from '../../ports/event-store.ts';
import type { ReadStore } from '../../ports/read-store.ts';
import { readStoreContract } from '../contracts/read-store.ts';
import { at, commit, row, SHAPE, VIEW } from '../contracts/views.ts';
import { until } from '../fake-clock.ts';
import { child, newFolder, folderSuite } from './sqlite-folder.ts';
import { KILL_ROWS, RACE_COMMITS } from './sqlite-child.ts';

const openAt = (folder: string, store = 's1'): ReadStore =>
  openSqliteReadStore({ path: join(folder, 'views.db'), store, clock: systemClock });

readStoreContract('sqlite', async () => {
  const { folder, remove } = newFolder();
  const store = openAt(folder);
  return { port: store, close: () => store.close().finally(remove) };
});

const test = folderSuite('read store: sqlite alone');

test('a reopened store has rows, columns, checkpoint and what is active', async ({ folder }) => {
  const first = openAt(folder);
  await first.make(VIEW, SHAPE);
  await commit(first, 0, 5, [row('a', { state: 'k' }, 5, 1)]);
  await first.activate('orders', VIEW, undefined);
  await first.close();
  const store = openAt(folder);
  assert.equal(
    [await store.get(VIEW, 'a'), await store.checkpoint(VIEW), await store.active('orders')],
    [1, at(5), { view: VIEW }],
  );
  const { rows } = await store.find(VIEW, { index: 'state', prefix: ['k'], limit: 10 });
  assert.equal(
    rows.map(({ id }) => id),
    ['a'],
  );
  await store.close();
});

test('a person finds the rows that are read under the view`s own name, with its columns', async ({
  folder,
}) => {
  const store = openAt(folder);
  const name = 'customer-orders';
  for (const build of [1, 2]) {
    const view = `${name}@1+${build}`;
    await store.make(view, SHAPE);
    await commit(store, 0, 1, [row('a', { amount: build, sku: ['x', 'y'] }), row('b', {}, 1, null)], view);
    await store.activate(name, view, await store.active(name));
    const person = openConnection(join(folder, 'views.db'));
    assert.equal(
      { ...person.prepare('select id, amount, sku from customer_orders').get() },
      {
        id: 'a',
        amount: build,
        sku: '["x","y"]',
      },
    );
    assert.is(person.prepare('select id from customer_orders').all().length, 1, 'removed rows are not shown');
    person.close();
  }
  await store.close();
});

test('a build of another event store is refused with a sentence', async ({ folder }) => {
  const [ours, theirs] = [openAt(folder), openAt(folder, 's2')];
  await ours.make(VIEW, SHAPE);
  for (const use of [
    () => theirs.get(VIEW, 'a'),
    () => theirs.checkpoint(VIEW),
    () => commit(theirs, 0, 1, []),
  ]) {
    const error = await use().catch((thrown: unknown) => thrown);
    assert.instance(error, OtherStore);
    assert.match((error as Error).message, `the view ${VIEW} belongs to the event store s1`);
  }
  await Promise.all([ours.close(), theirs.close()]);
});

test('what another process commits is heard of within moments', async ({ folder }) => {
  const [here, elsewhere] = [openAt(folder), openAt(folder)];
  await here.make(VIEW, SHAPE);
  let heard = 0;
  const stop = here.onChange(() => void (heard += 1));
  await until('the first look', () => heard === 1);
  await commit(elsewhere, 0, 1, [row('a', {})]);
  await until('the commit', () => heard > 1);
  assert.equal(await here.get(VIEW, 'a'), { id: 'a' });
  stop();
  await Promise.all([here.close(), elsewhere.close()]);
});

test('of two processes that race for a view exactly one wins each commit, and no index entry is left behind', async ({
  folder,
}) => {
  const racers = ['a', 'b'].map((name) => child('race', folder, name));
  await Promise.all(racers.map((racer) => racer.told()));
  for (const racer of racers) racer.process.send('go');
  const [a = [], b = []] = (await Promise.all(racers.map((racer) => racer.told()))) as number[][];
  await Promise.all(racers.map(({ ended }) => ended));
  assert.equal(
    [...a, ...b].sort((x, y) => x - y),
    Array.from({ length: RACE_COMMITS }, (_, i) => i + 1),
  );

  const store = openAt(folder);
  const { rows, checkpoint } = await store.scan<{ by: string }>(VIEW, { limit: 1_000 });
  assert.is(checkpoint, at(RACE_COMMITS));
  assert.is(rows.length, RACE_COMMITS + 1);
  for (const { id, doc, at: position } of rows)
    assert.ok((doc?.by === 'a' ? a : b).includes(Number(position)), `${id} is of the one that won`);
  const entries = async (index: string): Promise<string[]> =>
    (await store.find(VIEW, { index, prefix: [], limit: 1_000 })).rows.map(({ id }) => id);
  assert.is((await entries('state')).length, RACE_COMMITS + 1);
  assert.equal(await entries('every-sku'), ['hot'], 'entries of the row that was replaced went with it');
  await store.close();
});

test('a process killed in the middle of a commit leaves all of it or nothing', async ({ folder }) => {
  const reached: number[] = [0];
  for (const turns of [0, 6, 50, 300, 1_000, 3_000, Infinity]) {
    await child('kill', folder, String(turns)).ended;
    const store = openAt(folder);
    const n = Number((await store.checkpoint(VIEW)) ?? 0);
    assert.ok(n === reached.at(-1) || n === reached.at(-1)! + 1);
    reached.push(n);
    const { rows } = await store.scan(VIEW, { limit: KILL_ROWS * 2 });
    assert.is(rows.length, n === 0 ? 0 : KILL_ROWS);
    assert.ok(
      rows.every((one) => Number(one.at) === n),
      `rows of one commit after ${turns} turns`,
    );
    for (const index of ['amount', 'every-sku'])
      assert.is(
        (await store.find(VIEW, { index, prefix: [], limit: KILL_ROWS * 2 })).rows.length,
        rows.length,
      );
    await store.close();
  }
  assert.ok(reached.at(-1)! > reached.at(-2)!, 'the last was killed behind its commit');
});
test.run();

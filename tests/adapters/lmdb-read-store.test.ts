import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLmdbReadStore } from '../../adapters/lmdb/read-store.ts';
import { at, readStoreContract, row } from '../contracts/read-store.ts';
import { inFolder, newFolder } from './sqlite-folder.ts';
import { KILL_ROWS, RACE_COMMITS, VIEW } from './lmdb-read-store-child.ts';

const child = (...args: readonly string[]) =>
  fork(
    fileURLToPath(
      new URL(`./lmdb-read-store-child.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
    ),
    args,
  );

readStoreContract('lmdb', async () => {
  const { adapter, close } = await inFolder((folder) => openLmdbReadStore({ folder }));
  return { store: adapter, close };
});

const test = suite('read store: lmdb alone');
test('a reopened store has rows, keys, checkpoint and what is active', async () => {
  const { folder, remove } = newFolder();
  const first = openLmdbReadStore({ folder });
  await first.commit('v@1+1', undefined, [row('a', { by: [['k']] }, 1)], at(5));
  await first.activate('v', 'v@1+1');
  await first.close();
  const store = openLmdbReadStore({ folder });
  assert.equal(
    [await store.get('v@1+1', 'a'), await store.checkpoint('v@1+1'), await store.active('v')],
    [1, at(5), { view: 'v@1+1' }],
  );
  await store.commit('v@1+1', at(5), [row('a', {}, 2)], at(6));
  assert.equal((await store.find('v@1+1', { index: 'by', prefix: [], limit: 10 })).rows, []);
  await store.close();
  remove();
});
test('of two processes that race for a view exactly one wins each commit, and no index entry is left behind', async () => {
  const { folder, remove } = newFolder();
  const racers = ['a', 'b'].map((name) => child('race', folder, name));
  await Promise.all(racers.map((racer) => once(racer, 'message')));
  for (const racer of racers) racer.send('go');
  const [a = [], b = []] = (await Promise.all(racers.map((racer) => once(racer, 'message')))).map(
    ([won]) => won as number[],
  );
  assert.equal(
    [...a, ...b].sort((x, y) => x - y),
    Array.from({ length: RACE_COMMITS }, (_, i) => i + 1),
  );

  const store = openLmdbReadStore({ folder });
  const { rows, checkpoint } = await store.scan<{ by: string }>(VIEW, { limit: 1_000 });
  assert.is(checkpoint, at(RACE_COMMITS));
  assert.is(rows.length, RACE_COMMITS + 1);
  for (const { id, doc, at: position } of rows)
    assert.ok((doc?.by === 'a' ? a : b).includes(Number(position)), `${id} is of the one that won`);
  const entries = async (index: string): Promise<string[]> =>
    (await store.find(VIEW, { index, prefix: [], limit: 1_000 })).rows.map(({ id }) => id);
  assert.is((await entries('by')).length, RACE_COMMITS + 1);
  assert.equal(await entries('both'), ['hot'], 'entries of the row that was replaced went with it');
  await store.close();
  remove();
});

test('a process killed in the middle of a commit leaves all of it or nothing', async () => {
  const { folder, remove } = newFolder();
  const reached: number[] = [0];
  for (const turns of [0, 6, 50, 300, 1_000, 3_000, Infinity]) {
    await once(child('kill', folder, String(turns)), 'exit');
    const store = openLmdbReadStore({ folder });
    const n = Number((await store.checkpoint(VIEW)) ?? 0);
    assert.ok(n === reached.at(-1) || n === reached.at(-1)! + 1);
    reached.push(n);
    const { rows } = await store.scan(VIEW, { limit: KILL_ROWS * 2 });
    assert.is(rows.length, n === 0 ? 0 : KILL_ROWS);
    assert.ok(
      rows.every((one) => Number(one.at) === n),
      `rows of one commit after ${turns} turns`,
    );
    for (const index of ['by', 'also'])
      assert.is(
        (await store.find(VIEW, { index, prefix: [], limit: KILL_ROWS * 2 })).rows.length,
        rows.length,
      );
    await store.close();
  }
  assert.ok(reached.at(-1)! > reached.at(-2)!, 'the last was killed behind its commit');
  remove();
});

test('a drop cut short is finished before the name is used again', async () => {
  const { folder, remove } = newFolder();
  const store = openLmdbReadStore({ folder });
  const many = Array.from({ length: 12_000 }, (_, i) => row(`r${i}`, { by: [[i]] }));
  await store.commit(VIEW, undefined, many, at(1));
  const dropping = store.drop(VIEW);
  while ((await store.checkpoint(VIEW)) !== undefined) await new Promise(setImmediate);
  assert.is(await store.commit(VIEW, undefined, [row('new', { by: [[1]] })], at(1)), 'committed');
  await dropping;
  assert.equal((await store.scan(VIEW, { limit: 10 })).rows, [row('new', { by: [[1]] })]);
  assert.equal(
    (await store.find(VIEW, { index: 'by', prefix: [], limit: 10 })).rows.map(({ id }) => id),
    ['new'],
  );
  await store.close();
  remove();
});

test('refuses a row whose keys are too long, and writes nothing of its commit', async () => {
  const { adapter: store, close } = await inFolder((folder) => openLmdbReadStore({ folder }));
  for (const wrong of [row('a', { by: [['x'.repeat(1_900)]] }), row('é'.repeat(1_000), {})])
    assert.instance(
      await store.commit(VIEW, undefined, [row('first', {}), wrong], at(1)).catch((error: unknown) => error),
      RangeError,
    );
  assert.equal([await store.get(VIEW, 'first'), await store.checkpoint(VIEW)], [undefined, undefined]);
  assert.is(await store.commit(VIEW, undefined, [row('a', { by: [['ü'.repeat(900)]] })], at(1)), 'committed');
  assert.is((await store.find(VIEW, { index: 'by', prefix: [], limit: 1 })).rows.length, 1);
  await close();
});
test.run();

import * as assert from 'uvu/assert';
import type { KeyPart, ReadStore } from '../../ports/read-store.ts';
import { at, commit, found, row, SHAPE, VIEW } from './views.ts';
import { thrown } from '../thrown.ts';

/** What a read store must do with the builds of a view. */
export const buildsOfAView = (
  test: (what: string, act: (store: ReadStore) => Promise<void>) => void,
): void => {
  test('activates a build that has come as far as the active one, if that is still the one seen', async (store) => {
    const [first, second, third] = [VIEW, 'orders@2(Europe/London)+1', 'orders@1+2'];
    for (const view of [second, third]) await store.make(view, SHAPE);
    const activate = async (view: string) => store.activate('orders', view, await store.active('orders'));
    assert.is(await store.active('orders'), undefined);
    assert.is(await activate(third), 'activated', 'where there is nothing to fold');
    assert.equal(await store.active('orders'), { view: third });
    await commit(store, 0, 10, [], first);
    await commit(store, 0, 9, [], second);
    assert.is(await store.activate('orders', first, undefined), 'changed');
    assert.is(await activate(first), 'activated');
    assert.equal(await store.active('orders'), { view: first, previous: third });
    assert.is(await activate(second), 'behind');
    assert.is(await activate(third), 'behind');
    assert.is(await store.activate('orders', second, { view: third }), 'changed');
    assert.equal(await store.active('orders'), { view: first, previous: third });
    await commit(store, 9, 10, [], second);
    assert.is(await activate(second), 'activated');
    assert.equal(await store.active('orders'), { view: second, previous: first });
    assert.is(await activate(second), 'activated', 'once more changes nothing');
    assert.equal(await store.active('orders'), { view: second, previous: first });
    await commit(store, 10, 11, [], second);
    assert.is(await activate(first), 'behind', 'the way back as well');
    await commit(store, 10, 11, [], first);
    assert.is(await activate(first), 'activated');
    assert.equal(await store.active('orders'), { view: first, previous: second });
    assert.is(await store.active('order'), undefined);
  });

  test('lists the builds of a view', async (store) => {
    const others = ['orders@2(Europe/London)+1', 'orders@10+1', 'orders-old@1+1', 'order@1+1'];
    for (const view of others) {
      await store.make(view, SHAPE);
      await commit(store, 0, 5, [], view);
    }
    const builds = [...(await store.builds('orders'))].sort((a, b) => (a.view < b.view ? -1 : 1));
    assert.equal(builds, [
      { view: VIEW, checkpoint: undefined },
      { view: 'orders@10+1', checkpoint: at(5) },
      { view: 'orders@2(Europe/London)+1', checkpoint: at(5) },
    ]);
    await store.drop('orders@10+1');
    assert.equal((await store.builds('orders')).length, 2);
    assert.equal(await store.builds('none'), []);
  });

  test('drops a build, but never the active one', async (store) => {
    const many = Array.from({ length: 2_500 }, (_, i) =>
      row(`r${i}`, { amount: i, day: 'd', sku: ['a', 'b'] }),
    );
    const other = 'orders@1+11';
    await store.make(other, SHAPE);
    await commit(store, 0, 1, many);
    await commit(store, 0, 1, many.slice(0, 3), other);
    await store.activate('orders', VIEW, undefined);
    assert.instance(await thrown(store.drop(VIEW)), RangeError);
    assert.equal([await store.checkpoint(VIEW), await store.get(VIEW, 'r7')], [at(1), { id: 'r7' }]);
    await store.activate('orders', other, { view: VIEW });
    await store.drop(VIEW);
    assert.equal(await store.active('orders'), { view: other }, 'what is gone is nothing to go back to');
    const amounts = { index: 'amount', prefix: [] as KeyPart[] };
    assert.equal(
      [await store.get(VIEW, 'r7'), await store.checkpoint(VIEW), await found(store, amounts)],
      [undefined, undefined, ''],
    );
    assert.is(await found(store, amounts, other), 'r0 r1 r2', 'a build whose name goes on');
    assert.is(await commit(store, 1, 2, []), 'stale');
    await store.make(VIEW, SHAPE);
    assert.is(await commit(store, 0, 1, many.slice(0, 1)), 'committed', 'the name is free again');
    assert.is(await found(store, { index: 'every-sku', prefix: [] }), 'r0 r0');
    await store.drop('never@1+1');
  });
};

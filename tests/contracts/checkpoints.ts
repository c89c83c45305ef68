import * as assert from 'uvu/assert';
import { OtherStore } from '../../ports/event-store.ts';
import type { Checkpoints } from '../../ports/checkpoints.ts';
import { contract, type Make } from './making.ts';

/** What every adapter for checkpoints must do. `of`: the same checkpoints, opened for the event store named. */
export const checkpointsContract = (
  name: string,
  make: Make<Readonly<{ of(store: string): Promise<Checkpoints> }>>,
): void => {
  const { test, run } = contract(`checkpoints: ${name}`, make);

  test('a checkpoint moves only from where it is expected', async ({ of }) => {
    const checkpoints = await of('s1');
    assert.is(await checkpoints.get('payment', 'all'), undefined);
    assert.is(await checkpoints.save('payment', 'all', '1', '2'), false);
    assert.is(await checkpoints.save('payment', 'all', undefined, ''), true);
    assert.is(await checkpoints.save('payment', 'all', undefined, '9'), false);
    assert.is(await checkpoints.get('payment', 'all'), '');
    const moved = await Promise.all(['a', 'b', 'c'].map((to) => checkpoints.save('payment', 'all', '', to)));
    assert.is(moved.filter(Boolean).length, 1);
    assert.is(await checkpoints.get('payment', 'all'), ['a', 'b', 'c'][moved.indexOf(true)]);
    assert.is(await checkpoints.get('payment', 'other'), undefined);
    assert.is(await checkpoints.get('mail', 'all'), undefined);
  });

  test('a lower token than the highest so far is refused', async ({ of }) => {
    const checkpoints = await of('s1');
    const by = (token: number, lease = 'consume:mail') => ({ lease, token });
    assert.is(await checkpoints.save('mail', 'all', undefined, '1', by(2)), true);
    assert.is(await checkpoints.save('mail', 'all', '1', '2', by(1)), false);
    assert.is(await checkpoints.get('mail', 'all'), '1');
    assert.is(await checkpoints.save('mail', 'all', '1', '2', by(2)), true);
    assert.is(
      await checkpoints.save('mail', 'all', '2', '3', by(1, 'another')),
      true,
      'each lease for itself',
    );
    assert.is(await checkpoints.save('mail', 'all', '3', '4', by(3)), true);
    assert.is(await checkpoints.save('mail', 'all', '4', '5', by(2)), false);
  });

  test('what belongs to another event store is refused with a sentence', async ({ of }) => {
    await (await of('s1')).save('mail', 'all', undefined, '1');
    const other = await of('s2');
    for (const use of [() => other.get('mail', 'all'), () => other.save('mail', 'all', '1', '2')]) {
      const error = await use().catch((thrown: unknown) => thrown);
      assert.instance(error, OtherStore);
      assert.match((error as Error).message, 'the checkpoint of mail belongs to the event store s1');
    }
    assert.is(await (await of('s1')).get('mail', 'all'), '1');
  });
  run();
};

import * as assert from 'uvu/assert';
import type { Control, Controls } from '../../ports/controls.ts';
import { contract, type Make } from './making.ts';

const at = (n: number): string => `2026-01-0${n}T00:00:00.000Z`;
const asked = (n: number, target = 'consumer:mail/all'): Control => ({
  id: `01a00000-0000-7000-8000-00000000000${n}`,
  target,
  what: { do: 'retry', lanes: ['a', null, 7] },
  actor: { id: 'ann', role: 'operator' },
  reason: 'fixed – “now”',
  askedAt: at(n),
});

/** What every adapter for controls must do. */
export const controlsContract = (name: string, make: Make<Controls>): void => {
  const { test, run } = contract(`controls: ${name}`, make);
  const idsOf = (found: readonly Control[]): number[] => found.map(({ id }) => Number(id.at(-1)));

  test('what is asked stays open until it has ended, in the order of asking', async (controls) => {
    for (const n of [2, 1, 4]) await controls.ask(asked(n));
    await controls.ask(asked(3, 'consumer:mail/1'));
    await controls.ask(asked(5, 'consumer:stock/all'));
    assert.equal(await controls.get(asked(1).id), asked(1));
    assert.is(await controls.get('never'), undefined);
    const both = ['consumer:mail/all', 'consumer:mail/1', 'nobody'];
    assert.equal(idsOf(await controls.open(both, 9)), [1, 2, 3, 4]);
    assert.equal(idsOf(await controls.open(both, 2)), [1, 2]);
    assert.equal(await controls.open([], 9), []);

    assert.is(await controls.report(asked(1).id, { progress: { done: 1, of: 3 } }), 'kept');
    assert.equal(await controls.get(asked(1).id), { ...asked(1), progress: { done: 1, of: 3 } });
    assert.is(await controls.report(asked(1).id, { progress: { done: 3 }, endedAt: at(6) }), 'kept');
    assert.equal(await controls.get(asked(1).id), { ...asked(1), progress: { done: 3 }, endedAt: at(6) });
    assert.equal(idsOf(await controls.open(both, 9)), [2, 3, 4]);
  });

  test('what has ended is told of no more, and asked again it stays as it is', async (controls) => {
    await controls.ask(asked(1));
    await controls.report(asked(1).id, { progress: 'done', endedAt: at(2) });
    assert.is(await controls.report(asked(1).id, { progress: 'again' }), 'refused');
    assert.is(await controls.report('never', { progress: 'x' }), 'refused');
    await controls.ask({ ...asked(1), reason: 'another' });
    assert.equal(await controls.get(asked(1).id), { ...asked(1), progress: 'done', endedAt: at(2) });
  });

  test('the latest are found, ended or not', async (controls) => {
    for (const n of [2, 1, 4]) await controls.ask(asked(n));
    await controls.ask(asked(3, 'consumer:mail/1'));
    await controls.ask(asked(5, 'consumer:stock/all'));
    await controls.report(asked(2).id, { progress: 'done', endedAt: at(6) });
    const both = ['consumer:mail/all', 'consumer:mail/1', 'nobody'];
    assert.equal(idsOf(await controls.latest(both, 9)), [4, 3, 2, 1]);
    assert.equal(idsOf(await controls.latest(both, 2)), [4, 3]);
    assert.equal(await controls.latest([], 9), []);
    assert.is((await controls.latest(['consumer:mail/all'], 9))[1]?.progress, 'done');
  });

  test('a holder that was replaced tells nothing', async (controls) => {
    await controls.ask(asked(1));
    const fence = (token: number) => ({ lease: 'consume:mail', token });
    assert.is(await controls.report(asked(1).id, { progress: 2 }, fence(2)), 'kept');
    assert.is(await controls.report(asked(1).id, { progress: 1 }, fence(1)), 'refused');
    assert.is((await controls.get(asked(1).id))?.progress, 2);
  });

  test('forgets what has ended, and nothing else', async (controls) => {
    for (const n of [1, 2, 3]) await controls.ask(asked(n));
    await controls.report(asked(1).id, { progress: 0, endedAt: at(4) });
    await controls.report(asked(2).id, { progress: 0, endedAt: at(6) });
    await controls.forget(at(5));
    assert.is(await controls.get(asked(1).id), undefined);
    assert.ok((await controls.get(asked(2).id)) && (await controls.get(asked(3).id)));
  });

  test('who listens hears of what was asked and told', async (controls) => {
    let heard = 0;
    const next = (): Promise<void> =>
      new Promise((resolve) => {
        const stop = controls.onChange(() => {
          stop();
          heard += 1;
          resolve();
        });
      });
    let waiting = next();
    await controls.ask(asked(1));
    await waiting;
    waiting = next();
    await controls.report(asked(1).id, { progress: 1 });
    await waiting;
    await controls.report(asked(1).id, { progress: 2 });
    assert.is(heard, 2, 'who has stopped hears nothing');
  });
  run();
};

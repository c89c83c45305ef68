import * as assert from 'uvu/assert';
import type { Snapshots } from '../../ports/snapshots.ts';
import { contract, type Make } from './making.ts';

/** What every adapter for snapshots must do. */
export const snapshotsContract = (name: string, make: Make<Snapshots>): void => {
  const { test, run } = contract(`snapshots: ${name}`, make);
  test('a snapshot is found under its shape alone', async (snapshots) => {
    const snapshot = {
      revision: 7,
      state: { onHand: 3, list: [1, null] },
      previousHash: 'f'.repeat(64),
      at: '2026-01-01T00:00:00.000Z',
    };
    await snapshots.save('stock-x', 'stock@1', snapshot);
    assert.equal(await snapshots.get('stock-x', 'stock@1'), snapshot);
    await snapshots.save('stock-x', 'stock@1', { ...snapshot, revision: 8 });
    assert.is((await snapshots.get('stock-x', 'stock@1'))?.revision, 8);
    assert.is(await snapshots.get('stock-x', 'stock@2'), undefined);
    assert.is(await snapshots.get('stock-y', 'stock@1'), undefined);
  });
  run();
};

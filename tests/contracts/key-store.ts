import * as assert from 'uvu/assert';
import type { KeyStore } from '../../ports/key-store.ts';
import { VaultUnavailable } from '../../ports/vault.ts';
import { contract, type Make } from './making.ts';

/** What every key store must do. */
export const keyStoreContract = (name: string, make: Make<KeyStore>): void => {
  const { test, run } = contract(`key store: ${name}`, make);

  test('keeps the first key of a subject, also of many at once, until it is removed', async (store) => {
    assert.is(await store.get('c1'), undefined);
    const kept = await Promise.all(['k1', 'k2', 'k3'].map((key) => store.putIfAbsent('c1', key)));
    assert.is(new Set(kept).size, 1);
    assert.is(await store.get('c1'), kept[0]);
    assert.is(await store.putIfAbsent('c2', 'k4'), 'k4');
    await store.remove('c1');
    await store.remove('never');
    assert.equal([await store.get('c1'), await store.get('c2')], [undefined, 'k4']);
    assert.is(await store.putIfAbsent('c1', 'k5'), 'k5');
  });

  test('keeps the first proof', async (store) => {
    assert.is(await store.prove('p1'), 'p1');
    assert.is(await store.prove('p2'), 'p1');
  });

  test('is unavailable once closed', async (store) => {
    await store.close();
    assert.instance(await store.get('c1').catch((error: unknown) => error), VaultUnavailable);
    assert.instance(await store.putIfAbsent('c1', 'k').catch((error: unknown) => error), VaultUnavailable);
  });
  run();
};

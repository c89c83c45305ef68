import * as assert from 'uvu/assert';
import { ERASED, type Vault } from '../../ports/vault.ts';
import { contract, type Make } from './making.ts';

/** What every vault must do. */
export const vaultContract = (name: string, make: Make<Vault>): void => {
  const { test, run } = contract(`vault: ${name}`, make);

  test('opens what it sealed, and shows nothing of it', async (vault) => {
    const value = { name: 'Zoë Ünal', phones: ['1', null], nested: { n: 1.5 } };
    const sealed = await vault.seal('customer-1', value);
    assert.is(sealed.subject, 'customer-1');
    assert.not.match(Buffer.from(sealed.box, 'base64url').toString('latin1'), 'name');
    assert.equal(await vault.open(JSON.parse(JSON.stringify(sealed))), value);
    assert.is.not((await vault.seal('customer-1', value)).box, sealed.box, 'equal values look different');
    for (const plain of ['', 0, null, false, []])
      assert.equal(await vault.open(await vault.seal('customer-1', plain)), plain);
  });

  test('one key a subject, also when many seal at once', async (vault) => {
    const sealed = await Promise.all(Array.from({ length: 20 }, (_, n) => vault.seal('customer-1', { n })));
    assert.is(new Set(sealed.map(({ key }) => key)).size, 1);
    assert.is.not((await vault.seal('customer-2', 1)).key, sealed[0]!.key);
    assert.equal(
      await Promise.all(sealed.map((one) => vault.open(one))),
      sealed.map((_, n) => ({ n })),
    );
  });

  test('after erasure everything of the subject reads as erased, also beside a key made anew', async (vault) => {
    const before = await vault.seal('customer-1', 'secret');
    const other = await vault.seal('customer-2', 'kept');
    await vault.erase('customer-1');
    assert.is(await vault.open(before), ERASED);
    const after = await vault.seal('customer-1', 'new');
    assert.is(await vault.open(before), ERASED);
    assert.is(await vault.open(after), 'new');
    assert.is(await vault.open(other), 'kept');
    await vault.erase('customer-never');
  });

  test('a fingerprint is equal for equal values of one subject, until the key is gone', async (vault) => {
    const print = await vault.fingerprint('customer-1', { a: 1, b: [2] });
    assert.match(print, /^[0-9a-f]{64}$/);
    assert.is(await vault.fingerprint('customer-1', { b: [2], a: 1 }), print);
    assert.is.not(await vault.fingerprint('customer-1', { a: 1, b: [3] }), print);
    assert.is.not(await vault.fingerprint('customer-2', { a: 1, b: [2] }), print);
    await vault.erase('customer-1');
    assert.is.not(await vault.fingerprint('customer-1', { a: 1, b: [2] }), print);
  });

  test('what was changed does not open', async (vault) => {
    const sealed = await vault.seal('customer-1', 'secret');
    const bytes = Buffer.from(sealed.box, 'base64url');
    bytes[bytes.length - 20]! ^= 1;
    const opened = await vault
      .open({ ...sealed, box: bytes.toString('base64url') })
      .catch((error: unknown) => error);
    assert.instance(opened, Error);
    await vault.seal('customer-2', 1);
    assert.is(await vault.open({ ...sealed, subject: 'customer-2' }), ERASED, 'under the name of another');
  });

  run();
};

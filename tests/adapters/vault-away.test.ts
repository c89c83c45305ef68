/** A vault whose key store is a server that is away, or hangs. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryKeyStore } from '../../adapters/memory/key-store.ts';
import { openVault } from '../../adapters/vault-crypto.ts';
import { ERASED, VaultUnavailable, type Vault } from '../../ports/vault.ts';
import { fakeClock, type FakeClock } from '../fake-clock.ts';

type World = Readonly<{
  clock: FakeClock;
  vault: Vault;
  /** What the server does with the next questions. */
  store: { state: 'answers' | 'hangs' | 'is away'; asked: number; erase(subject: string): Promise<void> };
  /** It answers again, also what it was asked while it hung. */
  wake(): void;
}>;
const test = suite<World>('vault: a key store that does not answer');

test.before.each(async (world) => {
  const kept = memoryKeyStore();
  const waiting: (() => void)[] = [];
  const store: World['store'] = { state: 'answers', asked: 0, erase: (subject) => kept.remove(subject) };
  const through = async (): Promise<void> => {
    store.asked += 1;
    if (store.state === 'is away') throw new VaultUnavailable('it is away');
    if (store.state === 'hangs') await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const clock = fakeClock('2026-01-01T00:00:00.000Z');
  const vault = await openVault(
    {
      ...kept,
      get: (subject) => through().then(() => kept.get(subject)),
      putIfAbsent: (subject, wrapped) => through().then(() => kept.putIfAbsent(subject, wrapped)),
    },
    Buffer.alloc(32, 7),
    clock,
  );
  const wake = (): void => {
    store.state = 'answers';
    for (const go of waiting.splice(0)) go();
  };
  Object.assign(world, { clock, vault, store, wake });
});

test('keys at hand are used while it hangs: after a moment once, then at once', async ({
  clock,
  vault,
  store,
}) => {
  const sealed = await vault.seal('ann', 'before');
  await vault.seal('bob', 'before');
  store.state = 'hangs';
  const first = vault.seal('ann', 'during');
  await clock.advance(100);
  const { key } = await first;
  assert.is(key, sealed.key);
  const { asked } = store;
  for (const subject of ['ann', 'bob']) await vault.seal(subject, 'more');
  assert.is(await vault.open(sealed), 'before');
  assert.is(store.asked, asked, 'nothing more is asked while a question is open');
});

test('while it is away, it is asked again every second', async ({ clock, vault, store }) => {
  await vault.seal('ann', 'before');
  store.state = 'is away';
  const { asked } = store;
  for (let n = 0; n < 10; n++) await vault.seal('ann', n);
  assert.is(store.asked, asked + 1);
  await clock.advance(1_000);
  for (let n = 0; n < 10; n++) await vault.seal('ann', n);
  assert.is(store.asked, asked + 2);
});

test('whose key is not at hand waits, or is refused', async ({ vault, store, wake }) => {
  await vault.seal('ann', 'before');
  store.state = 'is away';
  assert.instance(await vault.seal('new', 1).catch((error: unknown) => error), VaultUnavailable);
  store.state = 'hangs';
  const sealing = vault.seal('new', 1);
  wake();
  assert.is(await vault.open(await sealing), 1);
});

test('once it answers again, what was erased meanwhile reads so', async ({ clock, vault, store, wake }) => {
  const sealed = await vault.seal('ann', 'secret');
  store.state = 'hangs';
  const opened = vault.open(sealed);
  await clock.advance(100);
  assert.is(await opened, 'secret');
  await store.erase('ann');
  wake();
  await clock.advance(0);
  assert.is(await vault.open(sealed), ERASED);
});
test.run();

/** What a second process does in the tests of the SQLite adapters. */
import { join } from 'node:path';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { openSqliteKeyStore } from '../../adapters/sqlite/key-store.ts';
import { openVault } from '../../adapters/vault-crypto.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { newEvents } from '../contracts/event-store.ts';

const [task, folder = '', name = ''] = process.argv.slice(2);
const tell = (message: unknown): void => void process.send!(message);
const heard = (): Promise<unknown> => new Promise((resolve) => process.once('message', resolve));

const tasks: Record<string, () => Promise<void>> = {
  /** Contends for 200 revisions of each of five streams, then says how many appends it won. */
  async contend() {
    const store = openSqliteEventStore({
      path: join(folder, 'events.db'),
      clock: systemClock,
      newId: systemRandomness.uuid,
    });
    tell('ready');
    await heard();
    let won = 0;
    await Promise.all(
      Array.from({ length: 5 }, async (_, stream) => {
        for (let next = 0; next < 200;) {
          const answer = await store.append(
            `order-${stream}`,
            next === 0 ? 'none' : next - 1,
            newEvents(`${name}-${stream}-${next}`),
          );
          if (answer.ok) won += 1;
          next = answer.ok ? next + 1 : answer.actual === 'none' ? 0 : answer.actual + 1;
        }
      }),
    );
    await store.close();
    tell(won);
  },
  /** Appends without end, saying what is acknowledged, until it is killed. */
  async append() {
    const store = openSqliteEventStore({
      path: join(folder, 'events.db'),
      clock: systemClock,
      newId: systemRandomness.uuid,
    });
    for (let n = 0; ; n++) {
      const answers = await Promise.all(
        [0, 1, 2].map((i) => store.append(`order-${n}-${i}`, 'none', newEvents(`${n}-${i}`))),
      );
      if (answers.every(({ ok }) => ok)) tell(n);
    }
  },
  async seal() {
    const vault = await openVault(openSqliteKeyStore({ path: join(folder, 'keys.db') }), Buffer.alloc(32, 7));
    tell('ready');
    await heard();
    tell(await vault.seal('customer-1', name));
    await heard();
    await vault.erase('customer-1');
    tell('erased');
    await vault.close();
  },
};
await tasks[task ?? '']!();
process.disconnect?.();

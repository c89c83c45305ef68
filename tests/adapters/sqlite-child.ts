/** What a second process does in the tests of the SQLite adapters. */
import { join } from 'node:path';
import { openConnection } from '../../adapters/sqlite/driver.ts';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { openSqliteKeyStore } from '../../adapters/sqlite/key-store.ts';
import { openSqliteReadStore } from '../../adapters/sqlite/read-store.ts';
import { openVault } from '../../adapters/vault-crypto.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import type { ReadStore } from '../../ports/read-store.ts';
import { newEvents } from '../contracts/event-store.ts';
import { commit, row, SHAPE, VIEW } from '../contracts/views.ts';

export const RACE_COMMITS = 150;
export const KILL_ROWS = 1_500;
const HELD_MS = 300;

const [task, folder = '', name = ''] = process.argv.slice(2);
const tell = (message: unknown): void => void process.send!(message);
const heard = (): Promise<unknown> => new Promise((resolve) => process.once('message', resolve));

const openReads = (): ReadStore =>
  openSqliteReadStore({ path: join(folder, 'views.db'), store: 's1', clock: systemClock });

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
  /** Has the file for itself for a while, as who makes or mends it has. */
  async hold() {
    const connection = openConnection(join(folder, 'events.db'));
    connection.exec('begin exclusive');
    tell('held');
    await systemClock.sleep(HELD_MS);
    connection.exec('commit');
    connection.close();
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
  /** Contends for the view until it has come to RACE_COMMITS; tells which commits it won. */
  async race() {
    const store = openReads();
    await store.make(VIEW, SHAPE);
    tell('ready');
    await heard();
    const won: number[] = [];
    for (;;) {
      const next = Number((await store.checkpoint(VIEW)) ?? 0) + 1;
      if (next > RACE_COMMITS) break;
      const rows = [
        row('hot', { state: name, day: 'd', sku: [String(next % 3)] }, next, { by: name }),
        row(`r${next}`, { state: name }, next, { by: name }),
      ];
      if ((await commit(store, next - 1, next, rows)) === 'committed') won.push(next);
    }
    await store.close();
    tell(won);
  },
  /**
   * Replaces every row of the view, and kills itself some turns after it has asked for that, or (Infinity) once
   * that is done.
   */
  async kill() {
    const store = openReads();
    await store.make(VIEW, SHAPE);
    const n = Number((await store.checkpoint(VIEW)) ?? 0) + 1;
    const rows = Array.from({ length: KILL_ROWS }, (_, i) =>
      row(`r${i}`, { amount: i, day: String(n), sku: [String(i % 7)] }, n, { n, text: 'x'.repeat(3_000) }),
    );
    const done = commit(store, n - 1, n, rows);
    if (name === 'Infinity') await done;
    else for (let turns = Number(name); turns > 0; turns--) await new Promise(setImmediate);
    process.kill(process.pid, 'SIGKILL');
  },
};
// The test imports this file as well, for what is above.
const asked = process.send && tasks[task ?? ''];
if (asked) {
  await asked();
  process.disconnect();
}

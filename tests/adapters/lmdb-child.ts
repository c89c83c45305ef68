/** What a second process does in the tests of the LMDB adapters. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openDataFolder } from '../../adapters/lmdb/data-folder.ts';
import { openLmdbEventStore } from '../../adapters/lmdb/event-store.ts';
import { openLmdbVault } from '../../adapters/lmdb/vault.ts';
import { systemClock } from '../../adapters/system.ts';
import { everything, newEvents } from '../contracts/event-store.ts';
import { until } from '../fake-clock.ts';

const [task, folder = '', name = ''] = process.argv.slice(2);
const tell = (message: unknown): void => void process.send!(message);
const heard = (): Promise<unknown> => new Promise((resolve) => process.once('message', resolve));

const tasks: Record<string, () => Promise<void>> = {
  /** Contends for 200 revisions of each of five streams, then says how many appends it won. */
  async contend() {
    const store = openLmdbEventStore({ folder, clock: systemClock });
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
    const store = openLmdbEventStore({ folder, clock: systemClock });
    for (let n = 0; ; n++) {
      const answers = await Promise.all(
        [0, 1, 2].map((i) => store.append(`order-${n}-${i}`, 'none', newEvents(`${n}-${i}`))),
      );
      if (answers.every(({ ok }) => ok)) tell(n);
    }
  },
  /**
   * Appends while system calls fail as `folder`/../<name> files say (see lmdb-failures), and reports what
   * became of it.
   */
  async faults() {
    const fault = (kind: string): string => join(dirname(folder), kind);
    const store = openLmdbEventStore({ folder, clock: systemClock });
    const append = (stream: string): Promise<unknown> =>
      store
        .append(stream, 'none', newEvents(`${stream}.0`, `${stream}.1`))
        .catch((error: Error) => `${error.name}: ${error.message}`);
    const names = async (): Promise<string> => (await everything(store)).events.map(({ id }) => id).join(' ');
    await append('order-a');

    writeFileSync(fault('hold'), '');
    let answered = false;
    const held = append('order-b').finally(() => (answered = true));
    await until('the flush to begin', () => existsSync(fault('holding')));
    const before = { answered, names: await names(), tail: await store.tail() };
    rmSync(fault('hold'));
    tell({ before, after: { answer: await held, names: await names() } });

    for (const kind of ['EIO', 'ENOSPC']) {
      writeFileSync(fault(kind), '');
      const failed = await Promise.all([append(`order-${kind}-1`), append(`order-${kind}-2`)]);
      rmSync(fault(kind));
      const again = await append(`order-${kind}-1`);
      tell({ failed, again, next: await append(`order-${kind}-3`), names: await names() });
    }
    await store.close();
  },
  async lock() {
    try {
      const opened = await openDataFolder(folder, { lock: true });
      tell('locked');
      await heard();
      await opened.close();
      tell('released');
    } catch (error) {
      tell((error as Error).name);
    }
  },
  async seal() {
    const vault = openLmdbVault({ folder, masterKey: Buffer.alloc(32, 7) });
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

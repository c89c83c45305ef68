/** What a second process does in the tests of LMDB's read store. */
import { openLmdbReadStore } from '../../adapters/lmdb/read-store.ts';
import { at, row } from '../contracts/read-store.ts';

export const VIEW = 'orders@1+1';
export const RACE_COMMITS = 150;
export const KILL_ROWS = 1_500;

const [task, folder = '', argument = ''] = process.argv.slice(2);
const tell = (message: unknown): void => void process.send!(message);
const heard = (): Promise<unknown> => new Promise((resolve) => process.once('message', resolve));

/** Contends for the view until it has come to RACE_COMMITS; tells which commits it won. */
const race = async (): Promise<void> => {
  const store = openLmdbReadStore({ folder });
  tell('ready');
  await heard();
  const won: number[] = [];
  for (;;) {
    const from = await store.checkpoint(VIEW);
    const next = Number(from ?? 0) + 1;
    if (next > RACE_COMMITS) break;
    const rows = [
      row('hot', { by: [[argument, next]], both: [[next % 3]] }, { by: argument }, next),
      row(`r${next}`, { by: [[argument, next]] }, { by: argument }, next),
    ];
    if ((await store.commit(VIEW, from, rows, at(next))) === 'committed') won.push(next);
    else await new Promise(setImmediate); // what the other wrote is seen in the next turn
  }
  await store.close();
  tell(won);
};

/**
 * Replaces every row of the view, and kills itself some turns after it has asked for that, or (Infinity) once
 * that is done.
 */
const kill = async (): Promise<void> => {
  const store = openLmdbReadStore({ folder });
  const from = await store.checkpoint(VIEW);
  const n = Number(from ?? 0) + 1;
  const rows = Array.from({ length: KILL_ROWS }, (_, i) =>
    row(`r${i}`, { by: [[n, i]], also: [[i % 7, n]] }, { n, text: 'x'.repeat(3_000) }, n),
  );
  const done = store.commit(VIEW, from, rows, at(n));
  if (argument === 'Infinity') await done;
  else for (let turns = Number(argument); turns > 0; turns--) await new Promise(setImmediate);
  process.kill(process.pid, 'SIGKILL');
};

const tasks: Readonly<Record<string, () => Promise<void>>> = { race, kill };
// The test imports this file as well, for what is above.
const asked = process.send && tasks[task ?? ''];
if (asked) {
  await asked();
  process.disconnect();
}

/** What a data folder keeps beside its orders, moved to a MongoDB: keys first, the folder's own last. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { besideMovedTo, existingDataFolder, markBesideMoved } from '../../adapters/data-folder.ts';
import { hostsOf } from '../../adapters/hosts.ts';
import { openBookkeepingToCarry } from '../../adapters/sqlite/carry-over.ts';
import { openBelongings, type Belongings } from '../../adapters/sqlite/moving-out.ts';
import { system } from '../../adapters/system.ts';
import { readEnvironment } from '../../compose/environment.ts';
import { openOnMongoDb } from '../../compose/on-mongodb.ts';
import { openParts } from '../../compose/parts.ts';
import { CopyRefused } from '../../runtime/feed/copy.ts';
import { WrongUse } from '../cli/command-line.ts';
import { inFlight } from '../import/in-flight.ts';
import { runningOn, shortOf } from './running.ts';

type Target = ReturnType<typeof openOnMongoDb>;
/** `running`: who has to be stopped first; nothing was moved then. */
export type Moved = Readonly<{ place: string; running?: string; counts: Readonly<Record<string, number>> }>;

const AT_ONCE = 50;
const LEFT = ['views.db', 'bookkeeping.db', 'keys.db'].flatMap((name) => [
  name,
  `${name}-wal`,
  `${name}-shm`,
]);

/** Does `act` with each, some at once; answers how many there were. */
const each = async <T>(items: Iterable<T>, act: (item: T) => Promise<unknown>): Promise<number> => {
  const flight = inFlight(AT_ONCE);
  let count = 0;
  for (const item of items) await flight.start(String(count++), async () => void (await act(item)));
  await flight.finish();
  return count;
};

/** Whatever is there already and the same stays: a run that was broken off is done again. */
const moveAll = async (from: Belongings, { books, keys }: Target): Promise<Record<string, number>> => {
  const theirs = 'that MongoDB has keys or bookkeeping of another shop: name another database in the URL';
  const proof = from.proof();
  if (proof !== undefined && (await keys.prove(proof)) !== proof) throw new CopyRefused(theirs);
  const keyCount = await each(from.keys(), async ({ subject, wrapped }) => {
    if ((await keys.putIfAbsent(subject, wrapped)) !== wrapped) throw new CopyRefused(theirs);
  });
  const { checkpoints, schedule, blockedLanes, controls } = books;
  const groups = await each(from.checkpoints(), async ({ group, partition, position }) => {
    if (await checkpoints.save(group, partition, undefined, position)) return;
    if ((await checkpoints.get(group, partition)) !== position) throw new CopyRefused(theirs);
  });
  const scheduled = await each(from.scheduled(), ({ schedule: name, key, dueAt }) =>
    schedule.set(name, key, dueAt),
  );
  // What waits before its lane, so that a lane that is there has all that waits in it.
  const events = await each(from.waiting(), ({ lane, event }) => blockedLanes.enqueue(lane, event));
  const lanes = await each(from.lanes(), (lane) => blockedLanes.block(lane));
  const asked = await each(from.controls(), (control) => controls.ask(control));
  return { keys: keyCount, checkpoints: groups, scheduled, lanes, events, asked };
};

/** Throws WrongUse, CopyRefused, and what opening the parts throws. */
export const moveBeside = async (): Promise<Moved> => {
  const environment = readEnvironment(process.env);
  const { MONGODB_URL: url, DATA_DIR } = environment;
  if (url === undefined) throw new WrongUse('--beside needs MONGODB_URL (--help says how).');
  const place = `the MongoDB at ${hostsOf(url)}`;
  const folder = existingDataFolder(DATA_DIR);
  const [bookkeeping, keys] = [join(folder, 'bookkeeping.db'), join(folder, 'keys.db')];
  /** Views are built again. A key that were left here would outlive its erasure there. */
  const clear = (): void => {
    for (const name of LEFT) rmSync(join(folder, name), { force: true });
  };
  const moved = besideMovedTo(folder);
  if (moved !== undefined && moved !== place)
    throw new CopyRefused(`keys and bookkeeping have moved to ${moved}, and MONGODB_URL is ${place}`);
  if (moved !== undefined) {
    clear();
    return { place, counts: {} };
  }
  if (!existsSync(keys)) throw new WrongUse(`${folder} has no keys and bookkeeping of its own to be moved.`);
  const { MONGODB_URL: _url, MONGODB_KEYS_URL: _keysUrl, ...before } = process.env;
  const parts = await openParts(readEnvironment(before), system);
  const open: { close(): Promise<void> }[] = [parts];
  let counts: Moved['counts'];
  try {
    const { held, close } = openBookkeepingToCarry(bookkeeping);
    open.push({ close });
    const running = await runningOn({ held, controls: parts.controls }, environment.LEASE_MS);
    if (running.length > 0) return { place, running: shortOf(running), counts: {} };
    const from = openBelongings({ bookkeeping, keys, store: parts.store.id });
    const to = openOnMongoDb(environment, url, { store: parts.store.id, clock: system.clock });
    open.push(from, to.books, to.reads, to.keys);
    counts = await moveAll(from, to);
  } finally {
    for (let part = open.pop(); part; part = open.pop()) await part.close();
  }
  markBesideMoved(folder, place);
  clear();
  return { place, counts };
};

/**
 * Copies of a data folder that fit together. What follows the events is copied before them, so that no checkpoint, row
 * or snapshot in a copy is ahead of its events; keys after them, so that they open whatever the events hold. The books of
 * the simulated outside are of the same moment as the events: behind, they would not know what was done, and ahead, they
 * would keep back news that the events lack.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { z } from 'zod';
import { BESIDE_MOVED, existingDataFolder, FORMAT, markRestored, markRestoring } from './data-folder.ts';
import { readIfThere, syncFile, writeWhole } from './files.ts';
import { openConnection } from './sqlite/driver.ts';

const FOLLOWERS = ['views.db', 'bookkeeping.db', BESIDE_MOVED];
const EVENTS = 'events.db';
const OUTSIDE = 'simulated.db';
const SENT = ['outbox', 'analytics'];
const KEYS = ['keys.db', 'keys'];
/** What is in a data folder, but for its format and what SQLite keeps beside its files. */
export const BACKED_UP: readonly string[] = [...FOLLOWERS, EVENTS, OUTSIDE, ...SENT, ...KEYS];

const MANIFEST = 'backup.json';
/** A manifest says where files go: nowhere but there. */
const isOurs = (name: string): boolean => {
  const [top = '', ...rest] = name.split('/');
  return BACKED_UP.includes(top) && !rest.includes('..');
};
const Manifest = z.object({
  format: z.number(),
  /** The id of the event store. */
  store: z.string(),
  /** Of the copied events; what the keys are as old as. */
  madeAt: z.string(),
  /** Null where the events are not in the folder. */
  events: z.number().nullable(),
  files: z.array(z.object({ name: z.string().refine(isOurs), bytes: z.number(), sha256: z.string() })),
});
/** `files`: relative to the folder. `events`: how many there are. `madeAt`: ISO 8601, before anything was copied. */
export type Manifest = Readonly<z.infer<typeof Manifest>>;
type File = Manifest['files'][number];

/** A folder that a backup cannot go to or come from; the message says why. Nothing was changed. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.tmp'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));

const sha256 = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
};

/** One moment of a database that others may be writing to, without its free pages. */
const copyDatabase = (from: string, to: string): void => {
  const connection = openConnection(from);
  try {
    connection.prepare('vacuum into ?').run(to);
  } finally {
    connection.close();
  }
  chmodSync(to, statSync(from).mode);
};

/** While `work` runs nobody else writes to the database; they wait, or try again. */
const heldStill = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  if (!existsSync(path)) return work();
  const connection = openConnection(path);
  try {
    connection.exec('begin immediate');
    return await work();
  } finally {
    connection.close();
  }
};

/** False when the file has gone: a mail that was being written under another name. */
const copyFile = (from: string, to: string): boolean => {
  mkdirSync(dirname(to), { recursive: true, mode: statSync(dirname(from)).mode });
  try {
    if (from.endsWith('.db')) copyDatabase(from, to);
    else copyFileSync(from, to);
    syncFile(to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
};

/** Copies what of `names` is there. */
const copyInto = async (from: string, to: string, names: readonly string[]): Promise<File[]> => {
  const copied: File[] = [];
  for (const top of names) {
    const source = join(from, top);
    if (!existsSync(source)) continue;
    for (const path of statSync(source).isDirectory() ? filesIn(source) : [source]) {
      const name = relative(from, path);
      const copy = join(to, name);
      if (!copyFile(path, copy)) continue;
      copied.push({
        name: name.split(sep).join('/'),
        bytes: statSync(copy).size,
        sha256: await sha256(copy),
      });
    }
  }
  return copied;
};

/** Makes a folder, or takes an empty one. */
const emptyFolder = (path: string): void => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (readdirSync(path).length > 0)
    throw new BackupError(`${path} is not empty: give the backup a folder of its own`);
};

const storeIn = (path: string): Pick<Manifest, 'store' | 'events'> => {
  const connection = openConnection(path);
  try {
    const [id, last] = ['select id from store', 'select max(position) as position from events'].map((sql) =>
      connection.prepare(sql).get(),
    );
    return { store: String(id?.id), events: Number(last?.position ?? 0) };
  } finally {
    connection.close();
  }
};

/**
 * `from`: a data folder, also one that is in use. `keysTo`: another folder for the keys. `now`: ISO 8601. `store`: the id
 * of the event store where that is elsewhere, to be backed up after this, by its own means.
 */
export type BackUp = Readonly<{ from: string; to: string; keysTo?: string; now: string; store?: string }>;

/**
 * Copies a data folder into `to`, which is made, or empty. What has been acknowledged before the call is in it.
 * Throws DataFolderError, BackupError, and errors of the disk; `to` has no manifest then, and no restore takes it.
 */
export const backUp = async ({ from, to, keysTo = to, now, store }: BackUp): Promise<Manifest> => {
  const folder = existingDataFolder(from);
  if (store === undefined && !existsSync(join(folder, EVENTS)))
    throw new BackupError(`the data folder ${folder} has no events yet: nothing is to be backed up`);
  const [data, keys] = [resolve(to), resolve(keysTo)];
  for (const target of [data, keys]) emptyFolder(target);
  const dataFiles = await copyInto(folder, data, FOLLOWERS);
  const together = store === undefined ? [EVENTS, OUTSIDE] : [OUTSIDE];
  const moment = await heldStill(join(folder, OUTSIDE), () => copyInto(folder, data, together));
  dataFiles.push(...moment, ...(await copyInto(folder, data, SENT)));
  const keyFiles = await copyInto(folder, keys, KEYS);
  const about = {
    format: FORMAT,
    madeAt: now,
    ...(store === undefined ? storeIn(join(data, EVENTS)) : { store, events: null }),
  };
  const write = (target: string, files: readonly File[]): void =>
    writeWhole(join(target, MANIFEST), `${JSON.stringify({ ...about, files }, null, 2)}\n`);
  if (keys === data) write(data, [...dataFiles, ...keyFiles]);
  else {
    write(keys, keyFiles);
    write(data, dataFiles);
  }
  return { ...about, files: [...dataFiles, ...keyFiles] };
};

const manifestOf = (path: string): Manifest => {
  const text = readIfThere(join(path, MANIFEST));
  if (text === undefined)
    throw new BackupError(
      `${path} holds no backup, or one that did not come to its end: ${MANIFEST} is missing`,
    );
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    read = undefined;
  }
  const parsed = Manifest.safeParse(read);
  if (!parsed.success) throw new BackupError(`${join(path, MANIFEST)} cannot be read: the backup is damaged`);
  if (parsed.data.format !== FORMAT)
    throw new BackupError(
      `the backup ${path} has format ${parsed.data.format}, and this version reads ${FORMAT}: restore it with the version that made it`,
    );
  return parsed.data;
};

const isKey = ({ name }: File): boolean => KEYS.some((key) => name === key || name.startsWith(`${key}/`));

/** `to`: a data folder that is not there yet, is empty, or was left by a restore that did not come to its end. */
export type Restore = Readonly<{ from: string; keysFrom?: string; to: string }>;

/**
 * Brings a backup back. Keys may be of a later backup of the same shop than the events, and should be: whoever was
 * erased since then stays erased. Throws DataFolderError, BackupError, and errors of the disk; the folder says then that
 * it is not whole.
 */
export const restore = async ({ from, keysFrom = from, to }: Restore): Promise<Manifest> => {
  const [data, keys] = [manifestOf(from), manifestOf(keysFrom)];
  if (data.store !== keys.store)
    throw new BackupError(`the keys in ${keysFrom} belong to another shop than the events in ${from}`);
  if (keys.madeAt < data.madeAt)
    throw new BackupError(
      `the keys in ${keysFrom} are of ${keys.madeAt}, older than the events in ${from} (${data.madeAt}), and lack keys that these need: give keys of the same backup or of a later one`,
    );
  const dataFiles = data.files.filter((file) => !isKey(file));
  const keyFiles = keys.files.filter(isKey);
  if (dataFiles.length === 0)
    throw new BackupError(`${from} holds keys alone: give them with --keys, and the folder with the events`);
  if (keyFiles.length === 0)
    throw new BackupError(
      `the backup in ${from} has its keys in another folder: give that one with --keys FOLDER`,
    );
  const folder = markRestoring(to);
  for (const name of BACKED_UP) rmSync(join(folder, name), { recursive: true, force: true });
  for (const [root, files] of [
    [from, dataFiles],
    [keysFrom, keyFiles],
  ] as const)
    for (const { name, sha256: expected } of files) {
      const copy = join(folder, name);
      mkdirSync(dirname(copy), { recursive: true, mode: statSync(dirname(join(root, name))).mode });
      copyFileSync(join(root, name), copy);
      syncFile(copy);
      if ((await sha256(copy)) !== expected)
        throw new BackupError(
          `${join(root, name)} is not as it was backed up: the backup is damaged; take another one`,
        );
    }
  markRestored(folder);
  return { ...data, files: [...dataFiles, ...keyFiles] };
};

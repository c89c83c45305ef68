import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { probeWrite, readIfThere, readOrMake, writeWhole } from './files.ts';

/**
 * The layout that this version writes; it counts up with every change. 1 was kept in LMDB, whose binding could lose
 * what was acknowledged.
 */
export const FORMAT = 2;
const SECRET_BYTES = 32;
/** In place of the format, until everything is there. */
const RESTORING = 'restoring';

/** The folder cannot be used as it is; the message says why and what to do. Nothing in it was changed. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError';
}

export type DataFolder = Readonly<{
  path: string;
  /** The absolute path of a file or folder in it, made by whoever opens it. */
  pathOf(name: string): string;
  /**
   * 32 bytes: `given` (64 hex digits or base64), else keys/master.key, made at the first start. Back that
   * file up apart.
   */
  masterKey(given?: string): Buffer;
  /** 32 random bytes that stay the same, kept in keys/<name>.key. */
  secret(name: string): Buffer;
}>;

const WHAT_TO_DO: Readonly<Record<string, string>> = {
  EACCES: 'may not be read or written by this user: give it the rights, or set DATA_DIR to another folder',
  EPERM: 'may not be read or written by this user: give it the rights, or set DATA_DIR to another folder',
  EROFS: 'is read-only: mount it writable, or set DATA_DIR to another folder',
  ENOSPC: 'is full: free some space on its disk',
  EDQUOT: 'is full: its quota is used up',
  ENOTDIR: 'is not a folder: set DATA_DIR to one',
  EEXIST: 'is not a folder: set DATA_DIR to one',
};
const explained = (path: string, error: unknown): DataFolderError => {
  if (error instanceof DataFolderError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new DataFolderError(`the data folder ${path} ${WHAT_TO_DO[code] ?? `cannot be used: ${message}`}`, {
    cause: error,
  });
};

/**
 * 32 bytes written as 64 hex digits or as base64 (also base64url). Throws DataFolderError for anything else.
 */
export const parseKey = (text: string, name: string): Buffer => {
  const trimmed = text.trim();
  const key = /^[0-9a-f]{64}$/i.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : /^[\w+/-]{43}=?$/.test(trimmed)
      ? Buffer.from(trimmed, 'base64')
      : undefined;
  if (key?.length !== SECRET_BYTES)
    throw new DataFolderError(`${name} must be 32 bytes, as 64 hex digits or as base64`);
  return key;
};

const checkFormat = (path: string): boolean => {
  const text = readIfThere(join(path, 'format.json'));
  if (text === undefined) return false;
  let format: unknown;
  try {
    format = (JSON.parse(text) as { format?: unknown } | null)?.format;
  } catch {
    format = undefined;
  }
  if (format === RESTORING)
    throw new DataFolderError(
      `the data folder ${path} was being restored, and that did not come to its end: run npm run restore again`,
    );
  if (!Number.isInteger(format))
    throw new DataFolderError(
      `the data folder ${path} has a format.json that cannot be read: restore it from a backup, or set DATA_DIR to another folder`,
    );
  if ((format as number) > FORMAT)
    throw new DataFolderError(
      `the data folder ${path} has format ${String(format)}, this version reads ${FORMAT}: start the version that wrote it, or a newer one`,
    );
  if ((format as number) < FORMAT)
    throw new DataFolderError(
      `the data folder ${path} has format ${String(format)}, of a version before the first release, and this version reads ${FORMAT}: move it away, or set DATA_DIR to another folder; npm run import brings orders in again`,
    );
  return true;
};

const writeFormat = (path: string, format: number | string): void =>
  writeWhole(join(path, 'format.json'), `${JSON.stringify({ format })}\n`);
/** In a folder whose views, bookkeeping and keys have moved. */
export const BESIDE_MOVED = 'moved.json';

/** Views, bookkeeping and keys are kept at `place` (in words) from now on. */
export const markBesideMoved = (folder: string, place: string): void =>
  writeWhole(join(folder, BESIDE_MOVED), `${JSON.stringify({ place })}\n`);

/** The absolute path of a data folder that is there. Throws DataFolderError. */
export const existingDataFolder = (path: string): string => {
  const folder = resolve(path);
  try {
    if (checkFormat(folder)) return folder;
  } catch (error) {
    throw explained(folder, error);
  }
  throw new DataFolderError(`there is no data folder at ${folder}: set DATA_DIR to one`);
};

/** Where views, bookkeeping and keys of the folder have moved to, in words. */
export const besideMovedTo = (folder: string): string | undefined => {
  const text = readIfThere(join(folder, BESIDE_MOVED));
  return text === undefined ? undefined : (JSON.parse(text) as { place: string }).place;
};

/**
 * Takes a folder that is missing, empty or marked so already, for a restore; until `markRestored` nobody can open it.
 * Answers its absolute path. Throws DataFolderError.
 */
export const markRestoring = (path: string): string => {
  const folder = resolve(path);
  try {
    mkdirSync(folder, { recursive: true });
    const format = readIfThere(join(folder, 'format.json'));
    if (readdirSync(folder).length > 0 && !format?.includes(RESTORING))
      throw new DataFolderError(
        `${folder} is not empty: a backup is restored into a new folder; set DATA_DIR to one, or move that one away`,
      );
    writeFormat(folder, RESTORING);
    return folder;
  } catch (error) {
    throw explained(folder, error);
  }
};
export const markRestored = (folder: string): void => writeFormat(folder, FORMAT);

/**
 * Checks `path` (made if missing) and says in one DataFolderError what is wrong with it. Several processes may share it:
 * servers, roles of one server, scripts.
 */
export const openDataFolder = (path: string): DataFolder => {
  const folder = resolve(path);
  const keys = join(folder, 'keys');
  try {
    mkdirSync(folder, { recursive: true });
    const known = checkFormat(folder);
    probeWrite(folder);
    if (!known) writeFormat(folder, FORMAT);
  } catch (error) {
    throw explained(folder, error);
  }

  const secret = (name: string): Buffer => {
    if (!/^[a-z][a-z0-9-]*$/.test(name)) throw new RangeError(`"${name}" cannot be a secret's name`);
    const file = join(keys, `${name}.key`);
    try {
      mkdirSync(keys, { recursive: true, mode: 0o700 });
      return parseKey(
        readOrMake(file, () => `${randomBytes(SECRET_BYTES).toString('hex')}\n`),
        file,
      );
    } catch (error) {
      throw explained(folder, error);
    }
  };
  return {
    path: folder,
    pathOf: (name) => join(folder, name),
    masterKey: (given) => (given === undefined ? secret('master') : parseKey(given, 'MASTER_KEY')),
    secret,
  };
};

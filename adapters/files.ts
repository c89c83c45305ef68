/** Small files that must be whole or absent, whatever happens to the machine. */
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';

const PRIVATE = 0o600;

/** Brings what was written to `path` to the disk, and its name. */
export const syncFile = (path: string): void => {
  const handle = openSync(path, 'r+');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  syncFolder(dirname(path));
};
const syncFolder = (folder: string): void => {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};
const writeBeside = (path: string, text: string, mode: number): string => {
  const beside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = openSync(beside, 'wx', mode);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
  return beside;
};

/** Writes or replaces `path`, durably. */
export const writeWhole = (path: string, text: string, mode = 0o644): void => {
  const beside = writeBeside(path, text, mode);
  try {
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
};

/**
 * The text of `path`; made durably with `text()` and mode 0600 when it is missing. Of two processes that make
 * it, both get the same.
 */
export const readOrMake = (path: string, text: () => string): string => {
  const there = readIfThere(path);
  if (there !== undefined) return there;
  const beside = writeBeside(path, text(), PRIVATE);
  try {
    linkSync(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(beside, { force: true });
  }
  syncFolder(dirname(path));
  return readFileSync(path, 'utf8');
};

export const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Throws when 64 KiB more cannot be written durably into `folder`; leaves nothing behind. */
export const probeWrite = (folder: string): void =>
  rmSync(writeBeside(`${folder}/probe`, ' '.repeat(65_536), PRIVATE));

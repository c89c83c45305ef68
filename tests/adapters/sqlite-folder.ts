/** Folders and second processes for the tests of the SQLite adapters. */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';

/** A new folder, and the way to remove it. */
export const newFolder = (): { folder: string; remove(): void } => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

/** A suite whose every test has a new folder, gone after it. */
export const folderSuite = (name: string) => {
  const test = suite<{ folder: string; remove(): void }>(name);
  test.before.each((context) => void Object.assign(context, newFolder()));
  test.after.each(({ remove }) => remove());
  return test;
};

/** An adapter under contract on a folder of its own, gone when it closes. */
export const inFolder = async <A extends { close(): Promise<void> }>(
  open: (folder: string) => A,
): Promise<{ adapter: A; close(): Promise<void> }> => {
  const { folder, remove } = newFolder();
  const adapter = open(folder);
  return { adapter, close: () => adapter.close().finally(remove) };
};

export type Child = Readonly<{
  process: ChildProcess;
  /** The next message that it sends; rejects if it ends before. */ told(): Promise<unknown>;
  ended: Promise<void>;
}>;

/** Runs a task of sqlite-child in another process. */
export const child = (task: string, ...args: readonly string[]): Child => {
  const script = fileURLToPath(new URL('./sqlite-child.js', import.meta.url));
  const started = fork(script, [task, ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const told: unknown[] = [];
  const listeners: (() => void)[] = [];
  let over = false;
  const wake = (): void => listeners.splice(0).forEach((listener) => listener());
  started.on('message', (message) => {
    told.push(message);
    wake();
  });
  const ended = new Promise<void>((resolve) =>
    started.on('exit', () => {
      over = true;
      wake();
      resolve();
    }),
  );
  return {
    process: started,
    ended,
    async told() {
      while (told.length === 0) {
        if (over) throw new Error(`the ${task} process ended without a word`);
        await new Promise<void>((resolve) => listeners.push(resolve));
      }
      return told.shift();
    },
  };
};

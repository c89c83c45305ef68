/** The processes that are measured: started by us, gone when we are. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type Program = Readonly<{ url: string; stop(): Promise<void> }>;
export type Shop = Program & Readonly<{ dataFolder: string }>;

const built = join(import.meta.dirname, '..');
const children = new Set<ChildProcess>();
const folders = new Set<string>();

const clear = (folder: string): void => {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
};
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) clear(folder);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** Starts `program` of the build; resolves once it has printed a URL, rejects when it ends before. */
const start = (
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Program> =>
  new Promise((resolve, reject) => {
    const { PATH, HOME } = process.env;
    const child = spawn(
      process.execPath,
      [...(process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []), join(built, program), ...args],
      { env: { PATH, HOME, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.add(child);
    const ended = new Promise<void>((done) => {
      child.once('exit', (code, signal) => {
        children.delete(child);
        reject(new Error(`${program} ended (${code ?? signal}) before it served`));
        done();
      });
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [url] = /http:\/\/[\d.]+:\d+/.exec(line) ?? [];
      if (url !== undefined)
        resolve({
          url,
          stop() {
            child.kill('SIGTERM');
            return ended;
          },
        });
    });
  });

/**
 * The real server on a new data folder, which goes with it. No variable of our own environment reaches it.
 */
export const startShop = async (environment: Readonly<Record<string, string>>): Promise<Shop> => {
  const dataFolder = mkdtempSync(join(tmpdir(), 'orderfold-bench-'));
  folders.add(dataFolder);
  const { url, stop } = await start('main.js', [], {
    SEED: 'none',
    PORT: '0',
    DATA_DIR: dataFolder,
    ...environment,
  });
  return {
    url,
    dataFolder,
    async stop() {
      await stop();
      clear(dataFolder);
    },
  };
};

export const startBaseline = (dataFolder: string): Promise<Program> =>
  start('bench/baseline.js', [dataFolder], {});

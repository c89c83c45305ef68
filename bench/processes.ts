/** The processes that are measured: started by us, gone when we are. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** `processorMs`: what it has taken so far of the machine's cores; throws where /proc does not tell. */
export type Program = Readonly<{ url: string; processorMs(): number; stop(): Promise<void> }>;
export type Shop = Program & Readonly<{ dataFolder: string }>;

const built = join(import.meta.dirname, '..');
/** What either program says once it is ready; a server has said its URL by then, where it has one. */
const READY = /^Stop: |^baseline at /;
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

/** In user and in system mode, of all its threads: proc(5), fields 14 and 15, in hundredths of a second. */
const processorMsOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
};

/** Starts `program` of the build; resolves once it is ready, rejects when it ends before. */
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
    let url = '';
    createInterface({ input: child.stdout }).on('line', (line) => {
      [url] = /http:\/\/[\d.]+:\d+/.exec(line) ?? [url];
      if (READY.test(line))
        resolve({
          url,
          processorMs: () => processorMsOf(child.pid!),
          stop() {
            child.kill('SIGTERM');
            return ended;
          },
        });
    });
  });

/**
 * The real server on a new data folder, which goes with it, or on that of another one. No variable of our own environment
 * reaches it.
 */
export const startShop = async (
  environment: Readonly<Record<string, string>>,
  beside?: string,
): Promise<Shop> => {
  const dataFolder = beside ?? mkdtempSync(join(tmpdir(), 'orderfold-bench-'));
  folders.add(dataFolder);
  const program = await start('main.js', [], {
    SEED: 'none',
    PORT: '0',
    DATA_DIR: dataFolder,
    ...environment,
  });
  return {
    ...program,
    dataFolder,
    async stop() {
      await program.stop();
      if (beside === undefined) clear(dataFolder);
    },
  };
};

export const startBaseline = (dataFolder: string): Promise<Program> =>
  start('bench/baseline.js', [dataFolder], {});

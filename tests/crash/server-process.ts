/** The real server in a process of its own, to be stopped and killed. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

export type Ended = Readonly<{ code: number | null; signal: NodeJS.Signals | null }>;
export type ServerProcess = Readonly<{
  pid: number;
  /** Where it serves, empty without the role api; rejects with what it said if it ends first. */
  url: Promise<string>;
  ended: Promise<Ended>;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Ended>;
  /** What it wrote so far. */
  output(): string;
  errors(): string;
}>;

/** A demo shop with an outside that is quick, and now and then fails or leaves open what it did. */
export const UNRELIABLE_SHOP = {
  PORT: '0',
  SEED: 'demo',
  LOG_LEVEL: 'error',
  SIM_PAYMENT_LATENCY_MS: '5',
  SIM_WAREHOUSE_LATENCY_MS: '20',
  SIM_PAYMENT_UNKNOWN_RATE: '0.1',
  SIM_PAYMENT_FAILURE_RATE: '0.05',
} as const;

const BUILD = join(import.meta.dirname, '..', '..');
const MAIN = join(BUILD, 'main.js');

/**
 * Starts main.js with just these variables: what the tests' own environment says is not the server's. `under`: a
 * command that runs it, such as prlimit. `main`: of another build.
 */
export const startProcess = (
  variables: Readonly<Record<string, string>>,
  under: readonly string[] = [],
  main = MAIN,
): ServerProcess => {
  const [command, ...args] = [...under, process.execPath, '--enable-source-maps', main];
  const child: ChildProcess = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  const url = new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const found = /(?:serving at (\S+) |is running)[\s\S]*Stop: /.exec(output);
      if (found) resolve(found[1] ?? '');
    });
    void ended.then(() => reject(new Error(`the server ended before it served: ${errors}`)));
  });
  url.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    url,
    ended,
    end(signal) {
      child.kill(signal);
      return ended;
    },
    output: () => output,
    errors: () => errors,
  };
};

/** Runs a script beside the servers, with just these variables; what it said if it did not end well. */
export const runScript = (
  name: string,
  variables: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<string | undefined> =>
  new Promise((resolve) =>
    execFile(
      process.execPath,
      [join(BUILD, 'scripts', `${name}.js`), ...args],
      { env: { PATH: process.env.PATH ?? '', ...variables } },
      (error, out, err) => resolve(error ? `${name}: ${out}${err}` : undefined),
    ),
  );

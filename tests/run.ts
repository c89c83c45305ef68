/**
 * Runs every test file in a process of its own, two at a time, and adds up what uvu prints. A file that runs
 * nothing, hangs or dies has failed. `npm test -- PATTERN` runs the files whose path contains PATTERN;
 * `npm run test:servers` those that start real servers, one at a time.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

const FILE_MS = Number(process.env.TEST_FILE_SECONDS ?? 600) * 1_000;
const here = import.meta.dirname;
const onServers = process.argv[2] === '--servers';
const [pattern = ''] = process.argv.slice(onServers ? 3 : 2);
const PARALLEL = onServers ? 1 : 2;
const SUFFIX = onServers ? '.server.js' : '.test.js';

const files = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : entry.name.endsWith(SUFFIX) ? [path] : [];
  });

type Result = Readonly<{
  file: string;
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
  why?: string;
  output: string;
}>;

/** Files that run: each leads a group of its own, with the servers that it starts. */
const groups = new Set<number>();
const endGroup = (leader: number | undefined): void => {
  if (leader === undefined || !groups.delete(leader)) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nobody is left of it.
  }
};
process.on('exit', () => groups.forEach(endGroup));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const run = (file: string): Promise<Result> =>
  new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(process.execPath, ['--enable-source-maps', file], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0', NODE_ENV: 'test' },
    });
    if (child.pid !== undefined) groups.add(child.pid);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      endGroup(child.pid);
    }, FILE_MS);
    // Whoever was left behind would hold its pipes open.
    child.on('exit', () => endGroup(child.pid));
    child.on('close', (code) => {
      clearTimeout(timer);
      const sum = (word: string) =>
        [...output.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)\\s*$`, 'gm'))].reduce(
          (total, [, n]) => total + Number(n),
          0,
        );
      const [total, passed, skipped] = [sum('Total'), sum('Passed'), sum('Skipped')];
      const why = late
        ? `did not end within ${FILE_MS / 1000} s (an open handle?)`
        : total === 0
          ? 'ran no test'
          : code !== 0
            ? `ended with ${code}`
            : undefined;
      const failed = Math.max(total - passed - skipped, why === undefined ? 0 : 1);
      resolve({
        file: relative(here, file),
        passed,
        failed,
        skipped,
        seconds: (performance.now() - started) / 1000,
        output,
        ...(why === undefined ? {} : { why }),
      });
    });
  });

const queue = files(here)
  .filter((file) => file.includes(pattern))
  .sort();
const results: Result[] = [];
const worker = async (): Promise<void> => {
  for (let file = queue.shift(); file; file = queue.shift()) {
    const result = await run(file);
    results.push(result);
    console.log(
      `${result.failed > 0 ? 'FAILED' : 'ok    '} ${result.file}  ${result.passed} passed${result.skipped > 0 ? `, ${result.skipped} skipped` : ''}  ${result.seconds.toFixed(1)} s${result.why ? `  (${result.why})` : ''}`,
    );
    // What a test says loudly (a skip, a figure) is not swallowed.
    const loud =
      result.failed > 0
        ? result.output
        : result.output
            .split('\n')
            .filter((line) => line.startsWith('NOTE '))
            .join('\n');
    if (loud) console.log(loud);
  }
};
await Promise.all(Array.from({ length: PARALLEL }, worker));
const total = (of: 'passed' | 'failed') => results.reduce((sum, result) => sum + result[of], 0);
if (results.length === 0) console.error(`no test file matches ${pattern}`);
console.log(`${total('passed')} passed, ${total('failed')} failed`);
process.exitCode = total('failed') > 0 || total('passed') === 0 ? 1 : 0;

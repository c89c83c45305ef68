// Sets up what is missing (packages from the lockfile, the compiled code) and runs one of our programs in
// this process. Plain JavaScript on purpose: it is what runs before anything is built.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [program, ...rest] = process.argv.slice(2);
const fail = (sentence) => {
  console.error(`orderfold: ${sentence}`);
  process.exit(1);
};

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  fail(`Node 20.19 or later is needed; this is ${process.version}.`);

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

/**
 * Whether node_modules holds what the lockfile says (optional packages are for other platforms and may be
 * missing).
 */
const installed = () => {
  const hidden = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(hidden)) return false;
  const have = json(hidden).packages;
  return Object.entries(json(join(root, 'package-lock.json')).packages).every(
    ([path, wanted]) =>
      path === '' ||
      wanted.optional === true ||
      wanted.devOptional === true ||
      have[path]?.version === wanted.version,
  );
};

const sources = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return ['node_modules', 'build', 'data', '.git'].includes(entry.name) ? [] : sources(path);
    return /\.ts$|^tsconfig\.json$|^package-lock\.json$/.test(entry.name) ? [path] : [];
  });
const fingerprint = () => {
  const hash = createHash('sha256');
  for (const path of sources(root).sort()) {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${relative(root, path)}:${size}:${mtimeMs}\n`);
  }
  return hash.digest('hex');
};

/**
 * One process sets up at a time; the others wait. A set-up that was killed leaves its mark behind: after ten
 * minutes it counts as gone.
 */
const alone = async (work) => {
  const mark = join(root, '.setting-up');
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    try {
      mkdirSync(mark);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const since = statSync(mark, { throwIfNoEntry: false })?.mtimeMs;
      const owner = since === undefined ? undefined : readOwner(mark);
      if (since !== undefined && (Date.now() - since > 600_000 || (owner !== undefined && !alive(owner))))
        rmSync(mark, { recursive: true, force: true });
      else Atomics.wait(pause, 0, 0, 200);
    }
  }
  try {
    writeFileSync(join(mark, 'pid'), String(process.pid));
    await work();
  } finally {
    rmSync(mark, { recursive: true, force: true });
  }
};
const readOwner = (mark) => {
  try {
    return Number(readFileSync(join(mark, 'pid'), 'utf8')) || undefined;
  } catch {
    return undefined;
  }
};
const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

const stamp = join(root, 'build', '.fingerprint');
const built = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint();

/** What an earlier build left of sources that are gone would still be found, and its tests run. */
const outputs = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.js(\.map)?$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const shell = process.platform === 'win32';
const install = () => {
  console.error('orderfold: installing packages from the lockfile …');
  const { status } = spawnSync(npm, ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell,
  });
  if (status !== 0) throw new Error('npm ci failed; see above.');
};

/** Node 24 brings SQLite along. Before it, one package, and no other, may run its install step. */
const ownSqlite = major >= 24;
const sqliteThere = () => ownSqlite || existsSync(join(root, 'node_modules', 'better-sqlite3'));
const sqliteLoads = () => {
  if (ownSqlite) return true;
  try {
    const Database = createRequire(join(root, 'package.json'))('better-sqlite3');
    new Database(':memory:').close();
    return true;
  } catch {
    return false;
  }
};
const makeSqlite = async () => {
  console.error(
    `orderfold: getting SQLite for Node ${process.version}; where there is no binary for this machine it is compiled, once, for about a minute …`,
  );
  const step = spawn(npm, ['rebuild', 'better-sqlite3', '--ignore-scripts=false', '--foreground-scripts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell,
    env: { ...process.env, JOBS: 'max' },
  });
  let said = '';
  for (const stream of [step.stdout, step.stderr]) stream.on('data', (chunk) => (said += chunk));
  const status = await new Promise((resolve) => step.once('close', resolve));
  if (status === 0 && sqliteLoads()) return;
  console.error(said);
  throw new Error(
    'SQLite could be neither fetched nor compiled; see above. It takes a C++ compiler, make and Python 3 (on Debian: apt-get install g++ make python3), or Node 24 or later, which brings its own.',
  );
};
const build = async () => {
  console.error('orderfold: building …');
  const before = fingerprint();
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const compiler = spawn(process.execPath, [tsc, '-p', root], { cwd: root, stdio: ['ignore', 2, 2] });
  const status = await new Promise((resolve) => compiler.once('close', resolve));
  if (status !== 0) throw new Error('the build failed; see above.');
  for (const path of outputs(join(root, 'build')))
    if (!existsSync(join(root, relative(join(root, 'build'), path).replace(/\.js(\.map)?$/, '.ts'))))
      rmSync(path);
  writeFileSync(stamp, before);
};
const ready = () => installed() && sqliteThere() && sqliteLoads() && built();
if (!ready()) {
  try {
    await alone(async () => {
      if (!installed() || !sqliteThere()) install();
      await Promise.all([sqliteLoads() || makeSqlite(), built() || build()]);
    });
  } catch (error) {
    fail(error.message);
  }
}

/**
 * npm hands a SIGTERM to the shell between us and it, which ends without passing it on. Left without its
 * parent, a program that npm started stops as if the signal had come to it.
 */
const stopWithNpm = () => {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 250).unref();
};

if (program !== 'build') {
  if (process.env.npm_lifecycle_event !== undefined && process.platform !== 'win32') stopWithNpm();
  process.setSourceMapsEnabled(true);
  const path = join(root, 'build', ...`${program === 'test' ? 'tests/run' : program}.js`.split('/'));
  process.argv = [process.argv[0], path, ...rest];
  await import(pathToFileURL(path).href);
}

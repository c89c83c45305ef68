import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EnvironmentError, readEnvironment } from '../compose/environment.ts';
import { startProcess } from './crash/server-process.ts';
import { until } from './fake-clock.ts';

type World = { parent: string; folder: string };
const withFolder = (name: string) => {
  const test = suite<World>(name);
  test.before.each((world) => {
    world.parent = mkdtempSync(join(tmpdir(), 'orderfold-start-'));
    world.folder = join(world.parent, 'data');
  });
  test.after.each(({ parent }) => rmSync(parent, { recursive: true, force: true }));
  return test;
};

const environment = suite('start: the environment');

/** Variables, and what the one sentence must name. */
const WRONG: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
  [{ PORT: 'abc' }, /^PORT must be a whole number/],
  [{ PORT: '70000' }, /^PORT /],
  [{ PORT: '-1' }, /^PORT /],
  [{ HOST: '0.0.0.0' }, /^HOST=0\.0\.0\.0 .*AUTH=jwks/],
  [{ HOST: '192.168.1.2' }, /^HOST=/],
  [{ HOST: '127.0.0.1.example.org' }, /^HOST=/],
  [{ NODE_ENV: 'production' }, /^NODE_ENV=production needs AUTH=jwks/],
  [{ ROLES: 'api,cook' }, /^ROLES must list/],
  [{ SEED: 'maybe' }, /^SEED must be demo or none/],
  [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL /],
  [{ AUTH: 'none' }, /^AUTH must be dev or jwks/],
  [{ AUTH: 'jwks' }, /^AUTH=jwks needs JWKS_URL/],
  [{ AUTH: 'jwks', JWKS_URL: 'https://id.example/keys', JWT_ISSUER: 'x' }, /^AUTH=jwks needs JWT_AUDIENCE/],
  [{ JWKS_URL: 'nonsense' }, /^JWKS_URL must be a URL/],
  [{ CURRENCY: 'pounds' }, /^CURRENCY /],
  [{ SHOP_TIMEZONE: 'Mars/Base' }, /^SHOP_TIMEZONE must be an IANA time zone/],
  [{ TAX_RATE: '20' }, /^TAX_RATE must be between 0 and 1/],
  [{ TAX_RATE: 'a fifth' }, /^TAX_RATE /],
  [{ SHIPPING_FLAT_MINOR: '4.95' }, /^SHIPPING_FLAT_MINOR must be a whole number/],
  [{ ORDER_EXPIRY_MS: '0' }, /^ORDER_EXPIRY_MS /],
  [{ SIM_PAYMENT_FAILURE_RATE: '1.5' }, /^SIM_PAYMENT_FAILURE_RATE must be between 0 and 1/],
  [{ SIM_WAREHOUSE_LATENCY_MS: 'soon' }, /^SIM_WAREHOUSE_LATENCY_MS /],
  [{ MASTER_KEY: 'a', MASTER_KEY_FILE: 'b' }, /^MASTER_KEY and MASTER_KEY_FILE are both set/],
  [{ WAREHOUSE_SECRET: 'hush' }, /^WAREHOUSE_SECRET must be at least 16 characters/],
  [
    { SMTP_URL: 'http://me:hush@mail.example' },
    /^SMTP_URL must be a URL that begins with smtp:\/\/ or smtps:\/\//,
  ],
  [{ MAIL_FROM: 'nobody at all' }, /^MAIL_FROM must be one address/],
  [{ MAIL_FROM: 'a@shop.example, b@shop.example' }, /^MAIL_FROM /],
  [{ EVENT_STORE_URL: 'http://me:hush@x:2113' }, /^EVENT_STORE_URL must be a URL such as esdb:/],
  [{ EVENT_STORE_URL: 'esdb://me:hush@' }, /^EVENT_STORE_URL must be a URL such as esdb:/],
  [{ EVENT_STORE_PREFIX: 'a.' }, /^EVENT_STORE_PREFIX needs EVENT_STORE_URL/],
  [{ KAFKA_BROKERS: 'kafka' }, /^KAFKA_BROKERS must list brokers as host:port/],
  [{ KAFKA_PARTITIONS: '4' }, /^KAFKA_PARTITIONS needs KAFKA_BROKERS/],
  [{ ROLES: 'forward' }, /^ROLES has forward, which fills Kafka: it needs KAFKA_BROKERS/],
  [{ KAFKA_BROKERS: 'x:9092', KAFKA_SASL_USERNAME: 'me' }, /^KAFKA_SASL_USERNAME needs KAFKA_SASL_PASSWORD/],
  [
    { KAFKA_BROKERS: 'x:9092', KAFKA_SASL_PASSWORD: 'hush' },
    /^KAFKA_SASL_PASSWORD needs KAFKA_SASL_USERNAME/,
  ],
  [{ KAFKA_BROKERS: 'x:9092', KAFKA_SSL: 'yes' }, /^KAFKA_SSL must be true or false/],
  [{ KAFKA_BROKERS: 'x:9092', KAFKA_PREFIX: 'a shop' }, /^KAFKA_PREFIX /],
  [{ MONGODB_URL: 'https://me:hush@x' }, /^MONGODB_URL must be a URL such as mongodb:/],
  [{ MONGODB_URL: 'mongodb://x/a.b' }, /^MONGODB_URL must be a URL such as mongodb:/],
  [{ MONGODB_KEYS_URL: 'mongodb://me:hush@x' }, /^MONGODB_KEYS_URL needs MONGODB_URL/],
  [{ MONGODB_URL: 'mongodb://x', MONGODB_KEYS_URL: 'x:hush' }, /^MONGODB_KEYS_URL must be a URL/],
  [{ WAREHOUSE_URL: 'https://x' }, /^WAREHOUSE_URL is set/],
  [{ ROLES: 'simulate,api' }, /^ROLES has simulate beside others/],
  [{ ROLES: 'simulate', SIM_URL: 'http://x' }, /^SIM_URL is for the processes that call/],
  [{ SIM_URL: 'x:3100' }, /^SIM_URL must be a URL that begins with/],
];

environment(
  'what is wrong or half set is one sentence that names the variable and does not repeat a secret',
  () => {
    for (const [variables, sentence] of WRONG) {
      const what = JSON.stringify(variables);
      try {
        readEnvironment(variables);
      } catch (error) {
        assert.instance(error, EnvironmentError, what);
        const { message } = error as Error;
        assert.match(message, sentence, what);
        assert.not.match(message, '\n');
        assert.not.match(message, 'undefined');
        assert.not.match(message, 'hush');
        continue;
      }
      assert.unreachable(`${what} was taken`);
    }
  },
);

environment('brokers and roles come in lists', () => {
  const { KAFKA_BROKERS, KAFKA_SSL, KAFKA_PARTITIONS, ROLES } = readEnvironment({
    KAFKA_BROKERS: 'one:9092,two:9093',
    KAFKA_SSL: 'true',
    ROLES: 'api, forward',
  });
  assert.equal(KAFKA_BROKERS, ['one:9092', 'two:9093']);
  assert.equal([KAFKA_SSL, KAFKA_PARTITIONS, ROLES], [true, 8, ['api', 'forward']]);
});

environment('an event store has one host or several, TLS and credentials in its URL', () => {
  for (const EVENT_STORE_URL of [
    'esdb://127.0.0.1:2113?tls=false',
    'esdb://me:it%27s@one:2113,two:2113,three?tls=true&tlsCaFile=/ca.pem',
    'esdb+discover://cluster.example/',
  ])
    assert.is(readEnvironment({ EVENT_STORE_URL }).EVENT_STORE_URL, EVENT_STORE_URL);
});

environment('a MongoDB has one host or several, a database, TLS and credentials in its URL', () => {
  for (const MONGODB_URL of [
    'mongodb://127.0.0.1:27017',
    'mongodb://me:it%27s@one:27017,two:27018/shop?replicaSet=rs0&tls=true&tlsCAFile=/ca.pem',
    'mongodb+srv://me:p@cluster.example/?retryWrites=true',
  ])
    assert.is(readEnvironment({ MONGODB_URL }).MONGODB_URL, MONGODB_URL);
});

environment('empty counts as unset; loopback addresses and an identity provider are fine', () => {
  assert.is(readEnvironment({ PORT: '', DATA_DIR: '' }).PORT, 3000);
  for (const MAIL_FROM of [
    'orders@localhost',
    'Shop <orders@example.org>',
    '"Shop, the" <orders@example.org>',
  ])
    assert.is(readEnvironment({ MAIL_FROM }).MAIL_FROM, MAIL_FROM);
  for (const HOST of ['localhost', '127.0.0.1', '127.1.2.3', '::1'])
    assert.is(readEnvironment({ HOST }).HOST, HOST);
  const jwks = {
    AUTH: 'jwks',
    JWKS_URL: 'https://id.example/keys',
    JWT_ISSUER: 'https://id.example',
    JWT_AUDIENCE: 'shop',
  };
  assert.is(readEnvironment({ ...jwks, HOST: '0.0.0.0', NODE_ENV: 'production' }).HOST, '0.0.0.0');
});
environment.run();

const start = withFolder('start: the process');

/** Starts a server that must not start; its one line. */
const refusal = async (variables: Readonly<Record<string, string>>): Promise<string> => {
  const server = startProcess({ PORT: '0', ...variables });
  server.url.then(
    () => server.end('SIGKILL'),
    () => undefined,
  );
  const { code } = await server.ended;
  assert.is(code, 1, `it ended with ${code} and said ${server.output()}${server.errors()}`);
  assert.is(server.output(), '');
  const [line = '', ...more] = server.errors().trimEnd().split('\n');
  assert.equal(more, [], `one line: ${server.errors()}`);
  assert.match(line, /^orderfold cannot start: /);
  return line;
};

start('a bad variable is one line and exit 1, before anything is made', async ({ folder }) => {
  assert.match(await refusal({ DATA_DIR: folder, PORT: 'abc' }), 'PORT');
  assert.match(await refusal({ DATA_DIR: folder, HOST: '0.0.0.0' }), 'HOST=0.0.0.0');
  assert.match(await refusal({ DATA_DIR: folder, MASTER_KEY_FILE: join(folder, 'none') }), 'MASTER_KEY_FILE');
  assert.not.ok(existsSync(folder));
});

start('a master key that is none is one line and exit 1, without the key', async ({ folder }) => {
  const line = await refusal({ DATA_DIR: folder, MASTER_KEY: 'hush' });
  assert.match(line, 'MASTER_KEY must be 32 bytes');
  assert.not.match(line, 'hush');
});

start(
  'a port in use is one line and exit 1, and leaves the folder as another can use it',
  async ({ folder }) => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    assert.match(
      await refusal({ DATA_DIR: folder, PORT: String(port), SEED: 'none' }),
      new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use`),
    );
    await new Promise((resolve) => other.close(resolve));
    const server = startProcess({ DATA_DIR: folder, PORT: String(port), SEED: 'none' });
    assert.is(await server.url, `http://127.0.0.1:${port}`);
    assert.equal(await server.end('SIGTERM'), { code: 0, signal: null });
  },
);

start(
  'a folder of a newer format, or none at all, is one line, and nothing in it changes',
  async ({ folder, parent }) => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'format.json'), '{"format":99}\n');
    assert.match(await refusal({ DATA_DIR: folder }), /has format 99, this version reads \d+:/);
    assert.equal(readdirSync(folder), ['format.json']);
    writeFileSync(join(parent, 'file'), '');
    assert.match(await refusal({ DATA_DIR: join(parent, 'file') }), 'is not a folder');
  },
);

start('says where it is, seeds once, shares its folder, ends on a signal', async ({ folder }) => {
  const first = startProcess({ DATA_DIR: folder, PORT: '0' });
  const url = await first.url;
  const lines = first.output().trimEnd().split('\n');
  assert.is(lines.length, 3);
  assert.match(lines[0] ?? '', new RegExp(`^orderfold is serving at ${url} .*${url}/openapi\\.json`));
  assert.match(lines[1] ?? '', new RegExp(`^Data: ${folder} .*demo shop of \\d\\d products`));
  assert.match(lines[2] ?? '', 'Ctrl+C');
  assert.is((await fetch(`${url}/healthz`)).status, 200);
  assert.is((await fetch(`${url}/readyz`)).status, 200);

  const second = startProcess({ DATA_DIR: folder, PORT: '0' });
  const secondUrl = await second.url;
  assert.not.match(second.output(), 'demo shop');
  for (const either of [url, secondUrl]) assert.is((await fetch(`${either}/readyz`)).status, 200);
  assert.equal(await first.end('SIGINT'), { code: 0, signal: null });
  assert.is((await fetch(`${secondUrl}/readyz`)).status, 200, 'the other one goes on');
  assert.equal(await second.end('SIGTERM'), { code: 0, signal: null });
  assert.is(first.errors() + second.errors(), '');
});

start('a server that was killed leaves its folder as another can use it', async ({ folder }) => {
  const first = startProcess({ DATA_DIR: folder, PORT: '0', SEED: 'none' });
  await first.url;
  await first.end('SIGKILL');
  const second = startProcess({ DATA_DIR: folder, PORT: '0', SEED: 'none' });
  await second.url;
  assert.equal(await second.end('SIGTERM'), { code: 0, signal: null });
});

start('runs without the API', async ({ folder }) => {
  const server = startProcess({ DATA_DIR: folder, ROLES: 'project,consume', SEED: 'none' });
  await until('it to run', () => /Stop: /.test(server.output()), 30_000).finally(() => server.end('SIGTERM'));
  assert.match(server.output(), 'orderfold is running (project, consume)');
  assert.equal(await server.ended, { code: 0, signal: null });
});
start.run();

/** Real Kafka for tests: brokers of a cluster of their own, on this machine alone, gone with the test. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { until } from '../fake-clock.ts';
import type { Secured } from './certificate.ts';
import { freePort } from './free-port.ts';
import { killed } from './killed.ts';

const VERSION = '4.4.0';
const STARTED_MS = 60_000;
// Compiled to build/tests/servers: the sources are three folders up.
const root = resolve(import.meta.dirname, '..', '..', '..');

/** The folder with Kafka's jars, fetched by Maven where they are missing. */
const jars = (): string => {
  const folder = join(root, 'node_modules', '.cache', `kafka-${VERSION}`);
  if (existsSync(folder)) return folder;
  console.error(`NOTE fetching Kafka ${VERSION} with Maven, some 43 MB …`);
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  const pom = join(root, 'tests', 'servers', 'kafka-pom.xml');
  const { status, stdout, error } = spawnSync(
    'mvn',
    ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${unfinished}`],
    { encoding: 'utf8' },
  );
  if (status !== 0)
    throw new Error(
      `Kafka cannot be fetched; it takes Java 17 and Maven (on Debian: apt-get install maven): ${error?.message ?? stdout}`,
    );
  renameSync(unfinished, folder);
  return folder;
};

type Broker = {
  readonly id: number;
  readonly port: number;
  readonly folder: string;
  process: ChildProcess | undefined;
};

export type KafkaServer = Readonly<{
  brokers: readonly string[];
  /** For who logs in; empty unless `secured`. */
  securedBrokers: readonly string[];
  /** Ends broker `n` (from 0) as a crash would. */
  kill(n: number): Promise<void>;
  /** Starts it again, and waits until it serves. */
  start(n: number): Promise<void>;
  /** Stands still, as a process whose machine is gone: its connections stay open. */
  freeze(n: number): void;
  thaw(n: number): void;
  close(): Promise<void>;
}>;

const LOGGING = `<Configuration status="ERROR"><Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
<Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers></Configuration>`;

const securedBy = (keystore: string, { key, cert }: Secured): Readonly<Record<string, string>> => {
  writeFileSync(keystore, key + cert);
  return {
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keystore,
    'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  };
};

/**
 * `count` brokers, each also a controller. `secured`: they have a second listener each, for clients that log in with
 * SCRAM-SHA-512.
 */
export const startKafka = async (count = 1, secured?: Secured): Promise<KafkaServer> => {
  const classPath = join(jars(), '*');
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-kafka-'));
  const ports: number[] = [];
  while (ports.length < count * 3) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  const voters = Array.from({ length: count }, (_, id) => `${id}@127.0.0.1:${ports[count + id]}`).join(',');
  const logging = join(folder, 'log4j2.xml');
  writeFileSync(logging, LOGGING);
  const java = (args: readonly string[]): string[] => [
    '-Xmx384m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    `-Dlog4j2.configurationFile=${logging}`,
    '-cp',
    classPath,
    ...args,
  ];
  const nodes = Array.from({ length: count }, (_, id): Broker => {
    const own = join(folder, String(id));
    mkdirSync(own);
    const advertised = [
      `PLAINTEXT://127.0.0.1:${ports[id]}`,
      ...(secured ? [`SASL_SSL://127.0.0.1:${ports[count * 2 + id]}`] : []),
    ].join(',');
    writeFileSync(
      join(own, 'server.properties'),
      Object.entries({
        'process.roles': 'broker,controller',
        'node.id': id,
        listeners: `${advertised},CONTROLLER://127.0.0.1:${ports[count + id]}`,
        'advertised.listeners': advertised,
        ...(secured ? securedBy(join(own, 'keystore.pem'), secured) : {}),
        'controller.listener.names': 'CONTROLLER',
        'controller.quorum.voters': voters,
        'log.dirs': join(own, 'log'),
        'offsets.topic.replication.factor': count,
        'offsets.topic.num.partitions': 4,
        'transaction.state.log.replication.factor': count,
        'transaction.state.log.min.isr': 1,
        'transaction.state.log.num.partitions': 4,
        'group.initial.rebalance.delay.ms': 0,
        'group.min.session.timeout.ms': 1_000,
        'broker.session.timeout.ms': 3_000,
        'broker.heartbeat.interval.ms': 500,
        'auto.create.topics.enable': false,
      })
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
    return { id, port: ports[id]!, folder: own, process: undefined };
  });
  for (const { folder: own } of nodes) {
    const { status, stderr, stdout, error } = spawnSync(
      'java',
      java([
        'kafka.tools.StorageTool',
        'format',
        '-t',
        'b3JkZXJmb2xkLXRlc3RzLQ',
        '-c',
        join(own, 'server.properties'),
        ...(secured ? ['-S', `SCRAM-SHA-512=[name=${secured.user},password=${secured.password}]`] : []),
      ]),
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`Kafka's storage cannot be made: ${error?.message ?? stderr + stdout}`);
  }
  const launch = (broker: Broker): void => {
    broker.process = spawn('java', java(['kafka.Kafka', join(broker.folder, 'server.properties')]), {
      stdio: 'ignore',
    });
    broker.process.unref();
  };
  const brokers = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const serves = async ({ id, port }: Broker): Promise<void> => {
    const admin = new Kafka({
      brokers: [`127.0.0.1:${port}`],
      clientId: 'test',
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    }).admin();
    await until(
      `broker ${id} serves`,
      async () => {
        try {
          await admin.connect();
          return (await admin.describeCluster()).brokers.some(({ nodeId }) => nodeId === id);
        } catch {
          return false;
        }
      },
      STARTED_MS,
    );
    await admin.disconnect();
  };
  const kill = (broker: Broker): Promise<void> => killed(broker.process);
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map(kill));
    rmSync(folder, { recursive: true, force: true });
  };
  // They end with the test, also with one that fails.
  process.once('exit', () => {
    for (const { process: child } of nodes) child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  try {
    for (const node of nodes) launch(node);
    await Promise.all(nodes.map(serves));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    brokers,
    securedBrokers: secured ? nodes.map(({ id }) => `127.0.0.1:${ports[count * 2 + id]}`) : [],
    kill: (n) => kill(nodes[n]!),
    async start(n) {
      launch(nodes[n]!);
      await serves(nodes[n]!);
    },
    freeze: (n) => void nodes[n]!.process?.kill('SIGSTOP'),
    thaw: (n) => void nodes[n]!.process?.kill('SIGCONT'),
    close,
  };
};

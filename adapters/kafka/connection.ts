/** The driver, within bounds: each thing that is asked of it ends, and so do its connections. */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import kafkajs, {
  Kafka,
  logLevel,
  type Admin,
  type Consumer,
  type ConsumerConfig,
  type SASLOptions,
} from 'kafkajs';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { inTime } from '../in-time.ts';

/** `brokers`: `host:port` each. `clientId`: who asks, in the brokers' logs. */
export type ConnectionOptions = Readonly<{
  brokers: readonly string[];
  clientId: string;
  ssl?: boolean;
  sasl?: Readonly<{
    mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    username: string;
    password: string;
  }>;
  clock: Clock;
  log: Log;
}>;

type Client = Readonly<{ disconnect(): Promise<void> }>;
/**
 * A client that is made at first use, and anew after a failure. The old one is left once nobody uses it: a request that
 * is sent on a client that leaves would never be answered.
 */
export type Shared<C> = Readonly<{
  /** Throws as `ask`. */
  use<T>(what: (client: C) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}>;

/**
 * `end`: leaves the group, in peace if the brokers let it, and cuts the sockets. One that leaves while it joins, or waits
 * to begin anew, would join all the same (kafkajs 2.2.4), and hold partitions that nobody handles.
 */
export type EndingConsumer = Readonly<{ consumer: Consumer; end(): Promise<void> }>;

/** A request that is sent in the moment in which its connection breaks is never answered by kafkajs 2.2.4, nor refused. */
export type Connection = Readonly<{
  kafka: Kafka;
  /** What `work` of the driver comes to; throws StoreUnavailable when it fails, or takes too long. */
  ask<T>(doing: string, work: Promise<T>, withinMs?: number): Promise<T>;
  /** A client for all that is asked of it. */
  shared<C extends Client>(doing: string, make: () => Promise<C>): Shared<C>;
  asAdmin: Shared<Admin>['use'];
  /** A consumer with sockets of its own; it never begins anew by itself. */
  consumer(config: ConsumerConfig): EndingConsumer;
  /** Cuts what is still connected, also what did not leave. */
  close(): Promise<void>;
}>;

// A CommonJS module whose errors are spread into its exports: not seen as names.
const { KafkaJSError } = kafkajs;

/** Some of its own ("Broker not connected") are plain ones, and so are those of sockets. */
const isDrivers = (error: unknown): error is Error =>
  error instanceof KafkaJSError || (error instanceof Error && error.constructor === Error);

const CONNECTION_MS = 3_000;
const REQUEST_MS = 10_000;
/** The driver tries again by itself meanwhile. */
const ANSWER_MS = 30_000;
/** A broker that hangs must not hold up the end of a process. */
export const LEAVE_MS = 5_000;
const KEEP_ALIVE_MS = 60_000;

/** `cut`: ends every connection; the driver gets no other, whatever it still tries. */
type Driver = Readonly<{ kafka: Kafka; cut(): void }>;

const startDriver = ({ brokers, clientId, ssl = false, sasl, log }: ConnectionOptions): Driver => {
  const sockets = new Set<Socket>();
  let isCut = false;
  const end = (socket: Socket): unknown => socket.destroy(new Error('given up'));
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId,
    ssl,
    ...(sasl ? { sasl: { ...sasl } as SASLOptions } : {}),
    connectionTimeout: CONNECTION_MS,
    requestTimeout: REQUEST_MS,
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 2_000 },
    // As the driver's own does it.
    socketFactory({ host, port, ssl: tls, onConnect }) {
      const socket = tls
        ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...tls }, onConnect)
        : connectTcp({ host, port }, onConnect);
      if (isCut) end(socket);
      sockets.add(socket);
      return socket.setKeepAlive(true, KEEP_ALIVE_MS).once('close', () => sockets.delete(socket));
    },
    logLevel: logLevel.WARN,
    // What the driver calls an error it has often mended by itself a moment later; what it could not mend it throws.
    logCreator:
      () =>
      ({ level, namespace, log: { message, error } }) =>
        log[level === logLevel.ERROR ? 'warn' : 'info'](
          { kafka: namespace, error: error as unknown },
          message,
        ),
  });
  return {
    kafka,
    cut() {
      isCut = true;
      for (const socket of sockets) if (!socket.writableEnded) end(socket);
    },
  };
};

export const connectKafka = (options: ConnectionOptions): Connection => {
  const { brokers, clock, log } = options;
  const { kafka, cut } = startDriver(options);
  const away = (doing: string, why: string, cause?: unknown): StoreUnavailable =>
    new StoreUnavailable(`Kafka (${brokers.join(', ')}) cannot ${doing}: ${why}`, { cause });
  const ask: Connection['ask'] = async (doing, work, withinMs = ANSWER_MS) => {
    try {
      return await inTime(clock, withinMs, work, () => away(doing, `no answer in ${withinMs} ms`));
    } catch (error) {
      throw isDrivers(error) ? away(doing, error.message, error) : error;
    }
  };
  /** Leaves the brokers, in peace if they let it. */
  const leave = async (client: Client | Promise<Client>): Promise<void> => {
    const left = Promise.resolve(client).then(
      (made) => made.disconnect(),
      () => undefined,
    );
    const late = (): Error => new Error(`not within ${LEAVE_MS} ms`);
    await inTime(clock, LEAVE_MS, left, late).catch((error: unknown) =>
      log.info({ error: String(error) }, 'Kafka was not left in peace'),
    );
  };

  const shared: Connection['shared'] = <C extends Client>(doing: string, make: () => Promise<C>) => {
    let current: { readonly client: Promise<C>; users: number } | undefined;
    return {
      async use<T>(what: (client: C) => Promise<T>): Promise<T> {
        const used = (current ??= { client: make(), users: 0 });
        used.users += 1;
        try {
          return await ask(doing, used.client.then(what));
        } catch (error) {
          if (current === used) current = undefined;
          throw error;
        } finally {
          used.users -= 1;
          if (current !== used && used.users === 0) void leave(used.client);
        }
      },
      async close() {
        const left = current;
        current = undefined;
        if (left) await leave(left.client);
      },
    };
  };
  const admin = shared('be asked', async () => {
    const made = kafka.admin();
    await made.connect();
    return made;
  });
  return {
    kafka,
    ask,
    shared,
    asAdmin: admin.use,
    consumer(config) {
      const driver = startDriver(options);
      const consumer = driver.kafka.consumer({ ...config, retry: { restartOnFailure: async () => false } });
      return {
        consumer,
        async end() {
          await leave(consumer);
          driver.cut();
        },
      };
    },
    async close() {
      await admin.close();
      cut();
    },
  };
};

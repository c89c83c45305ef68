/** Runs the roles that this process has, the API first, and stops them in order. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serveOutside } from '../adapters/simulated/over-http.ts';
import { boundPipelining } from '../api/pipelining.ts';
import type { Clock } from '../ports/system.ts';
import { isRetriable, nameOf } from '../runtime/retry.ts';
import { within } from '../runtime/wake.ts';
import { assemble, type Shop } from './assemble.ts';
import { seedDemo } from './demo.ts';
import type { Environment } from './environment.ts';
import { openParts, type Parts, type System } from './parts.ts';

/** `url` is undefined without the role api. `seeded`: products of the demo shop that this start listed. */
export type RunningServer = Readonly<{
  url: string | undefined;
  dataFolder: string;
  seeded: number;
  close(): Promise<void>;
}>;

/** What is there does not fit together; the message says what and what to do. Nothing was changed. */
export class Misfit extends Error {
  override readonly name = 'Misfit';
}

const REQUEST_MS = 30_000;
const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;
/** How long answers that are under way hold up the end. */
const ANSWER_MS = 10_000;
/** How long the start waits for views: a new shop's are there in no time, those of a long history must not hold it up. */
const VIEWS_MS = 2_000;
const LOOK_AGAIN_MS = 250;
const MISFITS_MS = 5_000;

/** `variable`: the one that says the port. */
const listen = (server: Server, host: string, port: number, variable: string): Promise<string> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(
              `port ${port} on ${host} is in use; set ${variable} to another one (0 takes any free one)`,
            )
          : error,
      ),
    );
    server.listen(port, host, () => {
      const { port: actual } = server.address() as AddressInfo;
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${actual}`);
    });
  });

/**
 * Requests that are being answered are; their connections are kept for no others, or they would hold up the
 * end.
 */
const stopListening = async (server: Server, clock: Clock): Promise<void> => {
  const closed = new AbortController();
  server.keepAliveTimeout = 1;
  server.close(() => closed.abort());
  server.closeIdleConnections();
  await clock.sleep(ANSWER_MS, closed.signal);
  server.closeAllConnections();
};

/** Serves the API of `shop`. `stop` takes no more requests, `close` ends what the API keeps. */
const serveApi = async (shop: Shop, { HOST, PORT }: Environment, clock: Clock) => {
  const { app, stopServing, close } = await shop.openApi();
  let stopping = false;
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: HEADERS_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => {
      if (stopping) response.setHeader('Connection', 'close');
      app(request, response);
    },
  );
  boundPipelining(server);
  try {
    const url = await listen(server, HOST, PORT, 'PORT');
    const stop = async (): Promise<void> => {
      stopping = true;
      stopServing();
      await stopListening(server, clock);
    };
    return { url, stop, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Serves the simulated outside, for processes elsewhere. Answers how to stop. */
const serveSimulated = async (
  { outside, system: { clock } }: Parts,
  { HOST, SIM_PORT }: Environment,
): Promise<() => Promise<void>> => {
  const { gateway, warehouse } = outside();
  const { handle, close } = serveOutside({ gateway, warehouse, clock });
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, handle);
  await listen(server, HOST, SIM_PORT, 'SIM_PORT');
  return async () => {
    await close();
    await stopListening(server, clock);
  };
};

/** Throws Misfit. What cannot be looked at in time is not: orders can be taken without it. */
const refuseMisfits = async (shop: Shop, { eventLog, system: { clock, log } }: Parts): Promise<void> => {
  const over = new AbortController();
  let why = `no answer in ${MISFITS_MS} ms`;
  // Topics that were just made have no leaders for a moment.
  const look = async (): Promise<readonly string[] | undefined> => {
    for (; !over.signal.aborted; await clock.sleep(LOOK_AGAIN_MS, over.signal))
      try {
        const wrong = (await eventLog?.prepare()) ?? [];
        return wrong.length > 0 ? wrong : await shop.misfits();
      } catch (error) {
        if (!isRetriable(error)) throw error;
        why = nameOf(error);
      }
    return undefined;
  };
  const looked = look();
  looked.catch(() => undefined); // it may come when nobody waits for it any more
  const found = await within(clock, MISFITS_MS, looked);
  over.abort();
  if (!found) log.warn({ why }, 'whether consumers and views fit the event store could not be looked at');
  else if (found[0] !== undefined) throw new Misfit(found[0]);
};

/** Starts everything on `parts`, the API first, or rejects with nothing left running and the parts closed. */
const runServer = async (parts: Parts, environment: Environment): Promise<RunningServer> => {
  const { ROLES } = environment;
  const { store, system } = parts;
  const has = (role: string): boolean => ROLES.includes('all') || ROLES.includes(role);
  // First no more requests come in, then the rest ends in reverse, the parts last.
  const first: (() => Promise<void>)[] = [];
  const ends: (() => Promise<void>)[] = [parts.close];
  const close = async (): Promise<void> => {
    for (const end of first.splice(0)) await end();
    for (let end = ends.pop(); end; end = ends.pop()) await end();
  };
  try {
    const shop = assemble(parts, environment);
    await refuseMisfits(shop, parts);
    const seeded =
      environment.SEED === 'demo' && !ROLES.includes('simulate') && (await store.tail()) === undefined
        ? await seedDemo(shop.executor, environment.CURRENCY)
        : 0;
    // Requests are served before the followers start: with a long history to catch up with they keep the
    // process busy.
    let url: string | undefined;
    if (has('api')) {
      const api = await serveApi(shop, environment, system.clock);
      first.push(api.stop);
      ends.push(api.close);
      url = api.url;
    }
    if (ROLES.includes('simulate')) ends.push(await serveSimulated(parts, environment));
    if (has('forward')) ends.push(shop.startForward());
    if (has('project')) ends.push(shop.followViews());
    ends.push(shop.announce());
    ends.push(await shop.startConsumers((name) => has('consume') || has(`consume:${name}`)));
    if (has('api')) await shop.viewsReadable(VIEWS_MS);
    return { url, dataFolder: parts.where, seeded, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Opens the parts that the environment names, and runs the roles that it names on them. */
export const startServer = async (environment: Environment, system: System): Promise<RunningServer> =>
  runServer(await openParts(environment, system), environment);

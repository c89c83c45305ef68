/** A disk that is full: refused in so many words, nothing half-written, and on by itself when there is room. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { system, systemRandomness } from '../../adapters/system.ts';
import { readEnvironment } from '../../compose/environment.ts';
import { openParts } from '../../compose/parts.ts';
import { statusOf } from '../../domain/order/status.ts';
import { clientOf, eventually, newOrder, type Answer, type Client } from '../flow/client.ts';
import { newFolder } from '../flow/shop.ts';
import { brokenAccounts, foldAll } from './accounts.ts';
import { startProcess, type ServerProcess } from './server-process.ts';

const test = suite('crash: disk full');

/** A place with little room. `under`: what the server runs under. */
type Narrow = Readonly<{ folder: string; under: readonly string[]; makeRoom(pid: number): void }>;

const done = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
const MEBIBYTE = 1024 * 1024;
const FILESYSTEM_MIB = 64;
const ROOM_MIB = 10;
const FILE_BYTES = 1_500_000;

/** A filesystem in memory with a file that takes most of it; undefined where this process may not mount one. */
const smallDisk = (place: string): Narrow | undefined => {
  const disk = join(place, 'disk');
  mkdirSync(disk);
  if (!done('mount', '-t', 'tmpfs', '-o', `size=${FILESYSTEM_MIB}m`, 'tmpfs', disk)) return undefined;
  const ballast = join(disk, 'ballast');
  writeFileSync(ballast, Buffer.alloc((FILESYSTEM_MIB - ROOM_MIB) * MEBIBYTE));
  return { folder: join(disk, 'data'), under: [], makeRoom: () => rmSync(ballast) };
};
/** No file of the server's may become greater; undefined where limits cannot be set so. */
const smallFiles = (place: string): Narrow | undefined => {
  if (!done('prlimit', '--version')) return undefined;
  return {
    folder: join(place, 'data'),
    under: ['prlimit', `--fsize=${FILE_BYTES}:unlimited`],
    makeRoom: (pid) => assert.ok(done('prlimit', '--pid', String(pid), '--fsize=unlimited:unlimited')),
  };
};

const AT_ONCE = 8;
/** That many requests in a row are refused: it is full, and stays so. */
const REFUSED = 50;
const END_MS = 120_000;

type Wanted = { readonly key: string; answer?: Answer };
const placed = async (client: Client, wanted: Wanted): Promise<Answer> =>
  client.call('POST', '/orders', {
    as: 'customer:ada',
    key: wanted.key,
    body: newOrder([{ sku: 'MUG', quantity: 1 }]),
  });

/** Orders until nothing is taken any more. */
const fill = async (client: Client): Promise<Wanted[]> => {
  const all: Wanted[] = [];
  let refused = 0;
  const customer = async (): Promise<void> => {
    while (refused < REFUSED) {
      const wanted: Wanted = { key: systemRandomness.uuid() };
      all.push(wanted);
      const answer = await placed(client, wanted);
      if (answer.status === 201) [wanted.answer, refused] = [answer, 0];
      else {
        refused += 1;
        assert.is(answer.status, 503, answer.text);
        assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
        assert.is(answer.body.code, 'unavailable');
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, customer));
  return all;
};

const inNarrow = async (narrow: Narrow, afterwards: (start: () => ServerProcess) => Promise<void>) => {
  const variables = {
    PORT: '0',
    SEED: 'none',
    LOG_LEVEL: 'warn',
    DATA_DIR: narrow.folder,
    SIM_PAYMENT_LATENCY_MS: '1',
    SIM_WAREHOUSE_LATENCY_MS: '20',
  };
  const started: ServerProcess[] = [];
  const start = (under: readonly string[]): ServerProcess => {
    const server = startProcess(variables, under);
    started.push(server);
    return server;
  };
  try {
    const server = start(narrow.under);
    const client = clientOf(await server.url);
    await client.product('MUG', 100_000);
    const all = await fill(client);
    const promised = all.filter(({ answer }) => answer);
    assert.ok(promised.length > AT_ONCE, `${promised.length} orders were taken`);

    // Full: what was acknowledged is read, also by who folds its history.
    for (const { answer } of promised.slice(-AT_ONCE)) {
      const { orderId } = answer!.body;
      assert.is((await client.types(orderId))[0], 'OrderPlaced');
      assert.is((await client.call('GET', `/orders/${orderId}?revision=0`)).status, 200);
    }
    assert.match(server.errors(), /a request could not be served/);
    assert.match(
      server.errors(),
      /StoreUnavailable: the event store \([^)]+\) cannot be written: .*(full|I\/O error)/,
    );

    narrow.makeRoom(server.pid);
    await eventually('an order to be taken', async () => (await placed(client, all[0]!)).status === 201);
    for (const wanted of all) {
      const { status, text } = await placed(client, wanted);
      assert.is(status, 201, text);
      if (wanted.answer) assert.is(text, wanted.answer.text, 'a repeat is answered as before');
    }
    const parts = await openParts(readEnvironment(variables), system);
    try {
      await eventually(
        'every order to end',
        async () => {
          const { orders } = await foldAll(parts);
          const { items } = await client.ok('GET', '/ops/consumers');
          return (
            [...orders.values()].every((order) => statusOf(order) === 'delivered') &&
            items.every(({ lag, inFlight, retrying }: any) => lag.events + inFlight + retrying === 0)
          );
        },
        END_MS,
      );
      assert.equal(await server.end('SIGTERM'), { code: 0, signal: null });
      const folded = await foldAll(parts);
      assert.is(folded.orders.size, all.length, 'each order is there once');
      assert.equal(await brokenAccounts(narrow.folder, parts, folded), []);
    } finally {
      await parts.close();
    }
    await afterwards(() => start([]));
  } finally {
    for (const server of started) await server.end('SIGKILL');
  }
};

test('a filesystem without room', async () => {
  const place = newFolder();
  try {
    const narrow = smallDisk(place);
    if (!narrow) {
      console.log('NOTE a full disk was tried with a limit on files alone: this user may not mount a tmpfs');
      return;
    }
    await inNarrow(narrow, async (start) => {
      try {
        writeFileSync(join(place, 'disk', 'ballast'), Buffer.alloc(FILESYSTEM_MIB * MEBIBYTE));
        assert.unreachable('there was room');
      } catch (error) {
        assert.is((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
      const server = start();
      assert.is((await server.ended).code, 1);
      assert.match(server.errors(), /cannot start: the data folder \S+ is full: free some space on its disk/);
    });
  } finally {
    spawnSync('umount', ['-l', join(place, 'disk')]);
    rmSync(place, { recursive: true, force: true });
  }
});

test('files that may not grow', async () => {
  const place = newFolder();
  try {
    const narrow = smallFiles(place);
    if (narrow) await inNarrow(narrow, async () => undefined);
    else console.log('NOTE skipped: a limit on the size of files is set with prlimit, which is not here');
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});

test.run();

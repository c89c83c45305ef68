/** Which process serves a folder. The kernel drops the lock with the process, however that ends. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';

/** What a socket's path may have at most on every Unix, with room for its end. */
const SOCKET_PATH_BYTES = 100;
const TRIES = 20;
const OWNER = 'owner';

export type Owner = Readonly<{ pid: number; socket: string }>;
export type OwnerLock = Readonly<{ release(): Promise<void> }>;

const socketPath = (folder: string): string => {
  const name = `lock-${randomBytes(9).toString('hex')}.sock`;
  if (process.platform === 'win32') return join('\\\\?\\pipe', name);
  const path = join(folder, name);
  return Buffer.byteLength(path) > SOCKET_PATH_BYTES ? join(tmpdir(), name) : path;
};
/** Only a refused connection or a missing socket means that nobody listens; anything else counts as alive. */
const alive = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
const listen = (path: string): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((connection) => void connection.on('error', () => undefined).destroy());
    server.once('error', reject);
    server.listen(path, () => resolve(server.unref()));
  });

/** Whether a process that lives owns what `records` is about. */
export const isOwned = async (records: Database<string, string>): Promise<boolean> => {
  const found = records.get(OWNER);
  return found !== undefined && alive((JSON.parse(found) as Owner).socket);
};

/**
 * Makes this process the owner of `folder`, or resolves with the owner that lives. `records` keeps who it is:
 * it is taken over only from the very record whose socket was found dead, inside a transaction, so that one
 * of several starters wins.
 */
export const takeOwnership = async (
  folder: string,
  root: RootDatabase<string, string>,
  records: Database<string, string>,
): Promise<OwnerLock | Owner> => {
  const socket = socketPath(folder);
  const server = await listen(socket);
  const mine = JSON.stringify({ pid: process.pid, socket } satisfies Owner);
  const exchange = (from: string | undefined, to: string | undefined): boolean =>
    root.transactionSync(() => {
      if (records.get(OWNER) !== from) return false;
      if (to === undefined) records.removeSync(OWNER);
      else records.putSync(OWNER, to);
      return true;
    });
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve()); // also removes the socket's file
    });

  try {
    for (let tries = 0; tries < TRIES; tries++) {
      root.resetReadTxn();
      const found = records.get(OWNER);
      const owner = found === undefined ? undefined : (JSON.parse(found) as Owner);
      if (owner && (await alive(owner.socket))) {
        await stop();
        return owner;
      }
      if (!exchange(found, mine)) continue;
      if (owner && process.platform !== 'win32') rmSync(owner.socket, { force: true });
      return {
        async release() {
          exchange(mine, undefined);
          await stop();
        },
      };
    }
    throw new Error('its owner changes all the time');
  } catch (error) {
    await stop();
    throw error;
  }
};

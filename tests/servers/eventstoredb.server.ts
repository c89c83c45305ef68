/** The contracts of a store, and of the feed over it, on an EventStoreDB: the one of EVENT_STORE_URL, else the double. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openEventStoreDb } from '../../adapters/eventstoredb/event-store.ts';
import { memoryBookkeeping } from '../../adapters/memory/bookkeeping.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { storeFeed } from '../../runtime/feed/store-feed.ts';
import { createLeased } from '../../runtime/lease.ts';
import { eventFeedContract } from '../contracts/event-feed.ts';
import { eventStoreContract } from '../contracts/event-store.ts';
import { until } from '../fake-clock.ts';
import { quietLog } from '../quiet-log.ts';
import { happening, newEvent } from '../runtime/world.ts';
import { makeCertificate } from './certificate.ts';
import { startEventStoreDbDouble } from './eventstoredb-double.ts';

const WAIT_MS = 30_000;
const LEASE_MS = 500;
const { EVENT_STORE_URL: given } = process.env;
const double = given ? undefined : await startEventStoreDbDouble();
const url = given || double!.url;
const run = systemRandomness.uuid().slice(0, 8);

let stores = 0;
/** Each case on streams of its own. */
const openStore = () =>
  openEventStoreDb({
    url,
    prefix: `case-${run}-${++stores}.`,
    clock: systemClock,
    newId: systemRandomness.uuid,
  });

eventStoreContract('EventStoreDB', async () => {
  const store = await openStore();
  return { port: store, close: () => store.close() };
});

eventFeedContract('the store as its feed, on EventStoreDB', async () => {
  const store = await openStore();
  const { checkpoints, leases } = memoryBookkeeping(store.id);
  const feed = () =>
    storeFeed({
      store,
      checkpoints,
      leased: createLeased({
        leases,
        holder: systemRandomness.uuid(),
        ttlMs: LEASE_MS,
        clock: systemClock,
        log: quietLog,
      }),
      clock: systemClock,
      log: quietLog,
    });
  return {
    partitions: 1,
    feed,
    happen: happening(store, systemClock),
    advanceUntil: (what: string, condition: () => boolean | Promise<boolean>) =>
      until(what, condition, WAIT_MS),
    close: () => store.close(),
  };
});

const secure = suite('EventStoreDB: TLS and credentials');
secure(
  'come from the URL; who is not trusted, or has a wrong password, hears which server and not the password',
  async () => {
    const { path: cert, ...pem } = makeCertificate();
    const login = { user: 'shop', password: "it's a secret" };
    const server = await startEventStoreDbDouble({ ...pem, ...login });
    const withLogin = (password: string, ca: string): string =>
      server.url.replace('//', `//shop:${encodeURIComponent(password)}@`) + ca;
    const open = (address: string) =>
      openEventStoreDb({ url: address, clock: systemClock, newId: systemRandomness.uuid });
    try {
      const store = await open(withLogin(login.password, `&tlsCaFile=${cert}`));
      assert.ok((await store.append('order-1', 'none', [newEvent('order-1', 0)])).ok);
      assert.is((await store.readAll(undefined)).events.length, 1);
      await store.close();
      for (const [password, ca, why] of [
        ['another', `&tlsCaFile=${cert}`, /credentials/],
        [login.password, '', /certificate/],
      ] as const) {
        const error = await open(withLogin(password, ca)).catch((thrown: unknown) => thrown);
        assert.instance(error, StoreUnavailable);
        const { message } = error as Error;
        assert.match(message, /^EventStoreDB at 127\.0\.0\.1:\d+ cannot be read: /);
        assert.match(message, why);
        assert.not.match(message, password);
      }
    } finally {
      server.close();
    }
  },
);
secure.run();

const away = suite('EventStoreDB: away');
away('who opens a store whose server is gone hears which, and that trying again is right', async () => {
  double?.close();
  const gone = double ? url : 'esdb://127.0.0.1:9?tls=false';
  const error = await openEventStoreDb({
    url: gone,
    clock: systemClock,
    newId: systemRandomness.uuid,
  }).catch((thrown: unknown) => thrown);
  assert.instance(error, StoreUnavailable);
  assert.match((error as Error).message, /^EventStoreDB at 127\.0\.0\.1:\d+ cannot be read: /);
});
away.run();

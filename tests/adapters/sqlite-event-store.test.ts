import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { closeStore, reopenStore } from '../../adapters/sqlite/moved.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import type { Position } from '../../domain/kernel.ts';
import { StoreUnavailable, type EventStore } from '../../ports/event-store.ts';
import { collect, eventStoreContract, everything, newEvent, newEvents } from '../contracts/event-store.ts';
import { fakeClock, until } from '../fake-clock.ts';
import { child, inFolder, folderSuite } from './sqlite-folder.ts';

const openAt = (folder: string): EventStore =>
  openSqliteEventStore({ path: join(folder, 'events.db'), clock: systemClock, newId: systemRandomness.uuid });

eventStoreContract('sqlite', async () => {
  const { adapter, close } = await inFolder(openAt);
  return { port: adapter, close };
});

const test = folderSuite('event store: sqlite alone');

test('positions are gapless decimal text from 1, over reopening', async ({ folder }) => {
  for (let i = 0; i < 3; i++) {
    const store = openAt(folder);
    await store.append(`order-${i}`, 'none', newEvents(`a${i}`, `b${i}`));
    await store.close();
  }
  const store = openAt(folder);
  const { events } = await everything(store);
  assert.equal(
    events.map(({ position }) => position),
    [1, 2, 3, 4, 5, 6].map((n) => String(n).padStart(16, '0') as Position),
  );
  await store.close();
});

test('close waits for what was asked for before it', async ({ folder }) => {
  const store = openAt(folder);
  const answers = Array.from({ length: 50 }, (_, i) =>
    store.append(`order-${i}`, 'none', newEvents(`e${i}`)),
  );
  await store.close();
  assert.ok((await Promise.all(answers)).every(({ ok }) => ok));
});

test('a file that another process has for itself just now is waited for', async ({ folder }) => {
  const holder = child('hold', folder, '');
  await holder.told();
  const store = openAt(folder);
  assert.ok((await store.append('order-1', 'none', newEvents('a'))).ok);
  await store.close();
  await holder.ended;
});

test('two processes that append to the same streams leave one winner a revision and no gap', async ({
  folder,
}) => {
  const both = [child('contend', folder, 'x'), child('contend', folder, 'y')];
  await Promise.all(both.map((one) => one.told()));
  for (const one of both) one.process.send('go');
  const won = (await Promise.all(both.map((one) => one.told()))) as number[];
  await Promise.all(both.map(({ ended }) => ended));
  assert.is(won[0]! + won[1]!, 1_000);
  const store = openAt(folder);
  const { events } = await everything(store);
  assert.equal(
    events.map(({ position }) => Number(position)),
    Array.from({ length: 1_000 }, (_, i) => i + 1),
  );
  for (let stream = 0; stream < 5; stream++)
    assert.equal(
      (await collect(store.readStream(`order-${stream}`))).map(({ revision }) => revision),
      Array.from({ length: 200 }, (_, i) => i),
    );
  await store.close();
});

test('a second process reads and follows while the first writes, and finds all that was acknowledged after its death', async ({
  folder,
}) => {
  const store = openAt(folder);
  const writer = child('append', folder);
  await writer.told();
  const stop = new AbortController();
  let followed = 0;
  const following = (async () => {
    for await (const page of store.subscribe(undefined, { signal: stop.signal })) {
      for (const { position } of page.events) assert.is(Number(position), ++followed);
    }
  })();
  let acknowledged = 0;
  while (acknowledged < 100) acknowledged = (await writer.told()) as number;
  await until('the follower', () => followed > 30);
  writer.process.kill('SIGKILL');
  await writer.ended;
  const { events } = await everything(store);
  const there = new Set(events.map(({ id }) => id));
  for (let n = 0; n <= acknowledged; n++)
    for (const i of [0, 1, 2]) assert.ok(there.has(`${n}-${i}`), `${n}-${i}`);
  assert.ok(
    (await store.append('order-after', 'none', newEvents('after'))).ok,
    'the write lock of the dead is free',
  );
  await until('all of it', () => followed === events.length + 1);
  stop.abort();
  await following;
  await store.close();
});

test("other processes' appends are looked for only while somebody subscribes", async ({ folder }) => {
  const clock = fakeClock('2026-01-01T00:00:00.000Z');
  const store = openSqliteEventStore({
    path: join(folder, 'events.db'),
    clock,
    newId: systemRandomness.uuid,
  });
  await store.append('order-1', 'none', newEvents('a'));
  assert.is(clock.sleeping(), 0);
  const stops = [new AbortController(), new AbortController()];
  const readings = stops.map(({ signal }) => collect(store.subscribe(undefined, { signal })));
  await until('the poll', () => clock.sleeping() === 1);
  stops[0]!.abort();
  await readings[0];
  assert.is(clock.sleeping(), 1);
  stops[1]!.abort();
  await readings[1];
  await until('no poll', () => clock.sleeping() === 0);
  await store.close();
});

test('a stream of 50,000 events is read in bounded pages, with writes going on between them', async ({
  folder,
}) => {
  const store = openAt(folder);
  const size = 1_000;
  for (let from = 0; from < 50_000; from += size)
    await store.append(
      'stock-hot',
      from === 0 ? 'none' : from - 1,
      Array.from({ length: size }, (_, i) => newEvent(`e${from + i}`, 'StockReserved', {})),
    );
  let read = 0;
  for await (const { revision } of store.readStream('stock-hot')) {
    assert.is(revision, read++);
    if (read % 10_000 === 0) assert.ok((await store.append(`order-${read}`, 'none', newEvents('x'))).ok);
  }
  assert.is(read, 50_000);
  const { events, pages } = await everything(store);
  assert.is(events.length, 50_005);
  assert.ok(pages.every((page) => page.events.length <= 500));
  // A filter that passes next to nothing still scans in bounded steps.
  let steps = 0;
  for (let after: Position | undefined; ; steps++) {
    const page = await store.readAll(after, { categories: ['order'] });
    assert.ok(Number(page.scanned) - Number(after ?? 0) <= 10_000);
    after = page.scanned;
    if (page.atTail) break;
  }
  assert.ok(steps >= 4);
  await store.close();
});

test('large events bound a page by their size, and each is read', async ({ folder }) => {
  const store = openAt(folder);
  for (let i = 0; i < 24; i++)
    await store.append('order-large', i === 0 ? 'none' : i - 1, [
      newEvent(`e${i}`, 'OrderPlaced', { text: 'ä'.repeat(500_000) }),
    ]);
  const { events, pages } = await everything(store);
  assert.is(events.length, 24);
  assert.ok(pages.length >= 3);
  assert.is((events[3]!.data as { text: string }).text.length, 500_000);
  assert.is((await collect(store.readStream('order-large'))).length, 24);
  await store.close();
});

test('the file does not grow by what is read meanwhile', async ({ folder }) => {
  const store = openAt(folder);
  const bytes = (): number =>
    readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  for (let i = 0; i < 20; i++) await store.append('order-1', i === 0 ? 'none' : i - 1, newEvents(`e${i}`));
  const slow = store.readStream('order-1')[Symbol.asyncIterator]();
  await slow.next(); // held open over everything that follows
  const before = bytes();
  for (let i = 20; i < 600; i++) await store.append('order-1', i - 1, newEvents(`e${i}`));
  assert.ok(
    bytes() - before < 4 * 1024 * 1024,
    `grew by ${bytes() - before} bytes for some 300 KB of events`,
  );
  await slow.return?.();
  await store.close();
});

test('once its events have moved no process appends to it, what was stored is answered, and it can be taken back', async ({
  folder,
}) => {
  const [running, other] = [openAt(folder), openAt(folder)];
  await running.append('order-1', 'none', newEvents('a'));
  assert.is(await running.movedTo?.(), undefined);
  closeStore(join(folder, 'events.db'), 'another store');
  closeStore(join(folder, 'events.db'), 'the other store');
  for (const store of [running, other, openAt(folder)]) {
    assert.is(await store.movedTo?.(), 'the other store');
    assert.ok((await store.append('order-1', 'none', newEvents('a'))).ok);
    for (const refused of [
      store.append('order-1', 0, newEvents('b')),
      store.append('order-2', 'none', newEvents('b')),
    ]) {
      const error = await refused.catch((thrown: unknown) => thrown);
      assert.instance(error, StoreUnavailable);
      assert.is((error as Error).message, 'the events have moved to the other store');
    }
    assert.is((await everything(store)).events.length, 1);
  }
  reopenStore(join(folder, 'events.db'));
  assert.is(await other.movedTo?.(), undefined);
  assert.ok((await running.append('order-1', 0, newEvents('b'))).ok);
  await Promise.all([running.close(), other.close()]);
});
test.run();

import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { backUp, restore, type Manifest } from '../../adapters/backup.ts';
import { openDataFolder } from '../../adapters/data-folder.ts';
import { openSqliteEventStore } from '../../adapters/sqlite/event-store.ts';
import { openSqliteKeyStore } from '../../adapters/sqlite/key-store.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { newFolder } from '../flow/shop.ts';
import { newEvent } from '../runtime/world.ts';

const test = suite('backup');
const NOW = '2026-01-05T09:00:00.000Z';
const LATER = '2026-01-06T09:00:00.000Z';

/** A data folder with `events` events, in a place of its own that is gone afterwards. */
const inPlace = (check: (place: string, folder: string) => Promise<void>) => async (): Promise<void> => {
  const place = newFolder();
  try {
    const folder = join(place, 'data');
    await makeShop(folder);
    await check(place, folder);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
};
const makeShop = async (path: string): Promise<void> => {
  const folder = openDataFolder(path);
  folder.masterKey();
  const store = openSqliteEventStore({
    path: folder.pathOf('events.db'),
    clock: systemClock,
    newId: systemRandomness.uuid,
  });
  await store.append('order-1', 'none', [newEvent('order-1', 0), newEvent('order-1', 1)]);
  await store.close();
  await openSqliteKeyStore({ path: folder.pathOf('keys.db') }).close();
  mkdirSync(folder.pathOf('outbox'));
  writeFileSync(folder.pathOf('outbox/1.eml'), 'a mail');
};
const eventsIn = async (folder: string): Promise<number> => {
  const path = join(folder, 'events.db');
  const store = openSqliteEventStore({ path, clock: systemClock, newId: systemRandomness.uuid });
  try {
    return (await store.readAll(undefined)).events.length;
  } finally {
    await store.close();
  }
};
/** With a store of its own elsewhere. */
const withoutEvents = async (folder: string, to: string) => {
  const made = await backUp({ from: folder, to, now: NOW, store: 'elsewhere' });
  return { ...made, names: made.files.map(({ name }) => name) };
};
const refused = async (work: Promise<unknown>, says: RegExp): Promise<void> => {
  try {
    await work;
  } catch (error) {
    assert.match((error as Error).name, /^(BackupError|DataFolderError)$/);
    assert.match((error as Error).message, says);
    return;
  }
  assert.unreachable('nothing was refused');
};

test(
  'of a shop whose events are in a server of their own, everything else, and back',
  inPlace(async (place, folder) => {
    const [to, back] = [join(place, 'copy'), join(place, 'back')];
    const { names, events, store } = await withoutEvents(folder, to);
    assert.equal([events, store], [null, 'elsewhere']);
    assert.ok(names.includes('keys.db') && !names.includes('events.db'));
    assert.is((await restore({ from: to, to: back })).events, null);
    assert.ok(existsSync(join(back, 'keys.db')) && !existsSync(join(back, 'events.db')));
  }),
);

test(
  'a folder of its own, and back',
  inPlace(async (place, folder) => {
    const [to, back] = [join(place, 'copy'), join(place, 'back')];
    const made = await backUp({ from: folder, to, now: NOW });
    assert.equal(made.events, 2);
    assert.equal(made.files.map(({ name }) => name).sort(), [
      'events.db',
      'keys.db',
      'keys/master.key',
      'outbox/1.eml',
    ]);
    const restored = await restore({ from: to, to: back });
    assert.equal(restored.store, made.store);
    openDataFolder(back);
    assert.is(await eventsIn(back), 2);
    for (const name of ['keys/master.key', 'outbox/1.eml'])
      assert.equal(readFileSync(join(back, name)), readFileSync(join(folder, name)));
    for (const name of ['keys', 'keys/master.key'])
      assert.is(statSync(join(back, name)).mode, statSync(join(folder, name)).mode, name);
  }),
);

test(
  'keys apart, and keys of later',
  inPlace(async (place, folder) => {
    const at = (name: string): string => join(place, name);
    await backUp({ from: folder, to: at('monday'), keysTo: at('monday keys'), now: NOW });
    await backUp({ from: folder, to: at('tuesday'), keysTo: at('tuesday keys'), now: LATER });
    assert.equal(readdirSync(at('monday')).sort(), ['backup.json', 'events.db', 'outbox']);
    assert.equal(readdirSync(at('monday keys')).sort(), ['backup.json', 'keys', 'keys.db']);
    await refused(restore({ from: at('monday'), to: at('back') }), /give that one with --keys/);
    await refused(restore({ from: at('monday keys'), to: at('back') }), /holds keys alone/);
    await refused(
      restore({ from: at('tuesday'), keysFrom: at('monday keys'), to: at('back') }),
      /older than the events/,
    );
    assert.not.ok(existsSync(at('back')), 'nothing was begun');
    await restore({ from: at('monday'), keysFrom: at('tuesday keys'), to: at('back') });
    assert.is(await eventsIn(at('back')), 2);

    await makeShop(at('other'));
    await backUp({ from: at('other'), to: at('their copy'), keysTo: at('their keys'), now: LATER });
    await refused(
      restore({ from: at('monday'), keysFrom: at('their keys'), to: at('again') }),
      /another shop/,
    );
  }),
);

test(
  'what it refuses to copy',
  inPlace(async (place, folder) => {
    await refused(
      backUp({ from: join(place, 'nowhere'), to: join(place, 'copy'), now: NOW }),
      /no data folder/,
    );
    assert.equal(readdirSync(place), ['data'], 'nothing was made');
    await refused(backUp({ from: folder, to: folder, now: NOW }), /is not empty/);
    const fresh = join(place, 'fresh');
    openDataFolder(fresh);
    await refused(backUp({ from: fresh, to: join(place, 'copy'), now: NOW }), /no events yet/);
  }),
);

test(
  'what it refuses to bring back, and that until it is whole nobody opens it',
  inPlace(async (place, folder) => {
    const [to, back] = [join(place, 'copy'), join(place, 'back')];
    await refused(restore({ from: place, to: back }), /did not come to its end/);
    await backUp({ from: folder, to, now: NOW });
    await refused(restore({ from: to, to: folder }), /is not empty/);

    const path = join(to, 'backup.json');
    const text = readFileSync(path, 'utf8');
    const changed = (change: (manifest: Manifest) => unknown): void =>
      writeFileSync(path, JSON.stringify(change(JSON.parse(text) as Manifest)));
    changed((manifest) => ({ ...manifest, format: 99 }));
    await refused(restore({ from: to, to: back }), /has format 99/);
    changed((manifest) => ({
      ...manifest,
      files: [...manifest.files, { name: 'outbox/../../escaped', bytes: 1, sha256: '' }],
    }));
    await refused(restore({ from: to, to: back }), /damaged/);
    writeFileSync(path, text.slice(0, 40));
    await refused(restore({ from: to, to: back }), /damaged/);
    writeFileSync(path, text);
    assert.not.ok(existsSync(back));

    writeFileSync(join(to, 'outbox', '1.eml'), 'another mail');
    await refused(restore({ from: to, to: back }), /1\.eml is not as it was backed up/);
    try {
      openDataFolder(back);
      assert.unreachable('half a folder was opened');
    } catch (error) {
      assert.match((error as Error).message, /run npm run restore again/);
    }
    writeFileSync(join(back, 'outbox', 'left-over.eml'), 'of the first try');
    writeFileSync(join(to, 'outbox', '1.eml'), 'a mail');
    await restore({ from: to, to: back });
    openDataFolder(back);
    assert.equal(readdirSync(join(back, 'outbox')), ['1.eml']);
    assert.is(await eventsIn(back), 2);
  }),
);

test.run();

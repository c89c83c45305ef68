import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BACKED_UP } from '../../adapters/backup.ts';
import { system } from '../../adapters/system.ts';
import { openParts } from '../../compose/parts.ts';
import { statusOf } from '../../domain/order/status.ts';
import { brokenAccounts, foldAll, mailedIn } from '../crash/accounts.ts';
import { eventually } from '../flow/client.ts';
import { environmentOf, newFolder, openShop, type Shop } from '../flow/shop.ts';

const test = suite('backup and restore');
const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts');

const run = (
  script: string,
  folder: string,
  ...args: string[]
): Promise<Readonly<{ code: number; output: string; json: any }>> =>
  new Promise((resolve) =>
    execFile(
      process.execPath,
      [join(SCRIPTS, `${script}.js`), ...args, '--json'],
      { env: { PATH: process.env.PATH, DATA_DIR: folder } },
      (error, stdout, stderr) =>
        resolve({
          code: error ? Number(error.code) : 0,
          output: stdout + stderr,
          json: error ? undefined : JSON.parse(stdout.trim().split('\n').at(-1) ?? ''),
        }),
    ),
  );

/** Customers who order without a pause until told to stop. */
const load = (shop: Shop) => {
  const acknowledged: string[] = [];
  let over = false;
  const customer = async (): Promise<void> => {
    while (!over) acknowledged.push((await shop.place([{ sku: 'MUG', quantity: 1 }])).orderId);
  };
  const running = Promise.all(Array.from({ length: 4 }, customer));
  return {
    acknowledged,
    async stop() {
      over = true;
      await running;
    },
  };
};

const BACKUPS = 2;
const END_MS = 120_000;

test('taken from a shop under load it comes back whole, with every order that was acknowledged, and goes on', async () => {
  const folder = newFolder();
  const place = newFolder();
  const shop = await openShop(folder);
  const opened: Shop[] = [shop];
  try {
    await shop.product('MUG', 100_000);
    const orders = load(shop);
    const promised: string[][] = [];
    for (let n = 0; n < BACKUPS; n++) {
      const enough = orders.acknowledged.length + 25;
      await eventually('orders', () => orders.acknowledged.length >= enough);
      promised.push([...orders.acknowledged]);
      const made = await run('backup', folder, join(place, `data ${n}`), '--keys', join(place, `keys ${n}`));
      assert.is(made.code, 0, made.output);
    }
    await orders.stop();
    await shop.close();
    opened.pop();
    const known = new Set([...BACKED_UP, 'format.json']);
    assert.equal(
      readdirSync(folder).filter((name) => !known.has(name.replace(/-(wal|shm)$/, ''))),
      [],
      'everything in a data folder is backed up',
    );

    for (const [n, before] of promised.entries()) {
      const back = join(place, `restored ${n}`);
      const restored = await run(
        'restore',
        back,
        join(place, `data ${n}`),
        '--keys',
        join(place, `keys ${n}`),
      );
      assert.is(restored.code, 0, restored.output);
      const checked = await run('check', back);
      assert.is(checked.code, 0, checked.output);
      assert.is(checked.json.events, restored.json.events);
      const mailedBefore = new Set(mailedIn(back).map((id) => `mail ${id} is of no event`));
      const again = await openShop(back);
      opened.push(again);
      for (const orderId of before) {
        const order = await again.order(orderId);
        assert.is(order.contact.name, 'Ada Lovelace', 'its keys are there');
      }
      const parts = await openParts(environmentOf(back), system);
      try {
        await eventually(
          'every order to end',
          async () =>
            [...(await foldAll(parts)).orders.values()].every((order) => statusOf(order) === 'delivered'),
          END_MS,
        );
        await eventually(
          'rest',
          async () => {
            const { items } = await again.ok('GET', '/ops/consumers');
            return items.every(({ lag, inFlight }: any) => lag.events === 0 && inFlight === 0);
          },
          END_MS,
        );
        await again.close();
        opened.pop();
        const folded = await foldAll(parts);
        assert.ok(folded.orders.size >= before.length);
        const wrong = await brokenAccounts(back, parts, folded);
        // The outside was copied later: it knows orders that these events do not, and mails that were sent after them.
        assert.equal(
          wrong.filter((sentence) => !sentence.endsWith(' is of no order') && !mailedBefore.has(sentence)),
          [],
        );
      } finally {
        await parts.close();
      }
    }

    // Files of two backups: the consumers are past the end of the events.
    const mixed = join(place, 'restored 1');
    for (const name of readdirSync(mixed)) if (name.startsWith('events.db')) rmSync(join(mixed, name));
    copyFileSync(join(place, 'data 0', 'events.db'), join(mixed, 'events.db'));
    const found = await run('check', mixed);
    assert.is(found.code, 1);
    assert.match(
      found.output,
      /consumer payment has come to position \d+, and the event store ends at \d+: .*npm run restore/,
    );
    try {
      opened.push(await openShop(mixed));
      assert.unreachable('it started');
    } catch (error) {
      assert.match((error as Error).message, /has come to position \d+/);
    }
  } finally {
    for (const one of opened) await one.close();
    for (const path of [folder, place]) rmSync(path, { recursive: true, force: true });
  }
  assert.not.ok(existsSync(place));
});

test.run();

import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newFolder, openShop } from '../flow/shop.ts';

const test = suite('npm run replay -- --order');
const REPLAY = join(import.meta.dirname, '..', '..', 'scripts', 'replay.js');

test('an order told event by event: who, why, what changed, what the customer was told; nothing that is sealed', async () => {
  const folder = newFolder();
  try {
    const shop = await openShop(folder);
    await shop.product('MUG', 10);
    const { orderId } = await shop.place([{ sku: 'MUG', quantity: 1 }]);
    await shop.closed(orderId);
    await shop.close();
    const env = { PATH: process.env.PATH ?? '', DATA_DIR: folder };
    const tell = async (...args: readonly string[]): Promise<string> =>
      (await promisify(execFile)(process.execPath, [REPLAY, '--order', orderId, ...args], { env })).stdout;
    const told = await tell();
    for (const line of [
      /^@0 {2}\S+ {2}OrderPlaced {2}by ada \(customer\)$/m,
      /^ {4}why: by command \S+, trace [0-9a-f]{32}$/m,
      /^@\d+ {2}\S+ {2}PaymentAuthorized {2}by payment \(system\)$/m,
      /^ {4}why: since @0 OrderPlaced, trace/m,
      /^ {4}status: placed → confirmed$/m,
      /^ {4}told of stock: "We are setting your items aside\." → "Your items are set aside for you\."$/m,
      /^Order [0-9A-Z]{12} of customer ada: delivered, /m,
    ])
      assert.match(told, line);
    assert.not.match(told, /ada@example|"box"/);
    const first = await tell('--revision', '0');
    assert.match(first, /: placed, revision 0, /);
    assert.not.match(first, /@1 /);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();

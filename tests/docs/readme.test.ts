/** The README's tour is run as it stands, against a server of its own. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { jsonLog, systemClock, systemRandomness } from '../../adapters/system.ts';
import { readEnvironment } from '../../compose/environment.ts';
import { startServer } from '../../compose/server.ts';

const root = resolve(import.meta.dirname, '..', '..', '..');
const hasTools = ['bash', 'curl'].every((tool) => spawnSync(tool, ['--version']).status === 0);
const readme = suite('README');

readme('its tour works line by line', async () => {
  if (!hasTools) {
    console.log('NOTE skipped: the README tour needs bash and curl');
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-readme-'));
  const environment = readEnvironment({
    PORT: '0',
    DATA_DIR: join(folder, 'data'),
    SIM_PAYMENT_LATENCY_MS: '5',
    SIM_WAREHOUSE_LATENCY_MS: '1000',
  });
  const server = await startServer(environment, {
    clock: systemClock,
    randomness: systemRandomness,
    log: jsonLog('error'),
  });
  try {
    const [, tour = ''] =
      /<!-- tour -->\n```sh\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
    assert.match(tour, 'URL=http://127.0.0.1:3000');
    // The refund at the end needs the capture, which the reader's own pace leaves time for.
    const paced = tour
      .replace('URL=http://127.0.0.1:3000', `URL=${server.url}`)
      .replaceAll(/^curl (.*)$/gm, (line) => `${line}; echo`)
      .replace(
        '# Money back',
        'until curl -s "$URL/orders/$ORDER" -H "Authorization: Bearer $TOKEN" | grep -q \'"status":"delivered"\'; do :; done\n# Money back',
      );
    const { stdout } = await promisify(execFile)('bash', ['-euc', paced], { cwd: folder, timeout: 60_000 });
    const answers = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const [search, placed, status, waited, history, first, asOf, cancelled, refunded] = answers;
    assert.is(answers.length, 9, stdout);
    assert.is((search?.items as unknown[] | undefined)?.length, 2);
    assert.is(placed?.status, 'placed');
    assert.is(status?.orderId, placed?.orderId);
    assert.ok((waited?.revision as number) >= 4);
    assert.is((history?.items as { type: string }[] | undefined)?.[0]?.type, 'OrderPlaced');
    assert.is(first?.status, 'placed');
    assert.is(first?.revision, 0);
    assert.is(asOf?.orderId, placed?.orderId);
    assert.not.equal(cancelled?.orderId, placed?.orderId);
    assert.ok((cancelled?.revision as number) > 0);
    assert.is(refunded?.orderId, placed?.orderId);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
readme.run();

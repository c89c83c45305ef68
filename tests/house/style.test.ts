/** How the code looks and what the linter finds: `npm run format` mends the one, `npm run lint` tells the other. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

// Compiled to build/tests/house: the sources are three folders up.
const root = resolve(import.meta.dirname, '..', '..', '..');

const runs = (program: string, ...args: string[]): void => {
  const [command = '', ...path] = program.split(' ');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules', command, ...path), ...args],
    { cwd: root, encoding: 'utf8', timeout: 300_000 },
  );
  assert.is(status, 0, `${stdout}${stderr}`.slice(-5_000));
};

const style = suite('house: style');
style('prettier would change nothing', () => runs('prettier bin prettier.cjs', '--check', '.'));
style('oxlint finds nothing', () => runs('oxlint bin oxlint', '--type-aware', '--format', 'unix'));
style.run();

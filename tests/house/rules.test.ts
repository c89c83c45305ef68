/** The rules of the house, held by a test: who may import whom, where the clock is read, that tests run. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { aggregates } from '../../domain/index.ts';

// Compiled to build/tests/house: the sources are three folders up.
const root = resolve(import.meta.dirname, '..', '..', '..');
const SKIPPED = new Set(['node_modules', 'build', 'data', '.git']);

const sources = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : sources(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
const files = sources(root).map((path) => ({
  path: relative(root, path).split(sep).join('/'),
  text: readFileSync(path, 'utf8'),
}));

type Import = Readonly<{ from: string; to: string; typeOnly: boolean }>;
const imports: Import[] = files.flatMap(({ path, text }) =>
  [...text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm)].map(
    ([, type, to = '']) => ({
      from: path,
      to: to.startsWith('.')
        ? relative(root, resolve(root, dirname(path), to))
            .split(sep)
            .join('/')
        : to,
      typeOnly: type !== undefined,
    }),
  ),
);
const room = (path: string): string => path.split('/')[0] ?? '';
const isOurs = (to: string): boolean => files.some(({ path }) => path === to);

/** What the files under each path may import: paths of ours, packages by their names. The longest path counts. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  domain: ['domain', 'zod'],
  ports: ['domain/kernel.ts', 'ports'],
  'ports/outside': ['domain', 'ports'],
  runtime: [
    'domain/kernel.ts',
    'ports',
    'runtime',
    'lru-cache',
    'canonicalize',
    'node:crypto',
    'node:events',
  ],
  shop: ['domain', 'ports', 'runtime', 'shop', 'lru-cache'],
  projections: ['domain', 'ports', 'projections'],
  consumers: ['domain', 'ports', 'shop/consumer-deps.ts', 'consumers'],
  api: [
    'domain',
    'ports',
    'runtime',
    'shop',
    'api',
    'express',
    'zod',
    'jose',
    'helmet',
    'lru-cache',
    'node:crypto',
    'node:http',
    'node:querystring',
    'node:url',
  ],
};
/** Where a view is read, the type of its rows is known from the view itself. */
const readsViews = ['api', 'shop'];
const isUnder = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
const ruleOf = (path: string): string | undefined =>
  Object.keys(ALLOWED)
    .filter((folder) => isUnder(path, folder))
    .sort((a, b) => b.length - a.length)[0];

const layers = suite('house: imports');
for (const [folder, allowed] of Object.entries(ALLOWED))
  layers(`${folder} imports only ${allowed.join(', ')}`, () => {
    const wrong = imports.filter(
      ({ from, to, typeOnly }) =>
        ruleOf(from) === folder &&
        !allowed.some((path) => isUnder(to, path)) &&
        !(readsViews.includes(folder) && typeOnly && isUnder(to, 'projections')),
    );
    assert.equal(
      wrong.map(({ from, to }) => `${from} imports ${to}`),
      [],
    );
  });

layers('adapters import ports, domain types, the adapters beside them and their drivers', () => {
  const wrong = imports.filter(
    ({ from, to, typeOnly }) =>
      room(from) === 'adapters' &&
      isOurs(to) &&
      !['ports', 'adapters'].includes(room(to)) &&
      !(room(to) === 'domain' && (typeOnly || to === 'domain/kernel.ts')),
  );
  assert.equal(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

layers('no view knows another view, no consumer another consumer', () => {
  const unit = (path: string): string => path.split('/').slice(0, 2).join('/');
  const wrong = imports.filter(
    ({ from, to }) =>
      ['projections', 'consumers'].includes(room(from)) &&
      room(to) === room(from) &&
      unit(from) !== unit(to) &&
      !from.endsWith('/index.ts'),
  );
  assert.equal(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

layers('no circle between files, not even of types', () => {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) if (isOurs(to)) next.set(from, [...(next.get(from) ?? []), to]);
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start >= 0) circles.push([...way.slice(start), path].join(' → '));
    if (start >= 0 || done.has(path)) return;
    for (const to of next.get(path) ?? []) walk(to, [...way, path]);
    done.add(path);
  };
  for (const { path } of files) walk(path, []);
  assert.equal(circles, []);
});
layers.run();

const complete = suite('house: nothing is left out');
const contents = (path: string): string => files.find((file) => file.path === path)?.text ?? '';
const imported = (registry: string): ReadonlySet<string> =>
  new Set(imports.filter(({ from }) => from === registry).map(({ to }) => to));
const lacking = (registry: string, wanted: (path: string) => boolean): readonly string[] => {
  const there = imported(registry);
  return files.map(({ path }) => path).filter((path) => wanted(path) && !there.has(path));
};
complete('every consumer, view, aggregate and route stands in its registry', () => {
  assert.equal(
    lacking('consumers/index.ts', (path) => /^consumers\/[^/]+\/index\.ts$/.test(path)),
    [],
  );
  assert.equal(
    lacking('projections/index.ts', (path) => /^projections\/(?!index)[^/]+\.ts$/.test(path)),
    [],
  );
  assert.equal(
    lacking('domain/index.ts', (path) => path.startsWith('domain/') && /: Aggregate</.test(contents(path))),
    [],
  );
  assert.equal(
    lacking('api/routes/index.ts', (path) => /^api\/routes\/(?!index)/.test(path)),
    [],
  );
});
/** Only earlier versions wrote them; stores hold them. */
const RETIRED = ['operations: ConsumerSetBack', 'operations: EventsReplayed'];
complete('every event that is declared is written by somebody', () => {
  const writers = ['domain', 'shop', 'runtime', 'scripts'];
  const texts = files.filter(({ path }) => writers.includes(room(path))).map(({ text }) => text);
  // Named for another reason than to tell it from others.
  const isWritten = (type: string): boolean => {
    const named = new RegExp(`(?<!case |[!=]== )'${type}'`);
    return texts.some((text) => named.test(text));
  };
  const unwritten = Object.values(aggregates).flatMap(({ category, events }) =>
    Object.keys(events)
      .filter((type) => !isWritten(type))
      .map((type) => `${category}: ${type}`),
  );
  assert.equal(unwritten, RETIRED);
});
complete.run();

const purity = suite('house: clock, randomness and timers');
const IMPURE =
  /\b(Date\.now|performance\.now|Math\.random|randomUUID|setTimeout|setInterval)\b|\bnew Date\(\)/;
purity('are read in adapters/system.ts alone', () => {
  const inside = (path: string): boolean =>
    ['domain', 'ports', 'projections', 'consumers', 'runtime', 'shop', 'api'].includes(room(path)) ||
    (room(path) === 'adapters' && path !== 'adapters/system.ts');
  const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
  assert.equal(
    files.filter(({ path, text }) => inside(path) && IMPURE.test(code(text))).map(({ path }) => path),
    [],
  );
});
purity.run();

const tidy = suite('house: files');
tidy('every test file runs each of its suites', () => {
  const lazy = files.filter(
    ({ path, text }) =>
      path.endsWith('.test.ts') &&
      (text.match(/^\s*const \w+ = (?:folderS|s)uite[(<]/gm) ?? []).length >
        (text.match(/^\s*\w+\.run\(\);/gm) ?? []).length,
  );
  assert.equal(
    lazy.map(({ path }) => path),
    [],
  );
});
tidy('no file has more than 400 lines', () => {
  assert.equal(
    files.filter(({ text }) => text.split('\n').length > 400).map(({ path }) => path),
    [],
  );
});
tidy('the lockfile names no registry', () => {
  assert.not.match(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved"/);
});
tidy.run();

import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openFileSink, openHttpSink } from '../../adapters/analytics-sink.ts';
import type { OrderFact } from '../../ports/outside/analytics-sink.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';

const fact = (i: number, at = '2030-01-01T12:00:00.000Z'): OrderFact => ({
  factId: `f${i}`,
  at,
  type: 'OrderPlaced',
  orderId: 'o1',
  amountMinor: i,
});
const thrownBy = async (call: Promise<unknown>): Promise<string> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof OutsideError ? `${error.retriable} ${error.outcome}` : String(error);
};

const file = suite<{ folder: string }>('analytics day files');
file.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), 'facts-'));
});
file.after.each(({ folder }) => rmSync(folder, { recursive: true }));
const linesOf = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

file('facts are in the file of their UTC day, in order, when write resolves', async ({ folder }) => {
  const sink = openFileSink({ folder });
  await Promise.all([
    ...Array.from({ length: 1_200 }, (_, i) => sink.write(fact(i))),
    sink.write(fact(-1, '2030-01-02T00:00:00.000Z')),
  ]);
  assert.equal(
    linesOf(join(folder, '2030-01-01.ndjson')),
    Array.from({ length: 1_200 }, (_, i) => fact(i)),
  );
  assert.equal(linesOf(join(folder, '2030-01-02.ndjson')), [fact(-1, '2030-01-02T00:00:00.000Z')]);
  await sink.close();
});

file('a torn last line is left on a line of its own', async ({ folder }) => {
  const path = join(folder, '2030-01-01.ndjson');
  const first = openFileSink({ folder });
  await first.write(fact(1));
  await first.close();
  appendFileSync(path, '{"factId":"f2","at":"20');
  const second = openFileSink({ folder });
  await second.write(fact(2));
  await second.close();
  assert.equal(readFileSync(path, 'utf8').split('\n'), [
    JSON.stringify(fact(1)),
    '{"factId":"f2","at":"20',
    JSON.stringify(fact(2)),
    '',
  ]);
});

file('years of days do not keep their files open', async ({ folder }) => {
  const sink = openFileSink({ folder });
  const days = Array.from({ length: 60 }, (_, i) => new Date(Date.UTC(2030, 0, 1 + i)).toISOString());
  for (const round of [0, 1])
    for (const [i, at] of days.entries()) await sink.write(fact(round * 100 + i, at));
  if (process.platform === 'linux') {
    const names = readdirSync('/proc/self/fd').length;
    assert.ok(names < 60, `${names} open files`);
  }
  assert.is(readdirSync(folder).length, 60);
  assert.is(linesOf(join(folder, '2030-01-01.ndjson')).length, 2);
  await sink.close();
});

file('a day that cannot be written fails alone, and can be tried again', async ({ folder }) => {
  const sink = openFileSink({ folder });
  mkdirSync(join(folder, '2030-01-02.ndjson'));
  const answers = await Promise.all([
    thrownBy(sink.write(fact(1))),
    thrownBy(sink.write(fact(2, '2030-01-02T01:00:00.000Z'))),
  ]);
  assert.equal(answers, ['undefined', 'true unknown']);
  rmSync(join(folder, '2030-01-02.ndjson'), { recursive: true });
  await sink.write(fact(2, '2030-01-02T01:00:00.000Z'));
  assert.is(linesOf(join(folder, '2030-01-02.ndjson')).length, 1);
  for (const at of ['../../x', '2030-01-01', '2030-01-01T00:00:00+01:00'])
    assert.is(await thrownBy(sink.write(fact(3, at))), 'false none');
  await sink.close();
});

type Collector = {
  server: Server;
  url: string;
  requests: OrderFact[][];
  answer: (facts: OrderFact[]) => number | 'break' | 'silence';
};
const http = suite<Collector>('analytics collector');
http.before.each(async (world) => {
  world.requests = [];
  world.answer = () => 204;
  world.server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      const facts = JSON.parse(body) as OrderFact[];
      world.requests.push(facts);
      const answer = world.answer(facts);
      if (answer === 'break') request.socket.destroy();
      else if (answer !== 'silence')
        response.writeHead(answer, answer === 302 ? { location: '/elsewhere' } : {}).end();
    });
  });
  await new Promise<void>((resolve) => world.server.listen(0, '127.0.0.1', resolve));
  world.url = `http://127.0.0.1:${(world.server.address() as AddressInfo).port}/facts`;
});
http.after.each(async ({ server }) => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

http('posts what has come together, in order', async (world) => {
  const sink = openHttpSink({ url: world.url });
  await Promise.all(Array.from({ length: 1_100 }, (_, i) => sink.write(fact(i))));
  assert.equal(
    world.requests.map(({ length }) => length),
    [500, 500, 100],
  );
  assert.equal(
    world.requests.flat(),
    Array.from({ length: 1_100 }, (_, i) => fact(i)),
  );
  await sink.close();
});

http('a fact that is refused stands alone', async (world) => {
  const sink = openHttpSink({ url: world.url });
  world.answer = (facts) => (facts.some(({ factId }) => factId === 'f7') ? 422 : 200);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => thrownBy(sink.write(fact(i)))));
  assert.equal(
    answers.map((answer, i) => `${i} ${answer}`).filter((answer) => !answer.endsWith('undefined')),
    ['7 false none'],
  );
  await sink.close();
});

http('says what may be tried again', async (world) => {
  const sink = openHttpSink({ url: world.url, timeoutMs: 200 });
  const expected = [
    [503, 'true unknown'],
    [429, 'true none'],
    [401, 'true none'],
    [404, 'true none'],
    [400, 'false none'],
    [302, 'true unknown'],
    ['break', 'true unknown'],
    ['silence', 'true unknown'],
  ] as const;
  for (const [answer, verdict] of expected) {
    world.answer = () => answer;
    assert.is(await thrownBy(sink.write(fact(1))), verdict, String(answer));
  }
  world.answer = () => 200;
  await sink.write(fact(1));
  await sink.close();
});

file.run();
http.run();

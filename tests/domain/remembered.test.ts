import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ledTo,
  NOTHING_REMEMBERED,
  remember,
  remembers,
  sizeOf,
  type Remembered,
} from '../../domain/remembered.ts';

const test = suite('remembered commands');
const ids = (known: Remembered): number => known.reduce((sum, part) => sum + Object.keys(part.ids).length, 0);

test('all are found, with the revision that each led to last', () => {
  let known = NOTHING_REMEMBERED;
  const before: Remembered[] = [];
  for (let n = 0; n < 1_000; n++) {
    before.push(known);
    known = remember(known, `c${n}`, n);
  }
  for (let n = 0; n < 1_000; n++) assert.is(ledTo(known, `c${n}`), n);
  known = remember(known, 'c3', 2_000);
  assert.is(ledTo(known, 'c3'), 2_000);
  for (const id of ['never', '__proto__', 'constructor']) assert.not.ok(remembers(known, id));
  assert.is(ledTo(JSON.parse(JSON.stringify(known)) as Remembered, 'c7'), 7, 'as JSON keeps it');
  for (const [n, then] of before.entries()) {
    assert.is(sizeOf(then), n, 'what was known before is as it was');
    assert.not.ok(remembers(then, `c${n}`));
  }
});

test('adding many copies each a few times: the whole is linear, but for a logarithm', () => {
  let [known, copied] = [NOTHING_REMEMBERED, 0];
  const count = 50_000;
  for (let n = 0; n < count; n++) {
    const next = remember(known, `c${n}`, n);
    for (const part of next) if (!known.includes(part)) copied += part.size;
    known = next;
    assert.ok(known.length <= 1 + Math.log2(count));
  }
  assert.ok(copied < count * (1 + Math.log2(count)), `${copied} copies`);
});

test('with a bound the last ones stay, and the rest is forgotten', () => {
  let known = NOTHING_REMEMBERED;
  for (let n = 0; n < 20_000; n++) {
    known = remember(known, `c${n}`, n, 100);
    assert.ok(ids(known) <= 400, `${ids(known)} are kept`);
    if (n >= 100) for (const back of [0, 50, 99]) assert.is(ledTo(known, `c${n - back}`), n - back);
  }
  assert.not.ok(remembers(known, 'c10'));
});
test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemRandomness } from '../../adapters/system.ts';
import { createIdFilter } from '../../runtime/view/id-filter.ts';

const test = suite('a filter of ids');

test('it has every id that was added, and next to none that was not', () => {
  const filter = createIdFilter();
  const added = Array.from({ length: 100_000 }, systemRandomness.uuid);
  assert.not.ok(added.some(filter.mayHave));
  for (const id of added) filter.add(id);
  assert.ok(added.every(filter.mayHave));
  const others = Array.from({ length: 100_000 }, (_, at) => `minute/2026-01-01T00:00:${at}/GBP`);
  assert.ok(others.filter(filter.mayHave).length < 10);
});

test.run();

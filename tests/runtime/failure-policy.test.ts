import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NewerEvent, type EventEnvelope } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import { VaultUnavailable } from '../../ports/vault.ts';
import { nameOf, outsidePolicy } from '../../runtime/retry.ts';
import { outage } from './world.ts';

const test = suite('outside policy');
const event = {} as EventEnvelope;
const judge = (error: unknown, { attempt = 1, sinceFirstMs = 0, fraction = 0.5 } = {}) =>
  outsidePolicy({ event, error, attempt, sinceFirstMs, fraction });
const conflict = Object.assign(new Error('too often'), { name: 'ConflictError', retriable: true });

test('what is retriable is tried again with exponential backoff, full jitter and a cap', () => {
  for (const error of [
    outage(),
    new StoreUnavailable('x'),
    new VaultUnavailable('x'),
    conflict,
    { retriable: true },
  ])
    assert.equal(judge(error), { do: 'retry', afterMs: 50 });
  const afterMs = [1, 2, 3, 4, 9, 10, 20, 2_000].map((attempt) =>
    judge(outage(), { attempt, fraction: 0.999999 }),
  );
  assert.equal(
    afterMs,
    [100, 200, 400, 800, 25_600, 30_000, 30_000, 30_000].map((ms) => ({ do: 'retry', afterMs: ms })),
  );
  assert.equal(judge(outage(), { attempt: 10, fraction: 0 }), { do: 'retry', afterMs: 0 });
});

test('after an hour it is given up, a conflict never', () => {
  assert.is(judge(outage(), { attempt: 130, sinceFirstMs: 3_599_999 }).do, 'retry');
  assert.equal(judge(outage(), { attempt: 130, sinceFirstMs: 3_600_000 }), {
    do: 'park',
    why: 'gave up after an hour: OutsideError in each of 130 attempts',
  });
  assert.is(judge(conflict, { attempt: 9_999, sinceFirstMs: 90_000_000 }).do, 'retry');
});

test('an event that only newer code reads is tried again for as long as it takes', () => {
  const newer = new NewerEvent('OrderPlaced has version 9; this version reads up to 2');
  assert.is(judge(newer).do, 'retry');
  assert.is(judge(newer, { attempt: 9_999, sinceFirstMs: 90_000_000 }).do, 'retry');
  assert.is(nameOf(newer), 'NewerEvent: OrderPlaced has version 9; this version reads up to 2');
});

test('everything else parks at once, and does not tell what the error says', () => {
  const wrong = new OutsideError('no such person: jane@example.org', { retriable: false, outcome: 'none' });
  assert.equal(judge(wrong), { do: 'park', why: 'OutsideError: trying again would not help' });
  for (const error of [new TypeError('x'), new Error('x'), 'text', undefined, null, { retriable: 'yes' }])
    assert.is(judge(error).do, 'park');
});

test.run();

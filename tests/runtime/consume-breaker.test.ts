import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { samplingBreaker } from '../../runtime/deliver/breaker.ts';
import { outsidePolicy } from '../../runtime/retry.ts';
import { until } from '../fake-clock.ts';
import { outage, world } from './world.ts';

const unit = suite('breaker');
const call = { trial: false };

unit('opens at 80% of at least 20 calls in the window, not before', () => {
  const breaker = samplingBreaker();
  for (let i = 0; i < 19; i++) breaker.report(call, 'outside-failed', i);
  assert.is(breaker.state(), 'closed');
  for (let i = 0; i < 5; i++) breaker.report(call, 'answered', 20);
  breaker.report(call, 'outside-failed', 21); // 20 of 25
  assert.is(breaker.state(), 'open');
});

unit('forgets calls that are older than the window, and those that were aborted', () => {
  const breaker = samplingBreaker();
  for (let i = 0; i < 19; i++) breaker.report(call, 'outside-failed', 0);
  for (let i = 0; i < 19; i++) breaker.report(call, 'aborted', 30_000);
  breaker.report(call, 'outside-failed', 30_000);
  assert.is(breaker.state(), 'closed');
});

unit('tries once after 5 s, then 10, 20, 30, and closes at the first answer', () => {
  const breaker = samplingBreaker();
  for (let i = 0; i < 20; i++) breaker.report(call, 'outside-failed', 0);
  let nowMs = 0;
  for (const pauseMs of [5_000, 10_000, 20_000, 30_000, 30_000]) {
    assert.equal(breaker.admit(nowMs), { go: false, waitMs: pauseMs });
    assert.equal(breaker.admit(nowMs + pauseMs - 1), { go: false, waitMs: 1 });
    nowMs += pauseMs;
    assert.equal(breaker.admit(nowMs), { go: true, trial: true });
    assert.equal(breaker.admit(nowMs), { go: false, waitMs: undefined });
    breaker.report(call, 'answered', nowMs); // a late answer of a call from before says nothing
    assert.is(breaker.state(), 'half-open');
    breaker.report({ trial: true }, 'outside-failed', nowMs);
  }
  nowMs += 30_000;
  breaker.admit(nowMs);
  breaker.report({ trial: true }, 'answered', nowMs);
  assert.is(breaker.state(), 'closed');
  assert.is(breaker.pausedMs(nowMs + 1_000), 125_000);
});
unit.run();

const test = suite('consume: breaker');

test('an outage pauses the consumer, uses up no attempts, moves nothing to the schedule, and ends by itself', async () => {
  const w = world({ breaker: true, concurrency: 8 });
  const outside = { down: true };
  w.steering.handle = async () => {
    if (outside.down) throw outage();
  };
  w.steering.onFailure = outsidePolicy;
  for (let i = 0; i < 60; i++) await w.happen(`order-${i}`);
  const running = await w.start();
  await w.advanceUntil('it pauses', () => running.status().state === 'paused', 5_000, 10);
  const [failed, tried] = [w.failures.length, w.tried.length];
  assert.ok(tried <= 20 + 8, `${tried} calls before it opened`);

  // Two hours: one trial at a time, at most every half minute, on no event's account.
  await w.advanceUntil(
    'two hours pass',
    () => w.clock.now().toISOString() >= '2026-01-05T11:00:00.000Z',
    8_000_000,
    5_000,
  );
  assert.is(w.failures.length, failed);
  const trials = w.tried.length - tried;
  assert.ok(trials > 200 && trials < 250, `${trials} trials`);
  assert.equal((await w.blockedLanes.find({}, { limit: 10 })).items, []);
  assert.is(await w.checkpoint(), undefined);
  assert.ok(new Set(w.tried.slice(tried)).size > 20, 'trials take turns');

  outside.down = false;
  await w.advanceUntil('all is done', () => w.handled.length === 60);
  assert.is(new Set(w.handled).size, 60);
  assert.is(running.status().state, 'running');
  await running.close();
});

test('the pause does not count towards the hour after which an event is given up', async () => {
  const w = world({ breaker: true, concurrency: 30 });
  const outside = { down: true };
  w.steering.handle = async ({ stream }) => {
    if (outside.down || stream === 'order-0') throw outage();
  };
  w.steering.onFailure = outsidePolicy;
  for (let i = 0; i < 30; i++) await w.happen(`order-${i}`);
  const running = await w.start();
  await w.advanceUntil('it pauses', () => running.status().state === 'paused', 5_000, 10);
  await w.clock.advance(7_200_000);
  outside.down = false;
  await w.advanceUntil('the others are done', () => w.handled.length === 29);
  await w.advanceUntil('it has failed again', () => w.failures.at(-1)?.event.stream === 'order-0');
  assert.ok((w.failures.at(-1)?.sinceFirstMs ?? Infinity) < 60_000);
  assert.is(running.status().blocked, 0);
  await running.close();
});

test('failures that are not the outside`s do not open it', async () => {
  const w = world({ breaker: true });
  w.steering.handle = async () => {
    throw new TypeError('bug');
  };
  for (let i = 0; i < 40; i++) await w.happen(`order-${i}`);
  const running = await w.start();
  await running.idle();
  assert.is(running.status().state, 'running');
  assert.is(running.status().blocked, 40);
  await running.close();
});

test('it closes while it is paused', async () => {
  const w = world({ breaker: true });
  w.steering.handle = async () => {
    throw outage();
  };
  w.steering.onFailure = outsidePolicy;
  for (let i = 0; i < 40; i++) await w.happen(`order-${i}`);
  const running = await w.start();
  await w.advanceUntil('it pauses', () => running.status().state === 'paused', 30_000, 10);
  await running.close();
  await until('nothing sleeps', () => w.clock.sleeping() === 0);
});
test.run();

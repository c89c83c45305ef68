import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memorySchedule } from '../../adapters/memory/bookkeeping.ts';
import { runSchedule } from '../../runtime/deliver/schedule.ts';
import { fakeClock, until } from '../fake-clock.ts';
import { latch, START } from './world.ts';
import { quietLog } from '../quiet-log.ts';

const test = suite('schedule');
const inMs = (ms: number): string => new Date(Date.parse(START) + ms).toISOString();

const shop = (work: (key: string) => Promise<void> = async () => undefined, batch = 10) => {
  const clock = fakeClock(START);
  const schedule = memorySchedule();
  const done: string[] = [];
  let errors = 0;
  const start = () =>
    runSchedule({
      schedule,
      name: 'deadlines',
      clock,
      batch,
      log: { ...quietLog, error: () => void (errors += 1) },
      async onDue(key) {
        await work(key);
        await schedule.clear('deadlines', key);
        done.push(key);
      },
    });
  return { clock, schedule, done, start, errors: () => errors };
};

test('runs what is due within a second, and nothing before', async () => {
  const s = shop();
  await s.schedule.set('deadlines', 'b', inMs(2_500));
  await s.schedule.set('deadlines', 'a', inMs(-1));
  const running = s.start();
  await until('the first', () => s.done.length === 1);
  await s.clock.advance(2_499);
  assert.equal(s.done, ['a']);
  await s.clock.advance(1_000);
  assert.equal(s.done, ['a', 'b']);
  await running.close();
  assert.is(s.clock.sleeping(), 0);
});

test('a poke makes it look at once', async () => {
  const s = shop();
  const running = s.start();
  await until('it rests', () => s.clock.sleeping() === 1);
  await s.schedule.set('deadlines', 'a', inMs(0));
  running.poke();
  await until('done', () => s.done.length === 1);
  await running.close();
});

test('many are worked off page after page, 16 at once at most, each once', async () => {
  let [now, most] = [0, 0];
  const s = shop(async () => {
    most = Math.max(most, (now += 1));
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
  }, 20);
  for (let i = 0; i < 200; i++) await s.schedule.set('deadlines', `k${i}`, inMs(-200 + i));
  const running = s.start();
  await until('all', () => s.done.length === 200);
  assert.is(new Set(s.done).size, 200);
  assert.is(most, 16);
  assert.is(s.errors(), 0);
  await running.close();
});

test('a slow one delays no other', async () => {
  const slow = latch();
  const s = shop((key) => (key === 'slow' ? slow.opened : Promise.resolve()));
  await s.schedule.set('deadlines', 'slow', inMs(-2));
  const running = s.start();
  for (const key of ['a', 'b', 'c']) {
    await s.schedule.set('deadlines', key, s.clock.now().toISOString());
    await s.clock.advance(1_000);
  }
  assert.equal(s.done, ['a', 'b', 'c']);
  slow.open();
  await running.close();
  assert.equal(s.done, ['a', 'b', 'c', 'slow']);
});

test('one that fails comes again with growing pauses', async () => {
  let failing = true;
  const tries: number[] = [];
  const s = shop(async () => {
    tries.push(s.clock.now().getTime() - Date.parse(START));
    if (failing) throw new Error('no');
  });
  await s.schedule.set('deadlines', 'a', inMs(0));
  const running = s.start();
  await s.clock.advance(9_000);
  assert.equal(tries, [0, 1_000, 3_000, 7_000]);
  failing = false;
  await s.clock.advance(8_000);
  assert.equal(s.done, ['a']);
  assert.is(s.errors(), 4);
  await running.close();
});

test('one that is left in place does not run in a circle', async () => {
  const clock = fakeClock(START);
  const schedule = memorySchedule();
  let runs = 0;
  const errors: string[] = [];
  await schedule.set('deadlines', 'a', inMs(0));
  const running = runSchedule({
    schedule,
    name: 'deadlines',
    clock,
    batch: 1,
    log: { ...quietLog, error: (_f, sentence) => void errors.push(sentence) },
    onDue: async () => void (runs += 1),
  });
  await clock.advance(10_000);
  assert.ok(runs <= 4 && runs >= 1, String(runs));
  assert.ok(errors.length > 0);
  await running.close();
});

test.run();

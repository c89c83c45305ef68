import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pause, resume } from '../../runtime/deliver/pause.ts';
import { latch, world } from './world.ts';

const test = suite('consume: paused by an operator');
const BY = { actor: { id: 'olga', role: 'operator' }, reason: 'stop charging' } as const;

const pausable = (w: ReturnType<typeof world>) => {
  let ids = 0;
  const deps = { ...w, newId: () => `pause-${(ids += 1)}` };
  return {
    pause: () => pause(deps, 'tester', BY),
    resume: () => resume(deps, 'tester'),
  };
};

test('what runs ends, nothing starts, what has come meanwhile follows in order', async () => {
  const w = world();
  const ops = pausable(w);
  const running = await w.start();
  const slow = latch();
  w.steering.handle = () => slow.opened;
  await w.happen('order-a', 'order-a');
  await w.advanceUntil('the first is being handled', () => w.tried.length === 1);
  const asked = await ops.pause();
  await w.advanceUntil('it is paused', () => running.status().state === 'paused', 1_500);
  assert.equal(running.status().paused, { since: asked.since, by: BY.actor, reason: BY.reason });
  assert.is(running.status().inFlight, 1);

  slow.open();
  await w.advanceUntil('it has ended', () => running.status().inFlight === 0);
  await w.happen('order-b');
  await w.clock.advance(3_600_000);
  assert.equal([w.handled, w.tried], [['order-a@0'], ['order-a@0']]);

  await ops.resume();
  await w.advanceUntil('all is handled', () => w.handled.length === 3, 2_000);
  assert.equal([...w.handled].sort(), ['order-a@0', 'order-a@1', 'order-b@0']);
  assert.is(running.status().state, 'running');
  assert.is(running.status().paused, undefined);
  await running.close();
});

test('a process that starts meanwhile handles nothing, nor does one that cannot know', async () => {
  const w = world();
  const ops = pausable(w);
  await ops.pause();
  await w.happen('order-a');
  const away = { now: true };
  const controls = {
    ...w.controls,
    open: async (...asked: Parameters<typeof w.controls.open>) => {
      if (away.now) throw new Error('away');
      return w.controls.open(...asked);
    },
  };
  const running = await w.start({ controls });
  await w.clock.advance(10_000);
  assert.is(running.status().state, 'paused');
  assert.equal(w.tried, []);

  away.now = false;
  await w.advanceUntil('it knows', () => running.status().paused !== undefined, 2_000);
  assert.equal(w.tried, []);
  // Known by now; what cannot be asked any more changes nothing.
  away.now = true;
  await w.clock.advance(10_000);
  assert.equal(w.tried, []);
  away.now = false;
  await ops.resume();
  await w.advanceUntil('it is handled', () => w.handled.length === 1, 2_000);
  await running.close();
});

test('what is due waits, what the outside tells is heard', async () => {
  const due: string[] = [];
  const listening = { now: 0 };
  const w = world({
    schedules: [
      {
        name: 'deadline',
        async onDue(key) {
          due.push(key);
          await w.schedule.clear('deadline', key);
        },
      },
    ],
    listen() {
      listening.now += 1;
      return {
        async stop() {
          listening.now -= 1;
        },
      };
    },
  });
  const ops = pausable(w);
  const running = await w.start();
  await w.schedule.set('deadline', 'one', w.clock.now().toISOString());
  await w.advanceUntil('one is due', () => due.length === 1, 2_000);
  await ops.pause();
  await w.advanceUntil('it is paused', () => running.status().state === 'paused', 1_500);
  await w.schedule.set('deadline', 'two', w.clock.now().toISOString());
  await w.clock.advance(600_000);
  assert.equal([due, listening.now], [['one'], 1]);
  await ops.resume();
  await w.advanceUntil('two is due', () => due.length === 2, 3_000);
  await running.close();
  assert.is(listening.now, 0);
});

test('it closes while it is paused, and a retry waits too', async () => {
  const w = world();
  const ops = pausable(w);
  w.steering.handle = async () => {
    throw new Error('broken');
  };
  const running = await w.start();
  await w.happen('order-a');
  await w.advanceUntil('it is parked', () => running.status().blocked === 1);
  const {
    items: [parked],
  } = await w.blockedLanes.find({ consumer: 'tester', state: 'parked' }, { limit: 1 });
  w.steering.handle = async () => undefined;
  await ops.pause();
  await w.advanceUntil('it is paused', () => running.status().state === 'paused', 1_500);
  const asked = w.operate('retry', parked!.id);
  await w.advanceUntil(
    'it is due',
    async () => (await w.blockedLanes.get(parked!.id))?.state === 'retrying',
    2_000,
  );
  assert.is(await asked, true);
  await w.clock.advance(60_000);
  assert.equal(w.handled, []);
  await running.close();
  assert.equal(w.handled, []);

  const again = await w.start();
  await ops.resume();
  await w.advanceUntil('it is handled', () => w.handled.length === 1, 60_000);
  await again.close();
});

test.run();

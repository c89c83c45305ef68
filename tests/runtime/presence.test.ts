import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryControls } from '../../adapters/memory/bookkeeping.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { createPresences, type Presence, type Work } from '../../runtime/presence.ts';
import { fakeClock } from '../fake-clock.ts';
import { quietLog } from '../quiet-log.ts';
import { START } from './world.ts';

const test = suite('presence');
const NOTHING: Work = { consumers: [], views: [], forward: [] };

const world = () => {
  const clock = fakeClock(START);
  const controls = memoryControls();
  let ids = 0;
  let away = false;
  const process = (pid: number, work: Work = NOTHING, over = controls) =>
    createPresences(
      {
        controls: {
          ...over,
          open: (...asked) =>
            away ? Promise.reject(new StoreUnavailable('it is away')) : over.open(...asked),
        },
        clock,
        log: quietLog,
        newId: () => `p${++ids}`,
      },
      { roles: ['api'], host: 'here', pid },
      () => work,
    );
  return { clock, controls, process, setAway: (is: boolean) => void (away = is) };
};
const seen = (presences: readonly Presence[]): string =>
  presences.map(({ pid, silent }) => `${pid}${silent ? ' silent' : ''}`).join(', ');

test('each shows all that run, itself first, and what they do', async () => {
  const { clock, process } = world();
  const forward = [
    { category: 'order', state: 'running', position: undefined, lastAt: undefined, why: undefined },
  ] as const;
  const [api, worker] = [process(1), process(2, { ...NOTHING, forward })];
  assert.is(seen(await api.all()), '1', 'before anybody has told');
  const stops = [api.announce(), worker.announce()];
  await clock.advance(2_000);
  assert.is(seen(await api.all()), '1, 2');
  const [, other] = await api.all();
  assert.equal(other!.forward[0]!.state, 'running');
  assert.equal([other!.roles, other!.host, other!.startedAt], [['api'], 'here', START]);
  await stops[1]!();
  assert.is(seen(await api.all()), '1', 'one that has ended is not shown');
  await stops[0]!();
});

test('one that was killed is silent after a while, and in the end forgotten', async () => {
  const { clock, controls, process } = world();
  const told = { at: START, ...NOTHING };
  await controls.ask({
    id: 'dead',
    target: 'process',
    what: { roles: ['project'], host: 'there', pid: 9, startedAt: START },
    actor: { id: 'process', role: 'system' },
    reason: '',
    askedAt: START,
  });
  await controls.report('dead', { progress: told });
  const api = process(1);
  assert.is(seen(await api.all()), '1, 9');
  await clock.advance(16_000);
  assert.is(seen(await api.all()), '1, 9 silent');
  await clock.advance(3_600_000);
  const stop = api.announce();
  await clock.advance(2_000);
  assert.is(seen(await api.all()), '1');
  await stop();
});

test('one that was taken for gone tells of itself anew', async () => {
  const { clock, controls, process } = world();
  const [api, other] = [process(1), process(2)];
  const stop = other.announce();
  await clock.advance(0);
  await controls.report('p1', { progress: {}, endedAt: START });
  assert.is(seen(await api.all()), '1');
  await clock.advance(4_000);
  assert.is(seen(await api.all()), '1, 2');
  await stop();
});

test('while nothing can be told it goes on, and tells again', async () => {
  const { clock, process, setAway } = world();
  setAway(true);
  const [api, other] = [process(1), process(2)];
  const stop = other.announce();
  await clock.advance(2_000);
  setAway(false);
  await clock.advance(2_000);
  assert.is(seen(await api.all()), '1, 2');
  await stop();
});

test('a store that hangs does not hold up the end', async () => {
  const { clock, controls, process } = world();
  const stop = process(1, NOTHING, { ...controls, ask: () => new Promise(() => undefined) }).announce();
  const stopped = stop();
  await clock.advance(1_000);
  await stopped;
});
test.run();

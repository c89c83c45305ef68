import * as assert from 'uvu/assert';
import type { Schedule } from '../../ports/schedule.ts';
import { contract, type Make } from './making.ts';

const day = (n: number): string => `2026-01-0${n}T00:00:00.000Z`;

/** What every adapter for schedules must do. */
export const scheduleContract = (name: string, make: Make<Schedule>): void => {
  const { test, run } = contract(`schedule: ${name}`, make);
  test('sets, moves and forgets what falls due', async (schedule) => {
    await schedule.set('expiry', 'a', day(3));
    await schedule.set('expiry', 'b', day(1));
    await schedule.set('expiry', 'c', day(2));
    await schedule.set('expiry', 'd', day(9));
    await schedule.set('other', 'a', day(1));
    const keys = async (now: string, limit = 10): Promise<string> =>
      (await schedule.due('expiry', now, limit)).map(({ key }) => key).join(' ');
    assert.equal(await schedule.due('expiry', day(3), 10), [
      { key: 'b', dueAt: day(1) },
      { key: 'c', dueAt: day(2) },
      { key: 'a', dueAt: day(3) },
    ]);
    assert.is(await keys(day(3), 2), 'b c');
    await schedule.set('expiry', 'b', day(4));
    await schedule.clear('expiry', 'c');
    await schedule.clear('expiry', 'never');
    assert.is(await keys(day(5)), 'a b');
    assert.is(await keys(day(1)), '');
  });
  run();
};

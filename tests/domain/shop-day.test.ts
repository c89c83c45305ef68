import { DateTime } from 'luxon';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addDays, daysBetween, shopCalendar } from '../../domain/shop-day.ts';
import { dice } from './random.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Zones with a change of their clocks that is easily got wrong, and when it was. */
const CHANGES: readonly (readonly [zone: string, around: string])[] = [
  ['UTC', '2026-03-01T00:00:00Z'],
  ['Europe/London', '2026-03-29T01:00:00Z'],
  ['Europe/London', '2026-10-25T01:00:00Z'],
  ['Asia/Kathmandu', '1985-12-31T18:30:00Z'], // from +5:30 to +5:45
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'], // by half an hour
  ['Pacific/Chatham', '2026-04-04T14:00:00Z'],
  ['America/Sao_Paulo', '2018-11-04T03:00:00Z'], // no midnight
  ['America/Sao_Paulo', '2019-02-17T02:00:00Z'], // midnight twice
  ['America/St_Johns', '2010-03-14T03:31:00Z'], // at 00:01
  ['America/St_Johns', '2010-11-07T02:31:00Z'], // back over midnight, for a minute
  ['Pacific/Apia', '2011-12-30T10:00:00Z'], // a day left out
  ['Africa/Monrovia', '1972-01-07T00:44:30Z'], // seconds
];

const calendar = suite("the shop's calendar");

calendar('gives the day that the wall calendar shows, also around changes of the clocks', () => {
  for (const [zone, around] of CHANGES) {
    const { dayOf } = shopCalendar(zone);
    for (let at = Date.parse(around) - 26 * HOUR_MS; at < Date.parse(around) + 26 * HOUR_MS; at += 30_000)
      if (dayOf(at) !== DateTime.fromMillis(at, { zone }).toISODate())
        assert.unreachable(`${zone} ${new Date(at).toISOString()}: ${dayOf(at)}`);
  }
});

calendar('agrees with the wall calendar at any time of sixty years', () => {
  const d = dice(7);
  for (let i = 0; i < 20_000; i++) {
    const [zone = 'UTC'] = d.pick(CHANGES) ?? [];
    const at = d.below(60 * 365) * 24 * HOUR_MS + d.below(24 * HOUR_MS);
    assert.is(shopCalendar(zone).dayOf(at), DateTime.fromMillis(at, { zone }).toISODate(), `${zone} ${at}`);
  }
});

calendar('begins a day with its first instant', () => {
  for (const [zone, around] of CHANGES.filter(([name]) => name !== 'America/St_Johns')) {
    const { dayOf, startOfDay } = shopCalendar(zone);
    for (let days = -3; days <= 3; days++) {
      const day = addDays(around.slice(0, 10), days);
      const start = startOfDay(day);
      assert.ok(
        dayOf(start - 1) < day && dayOf(start) >= day,
        `${zone} ${day} begins ${new Date(start).toISOString()}`,
      );
    }
  }
  assert.is(
    new Date(shopCalendar('Europe/London').startOfDay('2026-06-01')).toISOString(),
    '2026-05-31T23:00:00.000Z',
  );
  assert.is(
    new Date(shopCalendar('Asia/Kathmandu').startOfDay('2026-06-01')).toISOString(),
    '2026-05-31T18:15:00.000Z',
  );
  assert.is(
    new Date(shopCalendar('America/Sao_Paulo').startOfDay('2018-11-04')).toISOString(),
    '2018-11-04T03:00:00.000Z',
  );
  assert.throws(() => shopCalendar('UTC').startOfDay('2026-02-30'), /no day/);
  assert.throws(() => shopCalendar('Mars/Olympus'), RangeError);
});

calendar(
  "has hours of the shop's clock: none crosses midnight, also where clocks stand at a quarter past",
  () => {
    for (const [zone, around] of CHANGES.filter(([name]) => name !== 'Africa/Monrovia')) {
      const { dayOf, startOf } = shopCalendar(zone);
      for (
        let at = Date.parse(around) - 26 * HOUR_MS;
        at < Date.parse(around) + 26 * HOUR_MS;
        at += MINUTE_MS
      ) {
        const [hour, minute] = [startOf('hour', at), startOf('minute', at + 59_999)];
        assert.ok(
          hour <= at && at - hour < HOUR_MS && minute === at,
          `${zone} ${new Date(at).toISOString()}`,
        );
        assert.is(dayOf(hour), dayOf(at), `${zone} ${new Date(at).toISOString()}`);
      }
    }
    assert.is(
      new Date(
        shopCalendar('Asia/Kathmandu').startOf('hour', Date.parse('2026-01-01T10:20:00Z')),
      ).toISOString(),
      '2026-01-01T10:15:00.000Z',
    );
    // The second half of the hour that Lord Howe has twice.
    assert.is(
      new Date(
        shopCalendar('Australia/Lord_Howe').startOf('hour', Date.parse('2026-04-04T15:20:00Z')),
      ).toISOString(),
      '2026-04-04T15:00:00.000Z',
    );
  },
);

calendar('counts days', () => {
  assert.is(addDays('2024-02-28', 2), '2024-03-01');
  assert.is(addDays('2026-01-01', -1), '2025-12-31');
  assert.is(daysBetween('2024-02-28', '2024-03-01'), 2);
  assert.is(daysBetween('2026-01-02', '2026-01-01'), -1);
});
calendar.run();

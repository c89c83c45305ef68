/**
 * The shop's calendar: which day and which hour of its time zone an instant lies in. Pure: no clock is read.
 */

/** Times are milliseconds since 1970 (UTC); a day is `YYYY-MM-DD` as the shop's wall calendar has it. */
export type ShopCalendar = Readonly<{
  dayOf(atMs: number): string;
  /**
   * The first instant of the shop's minute or hour that `atMs` lies in; a change of the clocks within an hour
   * parts it in two.
   */
  startOf(unit: 'minute' | 'hour', atMs: number): number;
  /**
   * The first instant of a day; where midnight is left out by a change of the clocks, the first instant
   * behind it. Throws RangeError for what is no day.
   */
  startOfDay(day: string): number;
}>;

const SECOND_MS = 1_000;
const QUARTER_MS = 15 * 60 * SECOND_MS;
const UNIT_MS = { minute: 60 * SECOND_MS, hour: 3_600 * SECOND_MS } as const;
const DAY_MS = 24 * UNIT_MS.hour;
/** A quarter of an hour each: 17 months of them. */
const MOST_REMEMBERED = 50_000;

/** What `make` gave for a key; forgets everything once it knows too many. */
const remembering = <K, V>(make: (key: K) => V): ((key: K) => V) => {
  const known = new Map<K, V>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    if (known.size >= MOST_REMEMBERED) known.clear();
    const made = make(key);
    known.set(key, made);
    return made;
  };
};

/**
 * The first second behind `before` for which `holds`, which it does at `end` and from some second between the
 * two on.
 */
const firstSecond = (before: number, end: number, holds: (atMs: number) => boolean): number => {
  let [low, high] = [before, end];
  while (high - low > SECOND_MS) {
    const middle = low + Math.floor((high - low) / 2 / SECOND_MS) * SECOND_MS;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
};

const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const calendarIn = (timeZone: string): ShopCalendar => {
  const wall = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  /**
   * How far the shop's wall clock is ahead of UTC; asking Intl takes microseconds, so that it is asked
   * seldom.
   */
  const askedOffsetMs = (atMs: number): number => {
    const part: Record<string, number> = {};
    for (const { type, value } of wall.formatToParts(atMs)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / SECOND_MS) * SECOND_MS;
  };
  /**
   * Clocks mostly change between quarters of an hour (UTC); where they change within one (St. John's did at
   * 00:01) it is `null`.
   */
  const quarterOffsetMs = remembering((quarter: number): number | null => {
    const [first, last] = [
      askedOffsetMs(quarter * QUARTER_MS),
      askedOffsetMs((quarter + 1) * QUARTER_MS - 1),
    ];
    return first === last ? first : null;
  });
  const offsetMs = (atMs: number): number =>
    quarterOffsetMs(Math.floor(atMs / QUARTER_MS)) ?? askedOffsetMs(atMs);
  const dayOf = (atMs: number): string => isoDay(atMs + offsetMs(atMs));

  return {
    dayOf,
    startOf(unit, atMs) {
      const offset = offsetMs(atMs);
      const start = Math.floor((atMs + offset) / UNIT_MS[unit]) * UNIT_MS[unit] - offset;
      return offsetMs(start) === offset
        ? start
        : firstSecond(start, Math.floor(atMs / SECOND_MS) * SECOND_MS, (ms) => offsetMs(ms) === offset);
    },
    startOfDay: remembering((day: string): number => {
      const midnight = Date.parse(`${day}T00:00:00Z`);
      if (Number.isNaN(midnight) || isoDay(midnight) !== day) throw new RangeError(`${day} is no day`);
      // The world's clocks lie between 16 hours ahead of UTC and 13 behind; offsets are whole seconds.
      return firstSecond(
        midnight - 16 * UNIT_MS.hour,
        midnight + 13 * UNIT_MS.hour,
        (ms) => dayOf(ms) >= day,
      );
    }),
  };
};

/** The calendar of a time zone (IANA), made once. Throws RangeError for a zone that is none. */
export const shopCalendar: (timeZone: string) => ShopCalendar = remembering(calendarIn);

/** `days` later, or earlier when below 0. */
export const addDays = (day: string, days: number): string =>
  isoDay(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS);
/** Days from `from` to `to`, below 0 when `to` lies before it. */
export const daysBetween = (from: string, to: string): number =>
  (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS;

/** A shop's local time as an instant. */
import { DateTime } from 'luxon';

const FORM = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)$/;

/** `day`: the shop's calendar day, as the file has it. */
export type Instant = Readonly<{ atMs: number; at: string; day: string }>;

/**
 * Reads 'YYYY-MM-DD HH:mm:ss' in `timezone` (IANA). A time that a change of the clocks leaves out is moved
 * forward by the gap; one that comes twice is the first. undefined when it is malformed, no date, or before
 * 1970.
 */
export const localTime = (timezone: string): ((text: string) => Instant | undefined) => {
  // Rows of one invoice stand together, so remembering one is enough.
  let last: Readonly<{ text: string; instant: Instant | undefined }> | undefined;
  return (text) => {
    if (last?.text === text) return last.instant;
    const [, year, month, day, hour, minute, second] = (FORM.exec(text) ?? []).map(Number);
    const time =
      year === undefined
        ? undefined
        : DateTime.fromObject(
            { year, month: month!, day: day!, hour: hour!, minute: minute!, second: second! },
            { zone: timezone },
          );
    const instant =
      time?.isValid && time.toMillis() >= 0
        ? { atMs: time.toMillis(), at: new Date(time.toMillis()).toISOString(), day: text.slice(0, 10) }
        : undefined;
    last = { text, instant };
    return instant;
  };
};

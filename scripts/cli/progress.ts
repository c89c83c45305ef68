/** Progress on standard error: a bar on a terminal, a plain line each five seconds elsewhere. */
import { SingleBar } from 'cli-progress';
import type { Clock } from '../../ports/system.ts';

export type Progress = Readonly<{
  /** `total` undefined: nobody knows yet how much there is. Under a new label a new piece of work begins. */
  report(label: string, done: number, total: number | undefined): void;
  /** Ends the bar of a terminal. */
  end(): void;
}>;
export type ProgressTo = Readonly<{ clock: Clock; terminal: boolean; write(text: string): void }>;

const TERMINAL_MS = 250;
const PLAIN_MS = 5_000;

type Work = {
  readonly label: string;
  readonly startedMs: number;
  readonly startedAt: number;
  lastMs: number;
};

const count = (value: number): string => value.toLocaleString('en');
const left = (seconds: number): string =>
  seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;

/** `rate, time left`: of what was done since the first report, since work may go on where it was left. */
const pace = (
  { startedMs, startedAt }: Work,
  done: number,
  total: number | undefined,
  nowMs: number,
): string => {
  const rate = nowMs > startedMs ? ((done - startedAt) * 1000) / (nowMs - startedMs) : 0;
  return `${count(Math.round(rate))} a second${total === undefined || rate === 0 ? '' : `, ${left(Math.max(0, total - done) / rate)} left`}`;
};

export const createProgress = ({ clock, terminal, write }: ProgressTo): Progress => {
  let work: Work | undefined;
  let bar: SingleBar | undefined;
  let open = false;
  const end = (): void => {
    bar?.stop();
    bar = undefined;
    if (open) write('\n');
    open = false;
  };
  return {
    report(label, done, total) {
      const nowMs = clock.now().getTime();
      if (work?.label !== label) {
        end();
        work = { label, startedMs: nowMs, startedAt: done, lastMs: terminal ? 0 : nowMs };
      }
      if (nowMs - work.lastMs < (terminal ? TERMINAL_MS : PLAIN_MS)) return;
      work.lastMs = nowMs;
      const speed = pace(work, done, total, nowMs);
      if (terminal && total !== undefined && total > 0) {
        if (!bar) {
          bar = new SingleBar({
            format: `${label} [{bar}] {percentage}% {done} of {all}, {speed}`,
            stream: process.stderr,
            hideCursor: true,
            clearOnComplete: false,
            barCompleteChar: '=',
            barIncompleteChar: ' ',
            barsize: 24,
          });
          bar.start(total, done, { done: count(done), all: count(total), speed });
        }
        bar.setTotal(total);
        bar.update(done, { done: count(done), all: count(total), speed });
        return;
      }
      const known =
        total === undefined || total === 0
          ? ''
          : ` of ${count(total)} (${Math.floor((done / total) * 100)}%)`;
      write(
        `${terminal ? '\r\x1b[2K' : ''}${label}: ${count(done)}${known}, ${speed}${terminal ? '' : '\n'}`,
      );
      open = terminal;
    },
    end() {
      end();
      work = undefined;
    },
  };
};

/** On this process's standard error. */
export const progressOnTerminal = (clock: Clock): Progress =>
  createProgress({
    clock,
    terminal: process.stderr.isTTY,
    write: (text) => void process.stderr.write(text),
  });

export const NO_PROGRESS: Progress = { report: () => undefined, end: () => undefined };

/** Progress on standard error: a line rewritten each second on a terminal, a plain line each five seconds elsewhere. */
import type { Clock } from '../../ports/system.ts';

export type Progress = Readonly<{
  /** `total` undefined: nobody knows yet how much there is. */
  report(label: string, done: number, total: number | undefined): void;
  /** Ends the line of a terminal. */
  end(): void;
}>;
export type ProgressTo = Readonly<{ clock: Clock; terminal: boolean; write(text: string): void }>;

const TERMINAL_MS = 1_000;
const PLAIN_MS = 5_000;

/** `done of total (share, rate, time left)`. */
const sentence = (label: string, done: number, total: number | undefined, elapsedMs: number): string => {
  const count = (value: number) => value.toLocaleString('en');
  const rate = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
  const known = total === undefined || total === 0 ? '' : ` of ${count(total)} (${Math.floor((done / total) * 100)}%)`;
  const left = total === undefined || rate === 0 ? '' : `, ${Math.max(0, Math.ceil((total - done) / rate))} s left`;
  return `${label}: ${count(done)}${known}, ${count(Math.round(rate))} a second${left}`;
};

export const createProgress = ({ clock, terminal, write }: ProgressTo): Progress => {
  let current = '';
  let startedMs = 0;
  let lastMs = 0;
  let open = false;
  return {
    report(label, done, total) {
      const nowMs = clock.now().getTime();
      if (label !== current) [current, startedMs, lastMs] = [label, nowMs, terminal ? 0 : nowMs];
      if (nowMs - lastMs < (terminal ? TERMINAL_MS : PLAIN_MS)) return;
      lastMs = nowMs;
      const text = sentence(label, done, total, nowMs - startedMs);
      write(terminal ? `\r\x1b[2K${text}` : `${text}\n`);
      open = terminal;
    },
    end() {
      if (open) write('\n');
      open = false;
    },
  };
};

export const NO_PROGRESS: Progress = { report: () => undefined, end: () => undefined };

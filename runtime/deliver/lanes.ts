/** In what order a consumer's work is done, and how far of it is finished. */
import { waker } from '../wake.ts';

/** What was to be done is not, since the consumer ends: it comes again. */
export class Halted extends Error {
  override readonly name = 'Halted';
}

export type Lanes = Readonly<{
  /** Runs `task` behind all earlier ones of `lane`; resolves (or rejects) with it. */
  run<T>(lane: string, task: () => Promise<T>): Promise<T>;
  /** The same for a task that nobody waits for, unless the consumer ends first. */
  start(lane: string, task: () => Promise<void>): Promise<void>;
  /** Lanes with a task running or waiting. */
  size(): number;
  /** Resolves when no lane has anything left. */
  empty(): Promise<void>;
}>;

export type LanesOptions = Readonly<{
  halt: AbortSignal;
  /** A task that was started threw what is not Halted: a bug. */
  onError(lane: string, error: unknown): void;
  onEmpty(): void;
}>;

/**
 * One queue of tasks a lane: in order within a lane, lanes in parallel. A task that rejects does not hold up
 * the next.
 */
export const createLanes = ({ halt, onError, onEmpty }: LanesOptions): Lanes => {
  const tasks = new Map<string, (() => Promise<void>)[]>();
  const emptied = waker();

  const work = async (lane: string, waiting: (() => Promise<void>)[]): Promise<void> => {
    for (let task = waiting[0]; task; task = waiting[0]) {
      await task();
      waiting.shift();
    }
    tasks.delete(lane);
    if (tasks.size > 0) return;
    emptied.wake();
    onEmpty();
  };
  const run: Lanes['run'] = (lane, task) =>
    new Promise((resolve, reject) => {
      const queued = (): Promise<void> => task().then(resolve, reject);
      const waiting = tasks.get(lane);
      if (waiting) return void waiting.push(queued);
      const fresh = [queued];
      tasks.set(lane, fresh);
      void work(lane, fresh);
    });

  return {
    run,
    start: (lane, task) =>
      run(lane, async () => (halt.aborted ? undefined : task())).catch((error: unknown) => {
        if (!(error instanceof Halted)) onError(lane, error);
      }),
    size: () => tasks.size,
    async empty() {
      while (tasks.size > 0) await emptied.next();
    },
  };
};

/** A delivery that was taken on; `done` once it is finished. */
export type Taken = { readonly cursor: string; done: boolean };

/**
 * What of one partition has been taken on and how far it may be committed: up to the lowest event that is not
 * finished.
 */
export type Window = Readonly<{
  take(cursor: string): Taken;
  /** Nothing is left to do before `cursor` that was not taken: what a filter left out. */
  pass(cursor: string): void;
  finish(taken: Taken): void;
  /** Cursor up to which everything is finished; undefined before the first. */
  boundary(): string | undefined;
  /** Events not finished. */
  unfinished(): number;
  /** Events between the boundary and the last one taken: what a crash would repeat. */
  span(): number;
}>;

export const createWindow = (): Window => {
  let entries: Taken[] = [];
  let first = 0;
  let unfinished = 0;
  let boundary: string | undefined;

  const advance = (): void => {
    for (let entry = entries[first]; entry?.done; entry = entries[++first]) boundary = entry.cursor;
    // Dropping the finished part once it is the greater one keeps this linear over all.
    if (first * 2 > entries.length) [entries, first] = [entries.slice(first), 0];
  };

  return {
    take(cursor) {
      const taken = { cursor, done: false };
      entries.push(taken);
      unfinished += 1;
      return taken;
    },
    pass(cursor) {
      entries.push({ cursor, done: true });
      advance();
    },
    finish(taken) {
      if (taken.done) return;
      taken.done = true;
      unfinished -= 1;
      advance();
    },
    boundary: () => boundary,
    unfinished: () => unfinished,
    span: () => entries.length - first,
  };
};

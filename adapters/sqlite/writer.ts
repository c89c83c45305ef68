/** Hands jobs to the thread that writes a file: those that come while it commits share the next commit. */
import { Worker } from 'node:worker_threads';
import type { SqlRow, SqlValue } from './driver.ts';

type Values = readonly SqlValue[];
/** One of several that share their values. `takes`: which of them, by their places; all unless given. */
export type Sharing = Readonly<{ sql: string; takes?: readonly number[] }>;
/**
 * One statement; or several, one after the other, for each of many lists of values. `changes`: how many rows it must
 * change (or return), else nothing of its job is kept; so it is with a constraint that it breaks.
 */
export type Step =
  | Readonly<{ sql: string; values: Values; changes?: number }>
  | Readonly<{ by: readonly Sharing[]; each: readonly Values[] }>;
/** `rows`: of each step that reads or returns some. `step`: the one that was refused. */
export type Outcome =
  Readonly<{ ok: true; rows: readonly SqlRow[][] }> | Readonly<{ ok: false; step: number }>;

/** FULL: a commit is on disk once it resolves. NORMAL: a power cut may take the last ones along, and nothing else. */
export type Synchronous = 'full' | 'normal';
export type WriterData = Readonly<{ path: string; synchronous: Synchronous; pragmas: string }>;
/** `statement`: by its number. */
type Known = Readonly<{ statement: number; returns: boolean }>;
type Prepared = Readonly<{
  by: readonly (Known & Readonly<{ takes: Sharing['takes'] }>)[];
  each: readonly Values[];
  changes: number | undefined;
}>;
/** `fresh`: statements that are new to the thread, counted on from those it knows. */
export type Batch = Readonly<{ fresh: readonly string[]; jobs: readonly (readonly Prepared[])[] }>;
export type Finished =
  Readonly<{ outcomes: readonly Outcome[] }> | Readonly<{ failed: string; code: string }>;

export type Writer = Readonly<{
  /** All steps or none, durably. Rejects with what `unavailable` makes of a failure, after which nothing is kept. */
  write(steps: readonly Step[]): Promise<Outcome>;
  /** Waits for what was asked for. */
  close(): Promise<void>;
}>;

const BATCH_JOBS = 1_024;
/** About as much as a commit should have to flush. */
const BATCH_CHARACTERS = 8 * 1024 * 1024;
const MEMORY = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 };

const RETURNS = /^select | returning /;

type Waiting = Readonly<{
  steps: readonly Step[];
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}>;
type Thread = Readonly<{ worker: Worker; known: Map<string, Known>; ended: Promise<void> }>;

const eachOf = (step: Step): readonly Values[] => ('each' in step ? step.each : [step.values]);
const charactersOf = (steps: readonly Step[]): number => {
  let characters = 0;
  for (const step of steps)
    for (const values of eachOf(step))
      for (const value of values) characters += typeof value === 'string' ? value.length : 8;
  return characters;
};

export const openWriter = (
  data: WriterData,
  unavailable: (message: string, code: string) => Error,
): Writer => {
  let queue: Waiting[] = [];
  let underWay: readonly Waiting[] = [];
  let thread: Thread | undefined;
  let closing: Promise<void> | undefined;
  const atRest: (() => void)[] = [];

  const fail = (message: string, code: string): void => {
    const failed = underWay;
    underWay = [];
    for (const { reject } of failed) reject(unavailable(message, code));
  };
  const start = (): Thread => {
    const worker = new Worker(new URL('./writer-thread.js', import.meta.url), {
      workerData: data,
      resourceLimits: MEMORY,
      execArgv: [],
    });
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        resolve();
        if (thread?.worker !== worker) return;
        thread = undefined;
        fail('its writer ended', 'ENDED');
        next();
      });
    });
    // It ends after that, which fails what it had in hand.
    worker.on('error', (error: Error) => fail(error.message, 'ENDED'));
    worker.on('message', (finished: Finished) => {
      if ('failed' in finished) {
        // It ends after that, too: its connection is not to be trusted.
        if (finished.code === 'IOERR') thread = undefined;
        fail(finished.failed, finished.code);
      } else {
        const done = underWay;
        underWay = [];
        for (const [at, { resolve }] of done.entries()) resolve(finished.outcomes[at]!);
      }
      next();
    });
    return { worker, known: new Map(), ended };
  };

  const next = (): void => {
    if (underWay.length > 0) return;
    if (queue.length === 0) {
      thread?.worker.unref();
      for (const resolve of atRest.splice(0)) resolve();
      return;
    }
    let [taken, characters] = [0, 0];
    while (taken < queue.length && taken < BATCH_JOBS && (taken === 0 || characters < BATCH_CHARACTERS))
      characters += charactersOf(queue[taken++]!.steps);
    underWay = queue.slice(0, taken);
    queue = queue.slice(taken);
    const { worker, known } = (thread ??= start());
    const fresh: string[] = [];
    const preparedOf = (sql: string): Known => {
      let prepared = known.get(sql);
      if (!prepared) {
        known.set(sql, (prepared = { statement: known.size, returns: RETURNS.test(sql) }));
        fresh.push(sql);
      }
      return prepared;
    };
    const jobs = underWay.map(({ steps }) =>
      steps.map((step): Prepared => {
        const sharing: readonly Sharing[] = 'by' in step ? step.by : [step];
        return {
          by: sharing.map(({ sql, takes }) => {
            const { statement, returns } = preparedOf(sql);
            return { statement, returns, takes };
          }),
          each: eachOf(step),
          changes: 'changes' in step ? step.changes : undefined,
        };
      }),
    );
    // A process that waits for nothing else may end; one that waits for a commit may not.
    worker.ref();
    worker.postMessage({ fresh, jobs } satisfies Batch);
  };

  return {
    write: (steps) =>
      new Promise((resolve, reject) => {
        if (closing) return reject(unavailable('it is closed', 'CLOSED'));
        queue.push({ steps, resolve, reject });
        // A microtask later, with what else is asked for in this turn.
        if (underWay.length === 0 && queue.length === 1) queueMicrotask(next);
      }),
    close() {
      closing ??= (async () => {
        if (underWay.length > 0 || queue.length > 0)
          await new Promise<void>((resolve) => atRest.push(resolve));
        const open = thread;
        if (!open) return;
        open.worker.ref();
        open.worker.postMessage('close');
        await open.ended;
      })();
      return closing;
    },
  };
};

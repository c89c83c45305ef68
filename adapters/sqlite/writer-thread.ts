/** The thread that writes one file: it takes a batch of jobs, commits them with one flush, and answers. */
import { parentPort, workerData } from 'node:worker_threads';
import { openConnection, sqliteCode, type Connection, type SqlRow, type Statement } from './driver.ts';
import type { Batch, Finished, Outcome, WriterData } from './writer.ts';

/** How long another process's transaction is waited for. */
const BUSY_MS = 5_000;
const FIRST_WAIT_MS = 0.1;
const WAIT_SPREAD_MS = 0.4;
/** Pages in the write-ahead log that are worth bringing home: 4 MiB. */
const CHECKPOINT_PAGES = 1_000;

const { path, synchronous, pragmas } = workerData as WriterData;
const port = parentPort!;
const connection: Connection = openConnection(path);
// A transaction that cannot begin is tried again here: SQLite's own waiting is unfair to the one who waits.
connection.exec(`pragma busy_timeout = 0; pragma synchronous = ${synchronous}; pragma ${pragmas}`);
connection.exec('pragma wal_autocheckpoint = 0');
const [begin, commit] = [connection.prepare('begin immediate'), connection.prepare('commit')];
const rollback = connection.prepare('rollback');
const [save, keep] = [connection.prepare('savepoint job'), connection.prepare('release job')];
const undo = connection.prepare('rollback to job');
const pages = connection.prepare('pragma wal_checkpoint(noop)');
const checkpoint = connection.prepare('pragma wal_checkpoint(passive)');
const texts: string[] = [];
const statements: Statement[] = [];
const statementAt = (at: number): Statement => (statements[at] ??= connection.prepare(texts[at]!));

const sleeping = new Int32Array(new SharedArrayBuffer(4));
let waits = process.pid;
/** Processes that wait for one another must not do so in step; which numbers they draw matters to nobody. */
const waitMs = (): number => {
  waits = (waits * 1_103_515_245 + 12_345) % 2_147_483_648;
  return FIRST_WAIT_MS + (WAIT_SPREAD_MS * waits) / 2_147_483_648;
};
const beginInTurn = (): void => {
  for (let waitedMs = 0; ;) {
    try {
      return void begin.run();
    } catch (error) {
      if (sqliteCode(error) !== 'BUSY' || waitedMs > BUSY_MS) throw error;
      const ms = waitMs();
      Atomics.wait(sleeping, 0, 0, ms);
      waitedMs += ms;
    }
  }
};

/** Runs a job; what it wrote is undone when one of its steps is refused. */
const run = (steps: Batch['jobs'][number]): Outcome => {
  // A single statement that is refused has changed nothing.
  const [first] = steps;
  const several = steps.length > 1 || first?.by.length !== 1 || first.each.length !== 1;
  if (several) save.run();
  const rows: SqlRow[][] = [];
  for (const [at, { by, each, changes }] of steps.entries()) {
    let changed = 0;
    try {
      for (const values of each)
        for (const { statement, takes, returns } of by) {
          const taken = takes ? takes.map((place) => values[place]!) : values;
          if (returns) {
            rows.push(statementAt(statement).all(...taken));
            changed = rows.at(-1)!.length;
          } else changed = Number(statementAt(statement).run(...taken).changes);
        }
    } catch (error) {
      if (sqliteCode(error) !== 'CONSTRAINT') throw error;
      changed = -1;
    }
    if (changed >= 0 && (changes === undefined || changes === changed)) continue;
    if (several) {
      undo.run();
      keep.run();
    }
    return { ok: false, step: at };
  }
  if (several) keep.run();
  return { ok: true, rows };
};

const runBatch = ({ fresh, jobs }: Batch): Finished => {
  texts.push(...fresh);
  try {
    beginInTurn();
    try {
      const outcomes = jobs.map(run);
      commit.run();
      return { outcomes };
    } catch (error) {
      try {
        rollback.run();
      } catch {
        // SQLite has rolled back by itself, as it does for some errors.
      }
      throw error;
    }
  } catch (error) {
    return { failed: (error as Error).message, code: sqliteCode(error) ?? 'ERROR' };
  }
};

const bringHome = (): void => {
  const { log, checkpointed } = pages.get() ?? {};
  if (Number(log) - Number(checkpointed) < CHECKPOINT_PAGES) return;
  try {
    checkpoint.run();
  } catch {
    // Disk full or another process at it: the log stays as it is, and the next batch tries again.
  }
};

port.on('message', (message: Batch | 'close') => {
  if (message === 'close') {
    connection.close();
    port.close();
    return;
  }
  const finished = runBatch(message);
  port.postMessage(finished);
  // After a flush that failed nobody knows what of the file is on disk: a new connection finds out.
  if ('failed' in finished && finished.code === 'IOERR') {
    connection.close();
    port.close();
  } else bringHome();
});

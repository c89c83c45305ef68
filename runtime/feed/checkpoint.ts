import type { Checkpoints } from '../../ports/checkpoints.ts';
import type { Fence } from '../../ports/lease.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { nameOf } from '../retry.ts';

const SAVE_EVERY_MS = 200;
const SAVE_EVERY_EVENTS = 1_000;

export type SavedCheckpoint = Readonly<{
  /** Moves on to `cursor`, which finishes `events` more; saved soon. */
  move(cursor: string, events: number): void;
  /** Saves what is not saved yet. */
  close(): Promise<void>;
}>;

type Options = Readonly<{
  checkpoints: Checkpoints;
  fence: Fence;
  group: string;
  partition: string;
  start: string | undefined;
  clock: Clock;
  log: Log;
  /** Called when another process has moved the checkpoint, or has the group by now. */
  onLost(): void;
}>;

/**
 * A checkpoint that is written at most every 200 ms or 1,000 events: a commit an event would cost more than
 * the event.
 */
export const savedCheckpoint = ({
  checkpoints,
  fence,
  group,
  partition,
  start,
  clock,
  log,
  onLost,
}: Options): SavedCheckpoint => {
  const closing = new AbortController();
  let saved = start;
  let wanted = start;
  let unsavedEvents = 0;
  let timerRuns = false;
  let saveQueued = false;
  let lost = false;
  /** A save whose answer was lost: finding it in place means that it was ours. */
  let inDoubt: string | undefined;
  let saving: Promise<void> = Promise.resolve();

  const compareAndSet = async (to: string): Promise<boolean> => {
    if (inDoubt !== undefined) {
      if ((await checkpoints.get(group, partition)) === inDoubt) saved = inDoubt;
      inDoubt = undefined;
    }
    inDoubt = to;
    const done = await checkpoints.save(group, partition, saved, to, fence);
    inDoubt = undefined;
    if (done) saved = to;
    return done;
  };
  const save = async (): Promise<void> => {
    saveQueued = false;
    unsavedEvents = 0;
    const to = wanted;
    if (to === undefined || to === saved || lost) return;
    try {
      if (await compareAndSet(to)) return;
      lost = true;
      log.warn({ group, partition }, 'a checkpoint was moved by another process; the group begins anew');
      onLost();
    } catch (error) {
      log.warn({ group, partition, error: nameOf(error) }, 'a checkpoint could not be saved; trying again');
      if (!closing.signal.aborted) void saveSoon();
    }
  };
  const saveNow = (): Promise<void> => {
    if (!saveQueued) saving = saving.then(save);
    saveQueued = true;
    return saving;
  };
  const saveSoon = async (): Promise<void> => {
    if (timerRuns) return;
    timerRuns = true;
    await clock.sleep(SAVE_EVERY_MS, closing.signal);
    timerRuns = false;
    if (!closing.signal.aborted) await saveNow();
  };

  return {
    move(cursor, events) {
      wanted = cursor;
      unsavedEvents += events;
      if (unsavedEvents >= SAVE_EVERY_EVENTS) void saveNow();
      else void saveSoon();
    },
    async close() {
      closing.abort();
      await saveNow();
    },
  };
};

/** Replays of a consumer: a pass over the store in each partition, through the lanes of whoever holds it. */
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import type { Consumer } from '../../ports/consumer.ts';
import type { Control, Controls } from '../../ports/controls.ts';
import type { Assignment, EventFeed } from '../../ports/event-feed.ts';
import type { EventStore } from '../../ports/event-store.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { nameOf } from '../retry.ts';
import { waker } from '../wake.ts';
import { createWindow, type Window } from './lanes.ts';
import {
  endReplay,
  eventsIn,
  partId,
  partProgress,
  replayRequest,
  type PartProgress,
  type ReplayRequest,
} from './replay.ts';

export type PassesOptions = Readonly<{
  consumer: Pick<Consumer, 'name' | 'handles' | 'concurrency'>;
  store: Pick<EventStore, 'readAll' | 'readStream'>;
  partitionOf: EventFeed['partitionOf'];
  controls: Controls;
  clock: Clock;
  log: Log;
  /** Aborts when nothing new may start. */
  halt: AbortSignal;
  /** Handles the event in its lane. False: it is not finished, since the partition is gone or the consumer ends. */
  handOver(event: EventEnvelope, assignment: Assignment): Promise<boolean>;
}>;
export type Passes = Readonly<{
  /** Sees to it that what `control` asks for runs in these partitions. */
  take(control: Control, assignments: Iterable<Assignment>): Promise<void>;
  /** Resolves when none runs any more. */
  ended(): Promise<void>;
}>;

const SAVE_EVERY_MS = 1_000;

export const createPasses = (options: PassesOptions): Passes => {
  const { consumer, store, partitionOf, controls, clock, log, halt, handOver } = options;
  /** What is new waits for no more than half of the handlers. */
  const atOnce = Math.max(1, Math.floor(consumer.concurrency / 2));
  const running = new Map<string, Promise<void>>();
  const nowMs = (): number => clock.now().getTime();

  /** Goes on behind what was finished before. */
  const pass = async (
    control: Control,
    request: ReplayRequest,
    assignment: Assignment,
    begun: PartProgress,
  ): Promise<void> => {
    const { id } = control;
    const { partition, signal, fence } = assignment;
    const part = partId(id, partition);
    const window: Window = createWindow();
    const roomier = waker();
    const over = AbortSignal.any([halt, signal]);
    over.addEventListener('abort', roomier.wake);
    let events = begun.events;
    let lost = false;
    let savedMs = nowMs();

    const save = async (ended: boolean): Promise<void> => {
      savedMs = nowMs();
      const position = (window.boundary() as Position | undefined) ?? begun.position;
      const progress: PartProgress = { events, ...(position === undefined ? {} : { position }) };
      const stopped = (await controls.get(id))?.endedAt !== undefined;
      const endedAt = ended || stopped ? { endedAt: clock.now().toISOString() } : {};
      lost = (await controls.report(part, { progress, ...endedAt }, fence)) === 'refused' || stopped;
    };
    const startedMs = nowMs();
    const everyMs =
      request.perSecond === undefined ? 0 : (1_000 * request.partitions.length) / request.perSecond;
    let taken = 0;
    const room = async (most: number): Promise<boolean> => {
      while (!over.aborted && window.unfinished() > most) await roomier.next();
      const waitMs = startedMs + taken * everyMs - nowMs();
      if (waitMs > 0) await clock.sleep(waitMs, over);
      if (!over.aborted && nowMs() - savedMs >= SAVE_EVERY_MS) await save(false);
      return !over.aborted && !lost;
    };

    const left = begun.position === undefined ? request : { ...request, after: begun.position };
    for await (const next of eventsIn(store, consumer, left)) {
      if ('scanned' in next) {
        window.pass(next.scanned);
        if (!(await room(atOnce))) return;
        continue;
      }
      if (next.meta.origin === 'import' || partitionOf(next.stream) !== partition) continue;
      if (!(await room(atOnce - 1))) return;
      taken += 1;
      const entry = window.take(next.position);
      void handOver(next, assignment).then((finished) => {
        if (finished) {
          window.finish(entry);
          events += 1;
        }
        roomier.wake();
      });
    }
    if (!(await room(0))) return;
    await save(true);
    await endReplay(controls, control, clock);
  };

  return {
    async take(control, assignments) {
      const request = replayRequest(control.what);
      if (!request) return;
      for (const assignment of assignments) {
        const { partition } = assignment;
        const part = partId(control.id, partition);
        if (!request.partitions.includes(partition) || running.has(part) || assignment.signal.aborted)
          continue;
        // Whoever is first makes it; what is there stays as it is.
        await controls.ask({ ...control, id: part, target: 'replay part', what: { of: control.id } });
        const found = await controls.get(part);
        if (!found) continue;
        if (found.endedAt !== undefined) {
          // It may be the last one, and who ended it have ended before it could say so.
          await endReplay(controls, control, clock);
          continue;
        }
        const done = pass(control, request, assignment, partProgress(found.progress)).catch(
          (error: unknown) =>
            log.warn(
              { consumer: consumer.name, replay: control.id, partition, error: nameOf(error) },
              'a replay cannot go on now; trying again',
            ),
        );
        running.set(
          part,
          done.then(() => void running.delete(part)),
        );
      }
    },
    async ended() {
      await Promise.all(running.values());
    },
  };
};

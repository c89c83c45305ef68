import { waker } from '../wake.ts';

export type Lanes = Readonly<{
  /** Runs `task` behind all earlier ones of `stream`; resolves (or rejects) with it. */
  run<T>(stream: string, task: () => Promise<T>): Promise<T>;
  /** Streams with a task running or waiting. */
  size(): number;
  /** Resolves when no lane has anything left. */
  empty(): Promise<void>;
}>;

/**
 * One queue of tasks a stream: in order within a stream, in parallel across streams. A task that rejects does
 * not hold up the next.
 */
export const lanes = (onEmpty: () => void): Lanes => {
  const queues = new Map<string, (() => Promise<void>)[]>();
  const emptied = waker();

  const work = async (stream: string, queue: (() => Promise<void>)[]): Promise<void> => {
    for (let task = queue[0]; task; task = queue[0]) {
      await task();
      queue.shift();
    }
    queues.delete(stream);
    if (queues.size > 0) return;
    emptied.wake();
    onEmpty();
  };

  return {
    run: (stream, task) =>
      new Promise((resolve, reject) => {
        const queued = (): Promise<void> => task().then(resolve, reject);
        const queue = queues.get(stream);
        if (queue) return void queue.push(queued);
        const fresh = [queued];
        queues.set(stream, fresh);
        void work(stream, fresh);
      }),
    size: () => queues.size,
    async empty() {
      while (queues.size > 0) await emptied.next();
    },
  };
};

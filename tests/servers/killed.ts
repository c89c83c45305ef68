import type { ChildProcess } from 'node:child_process';

/** Ends a child as a crash would; resolves once it has ended. */
export const killed = (child: ChildProcess | undefined): Promise<void> =>
  new Promise((resolved) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return resolved();
    // One that nobody waits for is waited for here.
    child.ref();
    child.once('exit', () => resolved());
    child.kill('SIGKILL');
  });

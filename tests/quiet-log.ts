import type { Log } from '../ports/system.ts';

/** Says nothing: what a test wants to hear it listens to itself. */
export const quietLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

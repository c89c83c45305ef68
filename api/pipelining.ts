/** A client that sends requests without end and awaits no answer is cut off. */
import type { IncomingMessage, Server } from 'node:http';

/**
 * Requests of one connection that may be unanswered: more than any client pipelines that means well. An answer cannot
 * be sent before those of the requests before it, so there is nothing to tell it.
 */
const UNANSWERED = 1_000;

/** Closes a connection on which too much is unanswered, and so ends what waits on it. Call it before the server listens. */
export const boundPipelining = (server: Server): void => {
  const unanswered = new WeakMap<IncomingMessage['socket'], number>();
  server.prependListener('request', ({ socket }, response) => {
    const count = (unanswered.get(socket) ?? 0) + 1;
    unanswered.set(socket, count);
    if (count > UNANSWERED) socket.destroy();
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
  });
};

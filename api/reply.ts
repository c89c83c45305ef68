/**
 * What a handler answers. `body` is sent as JSON; `chunks` instead is text sent piece by piece, as fast as
 * the client takes it. Its signal aborts when the stream is over, also where none is sent (it then has
 * aborted already).
 */
export type Reply = Readonly<{
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: unknown;
  chunks?: (signal: AbortSignal) => AsyncIterable<string>;
}>;

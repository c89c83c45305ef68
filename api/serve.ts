/**
 * From a declared route to an express handler: token, role, headers, body, then the handler, then one way to
 * answer.
 */
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { Principal } from './auth.ts';
import type { ApiDeps } from './deps.ts';
import { invalidRequest, problem, problemOf, unauthorized } from './problems.ts';
import type { Reply } from './reply.ts';
import type { ApiRequest, Route } from './route.ts';
import { traceparentOf } from './traceparent.ts';

export const BODY_LIMIT_BYTES = 1_048_576;
const json = express.json({ strict: true, limit: BODY_LIMIT_BYTES });
const raw = express.raw({ type: () => true, limit: BODY_LIMIT_BYTES });

/** How long a client may take nothing of a stream. */
const SLOW_READER_MS = 15_000;
const KEY = /^[\x21-\x7e]+$/;
const KEY_CHARACTERS = 200;
const NO_BYTES = Buffer.alloc(0);
/** Where no token is wanted; handlers of open routes are not shown it. */
const NOBODY = {} as Principal;

/**
 * Helmet's headers are the same for every answer: asked for once and written with the others, not one by one
 * each time.
 */
const SECURITY_HEADERS = (() => {
  const headers: Record<string, string> = {};
  const response = {
    setHeader: (name: string, value: string) => void (headers[name] = value),
    removeHeader: () => undefined,
  };
  helmet()({} as Request, response as unknown as Response, (error?: unknown) => {
    if (error !== undefined) throw error;
  });
  return headers;
})();

/**
 * Sends text as fast as the client takes it and no faster, so that nothing is kept for a slow one; one that
 * takes nothing for 15 s is dropped. What fails on the way ends the connection, so that the client sees a cut
 * and not an end.
 */
const stream = async (
  response: Response,
  chunks: NonNullable<Reply['chunks']>,
  { clock, log }: Pick<ApiDeps, 'clock' | 'log'>,
): Promise<void> => {
  const over = new AbortController();
  response.once('close', () => over.abort());
  try {
    for await (const chunk of chunks(over.signal)) {
      if (over.signal.aborted) return;
      if (response.write(chunk)) continue;
      const drained = new AbortController();
      response.once('drain', () => drained.abort());
      await clock.sleep(SLOW_READER_MS, AbortSignal.any([drained.signal, over.signal]));
      if (!drained.signal.aborted) return void response.destroy();
    }
    response.end();
  } catch (error) {
    if (!over.signal.aborted)
      log.error({ error: String(error), stack: (error as Error | null)?.stack }, 'a stream was cut off');
    response.destroy();
  } finally {
    over.abort();
  }
};

/** Writes an answer: the only place that touches a response. */
export const send = (
  response: Response,
  { status, headers, body, chunks }: Reply,
  deps?: Pick<ApiDeps, 'clock' | 'log'>,
): void => {
  if (response.headersSent || response.destroyed) return void chunks?.(AbortSignal.abort());
  if (chunks) {
    response.writeHead(status, { ...SECURITY_HEADERS, 'Cache-Control': 'no-store', ...headers });
    if (response.req.method === 'HEAD' || !deps) {
      chunks(AbortSignal.abort());
      response.end();
    } else void stream(response, chunks, deps);
    return;
  }
  if (body === undefined) {
    response.writeHead(status, { ...SECURITY_HEADERS, 'Cache-Control': 'no-store', ...headers }).end();
    return;
  }
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
    ...headers,
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
};

/** A reply when the header is missing or wrong, else the key. */
const idempotencyKeyOf = (request: Request): string | Reply => {
  const key = request.headers['idempotency-key'];
  if (key === undefined || key === '')
    return problem(
      'missing_idempotency_key',
      'Send an Idempotency-Key header (a new UUID, best version 7, for each new request; the same one to repeat it).',
    );
  if (typeof key !== 'string' || key.length > KEY_CHARACTERS || !KEY.test(key))
    return problem(
      'invalid_idempotency_key',
      `The Idempotency-Key must be 1 to ${KEY_CHARACTERS} visible ASCII characters.`,
    );
  return key;
};

const hasBody = ({ headers }: Request): boolean =>
  headers['transfer-encoding'] !== undefined ||
  (headers['content-length'] !== undefined && headers['content-length'] !== '0');

/** Parsed parts of the request, or what is wrong with them. */
const read = (
  route: Route,
  request: Request,
): Readonly<{ params: unknown; query: unknown; body: unknown }> | Reply => {
  let { params, query, body }: { params: unknown; query: unknown; body: unknown } = {
    params: request.params,
    query: undefined,
    body: undefined,
  };
  if (route.params) {
    const parsed = route.params.safeParse(params);
    if (!parsed.success) return invalidRequest('path', parsed.error);
    params = parsed.data;
  }
  if (route.query) {
    const parsed = route.query.safeParse({ ...request.query });
    if (!parsed.success) return invalidRequest('query', parsed.error);
    query = parsed.data;
  } else if (Object.keys(request.query).length > 0)
    return problem('invalid_request', 'This call takes no query parameters.');
  if (route.bodyKind === 'raw') return { params, query, body };
  if (route.body) {
    if (request.body === undefined && hasBody(request))
      return problem('unsupported_media_type', 'The body must be JSON: send Content-Type: application/json.');
    if (request.body === undefined && route.bodyKind !== 'optional')
      return problem('malformed_json', 'This call wants a JSON body.');
    const parsed = route.body.safeParse(request.body ?? {});
    if (!parsed.success) return invalidRequest('body', parsed.error);
    body = parsed.data;
  }
  return { params, query, body };
};

const connections = new WeakMap<object, AbortSignal>();
/** Aborts when the connection is closed, for all of its requests: a response that is not yet its turn hears of nothing. */
const closed = ({ socket }: Request): AbortSignal => {
  const known = connections.get(socket);
  if (known) return known;
  const gone = new AbortController();
  if (socket.destroyed) gone.abort();
  else socket.once('close', () => gone.abort());
  connections.set(socket, gone.signal);
  return gone.signal;
};

const isReply = (value: object): value is Reply => 'status' in value;

/**
 * The express handler of `route`. A cached token and a synchronous handler are answered without a promise.
 */
export const serve = (route: Route, deps: ApiDeps): RequestHandler => {
  const parse = route.bodyKind === 'raw' ? raw : route.body ? json : undefined;
  const where = { method: route.method, path: route.path };

  return (request: Request, response: Response, _next: NextFunction) => {
    const fail = (error: unknown): void => send(response, problemOf(error, deps.log, where));

    const answer = (principal: Principal): void => {
      try {
        const key = route.idempotent ? idempotencyKeyOf(request) : '';
        if (typeof key !== 'string') return send(response, key);
        const parts = read(route, request);
        if (isReply(parts)) return send(response, parts);
        const asked: ApiRequest = {
          ...parts,
          principal,
          idempotencyKey: key,
          headers: request.headers,
          rawBody: route.bodyKind === 'raw' && Buffer.isBuffer(request.body) ? request.body : NO_BYTES,
          traceparent: traceparentOf(request.headers.traceparent, deps.randomness),
          connection: request.socket,
          get signal() {
            return closed(request);
          },
        };
        const reply = route.handle(asked, deps);
        if (reply instanceof Promise) reply.then((value) => send(response, value, deps)).catch(fail);
        else send(response, reply, deps);
      } catch (error) {
        fail(error);
      }
    };
    const admitted = (principal: Principal): void => {
      if (route.roles !== 'anyone' && !route.roles.includes(principal.role))
        return send(
          response,
          problem(
            'forbidden',
            `This is for: ${route.roles.join(', ')}; the token is of role ${principal.role}.`,
          ),
        );
      if (!parse) return answer(principal);
      parse(request, response, (error?: unknown) => (error === undefined ? answer(principal) : fail(error)));
    };

    if (route.roles === 'anyone') return admitted(NOBODY);
    const bearer = /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer === undefined)
      return send(response, unauthorized('missing_token', 'Send a token: Authorization: Bearer …'));
    try {
      const principal = deps.auth.verify(bearer);
      if (principal instanceof Promise) principal.then(admitted).catch(fail);
      else admitted(principal);
    } catch (error) {
      fail(error);
    }
  };
};

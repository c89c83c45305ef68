/** What a route is: declared once, served by express and described by OpenAPI from the same declaration. */
import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { Principal, TokenRole } from './auth.ts';
import type { ApiDeps } from './deps.ts';
import type { ProblemCode } from './problems.ts';
import type { Reply } from './reply.ts';

/** `idempotencyKey` is '' where the route wants none; `rawBody` is empty unless the route's body is raw. */
export type OpenRequest<P = unknown, Q = unknown, B = unknown> = Readonly<{
  params: P;
  query: Q;
  body: B;
  rawBody: Buffer;
  idempotencyKey: string;
  traceparent: string;
  headers: IncomingHttpHeaders;
  /** The same for all requests of one connection. */
  connection: object;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}>;
export type ApiRequest<P = unknown, Q = unknown, B = unknown> = OpenRequest<P, Q, B> &
  Readonly<{ principal: Principal }>;

type Answer = Reply | Promise<Reply>;
export type Responses = Readonly<
  Record<
    number,
    Readonly<{
      description: string;
      schema?: z.ZodType;
      headers?: Readonly<Record<string, string>>;
      contentType?: string;
    }>
  >
>;

/**
 * `path`: in OpenAPI's form, `/orders/{id}`. `bodyKind`: 'json' (must be there), 'optional' JSON, or 'raw'
 * (read as bytes and checked by the handler, since a signature is over bytes; `body` then only describes it).
 * `headers`: further request headers.
 */
type Declared<P, Q, B> = Readonly<{
  method: 'get' | 'post' | 'put' | 'delete';
  path: string;
  summary: string;
  description?: string;
  tag: string;
  idempotent?: boolean;
  headers?: Readonly<Record<string, string>>;
  params?: z.ZodType<P>;
  query?: z.ZodType<Q>;
  body?: z.ZodType<B>;
  bodyKind?: 'json' | 'optional' | 'raw';
  responses: Responses;
  problems?: readonly ProblemCode[];
}>;

export type Route = Declared<unknown, unknown, unknown> &
  Readonly<{ roles: 'anyone' | readonly TokenRole[]; handle(request: ApiRequest, deps: ApiDeps): Answer }>;

/** A route for those whose token has one of `roles`. */
export const route = <P = unknown, Q = unknown, B = unknown>(
  declared: Declared<P, Q, B> &
    Readonly<{ roles: readonly TokenRole[]; handle(request: ApiRequest<P, Q, B>, deps: ApiDeps): Answer }>,
): Route => declared as unknown as Route;

/** A route that asks for no token; its handler is shown none. */
export const openRoute = <P = unknown, Q = unknown, B = unknown>(
  declared: Declared<P, Q, B> & Readonly<{ handle(request: OpenRequest<P, Q, B>, deps: ApiDeps): Answer }>,
): Route => ({ ...declared, roles: 'anyone' }) as unknown as Route;

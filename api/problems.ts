/**
 * Every way in which a request can fail, as an RFC 9457 problem: one table, one place that turns errors and
 * refusals into answers.
 */
import type { z } from 'zod';
import type { OrderRefusal } from '../domain/order/commands.ts';
import type { Refusal } from '../domain/kernel.ts';
import { AppendTooLarge } from '../ports/event-store.ts';
import type { Clock, Log } from '../ports/system.ts';
import { nameOf } from '../runtime/retry.ts';
import { AuthenticationUnavailable, InvalidToken } from './auth.ts';
import { BadCursor } from './cursor.ts';
import type { Reply } from './reply.ts';

/** Status of each code; the codes that a domain refuses with are 409 unless they stand here. */
export const PROBLEM_STATUS = {
  malformed_json: 400,
  missing_idempotency_key: 400,
  invalid_idempotency_key: 400,
  invalid_if_match: 400,
  invalid_cursor: 400,
  bad_request: 400,
  missing_token: 401,
  invalid_token: 401,
  bad_signature: 401,
  stale_signature: 401,
  forbidden: 403,
  not_your_order: 403,
  no_such_route: 404,
  order_not_found: 404,
  revision_not_found: 404,
  sku_not_found: 404,
  parked_not_found: 404,
  customer_not_found: 404,
  consumer_not_found: 404,
  replay_not_found: 404,
  projection_not_found: 404,
  webhook_not_configured: 404,
  method_not_allowed: 405,
  revision_mismatch: 412,
  body_too_large: 413,
  unsupported_media_type: 415,
  invalid_request: 422,
  unknown_sku: 422,
  unknown_line: 422,
  currency_mismatch: 422,
  invalid_order: 422,
  idempotency_key_reused: 422,
  matches_changed: 409,
  too_many_matches: 409,
  no_build: 409,
  build_unfinished: 409,
  build_running: 409,
  no_previous_build: 409,
  version_gone: 409,
  price_changed: 409,
  below_zero: 409,
  out_of_stock: 409,
  internal_error: 500,
  unavailable: 503,
  not_ready: 503,
  too_many_streams: 503,
  too_many_waits: 503,
} as const;
export type ProblemCode = keyof typeof PROBLEM_STATUS | OrderRefusal['code'];

/** `pointer`: JSON pointer into the body, or the name of a query parameter. */
export type FieldError = Readonly<{ pointer: string; detail: string }>;

const RETRY_AFTER_SECONDS = '1';
const WARN_EVERY_MS = 1_000;
const MOST_ERRORS = 50;
const POINTER_CHARACTERS = 200;

export const statusOfProblem = (code: string): number =>
  Object.hasOwn(PROBLEM_STATUS, code) ? PROBLEM_STATUS[code as keyof typeof PROBLEM_STATUS] : 409;

const titleOf = (code: string): string => {
  const words = code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
};

export const problem = (
  code: ProblemCode,
  detail: string,
  more: Readonly<{ errors?: readonly FieldError[]; headers?: Readonly<Record<string, string>> }> = {},
): Reply => {
  const status = statusOfProblem(code);
  const headers = {
    'Content-Type': 'application/problem+json',
    ...(status === 503 ? { 'Retry-After': RETRY_AFTER_SECONDS } : {}),
    ...more.headers,
  };
  const body = {
    type: `urn:orderfold:problem:${code}`,
    title: titleOf(code),
    status,
    detail,
    code,
    ...(more.errors ? { errors: more.errors } : {}),
  };
  return { status, headers, body };
};

/** A refusal of the domain, in its own words. */
export const refused = ({ code, sentence }: Refusal, errors?: readonly FieldError[]): Reply =>
  problem(code as ProblemCode, sentence, errors ? { errors } : {});

const pointerOf = (path: readonly PropertyKey[]): string =>
  path
    .map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
    .slice(0, POINTER_CHARACTERS);

const fieldErrors = (issues: readonly z.core.$ZodIssue[]): FieldError[] =>
  issues
    .flatMap((issue): FieldError[] =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => ({
            pointer: pointerOf([...issue.path, key]),
            detail: 'This field is not known here.',
          }))
        : [{ pointer: pointerOf(issue.path), detail: issue.message }],
    )
    .slice(0, MOST_ERRORS);

/** What zod found wrong in the `part` of a request. */
export const invalidRequest = (part: 'body' | 'query' | 'path', { issues }: z.core.$ZodError): Reply => {
  const errors = fieldErrors(issues);
  const [first] = errors;
  const where = first?.pointer ? `${first.pointer}: ` : '';
  return problem(
    'invalid_request',
    `The ${part} is not what this call takes. ${where}${(first?.detail ?? '').replace(/\.?$/, '.')}`,
    { errors },
  );
};

/** For 401: says which scheme is wanted. */
export const unauthorized = (code: 'missing_token' | 'invalid_token', detail: string): Reply =>
  problem(code, detail, {
    headers: { 'WWW-Authenticate': code === 'missing_token' ? 'Bearer' : 'Bearer error="invalid_token"' },
  });

const field = (error: unknown, name: string): unknown =>
  typeof error === 'object' && error !== null && name in error
    ? (error as Record<string, unknown>)[name]
    : undefined;

/** What express and its body parsers raise, by their `type` or status. */
const ofHttpError = (type: unknown, status: number): Reply => {
  if (type === 'entity.too.large') return problem('body_too_large', 'The body is larger than 1 MiB.');
  if (type === 'entity.parse.failed') return problem('malformed_json', 'The body is no JSON document.');
  if (status === 415)
    return problem(
      'unsupported_media_type',
      "The body's encoding or character set is not supported; send UTF-8.",
    );
  return problem('bad_request', 'The request cannot be read.');
};

/** Warnings at most once a second: when a store is away, every request says so. */
export const sparing = (log: Log, clock: Clock): Log => {
  let saidMs = -Infinity;
  return {
    info: log.info,
    error: log.error,
    warn(fields, sentence) {
      const nowMs = clock.now().getTime();
      if (nowMs - saidMs < WARN_EVERY_MS) return;
      saidMs = nowMs;
      log.warn(fields, sentence);
    },
  };
};

/** The answer to whatever was thrown. What is to be mended by somebody is logged; nothing of it is told outside. */
export const problemOf = (
  error: unknown,
  log: Log,
  where: Readonly<{ method: string; path: string }>,
): Reply => {
  if (error instanceof InvalidToken) return unauthorized('invalid_token', error.message);
  if (error instanceof AuthenticationUnavailable)
    return problem('unavailable', 'The identity provider cannot be reached; try again.');
  if (error instanceof AppendTooLarge)
    return problem('body_too_large', 'What this asks for is more than one event can hold.');
  if (field(error, 'retriable') === true) {
    log.warn({ ...where, error: nameOf(error) }, 'a request could not be served');
    return problem(
      'unavailable',
      'This cannot be served right now; try again with the same Idempotency-Key.',
    );
  }
  if (error instanceof BadCursor) return problem('invalid_cursor', 'The cursor is none that this list gave.');
  const status = field(error, 'status');
  if (typeof status === 'number' && status >= 400 && status < 500)
    return ofHttpError(field(error, 'type'), status);
  const { name, message, stack } =
    error instanceof Error ? error : { name: typeof error, message: String(error), stack: undefined };
  log.error({ ...where, error: `${name}: ${message}`, stack }, 'a request failed by a bug');
  return problem('internal_error', 'Something went wrong on our side; it has been noted.');
};

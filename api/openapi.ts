/** OpenAPI 3.1 from the declared routes: what is described is what is served. */
import { z } from 'zod';
import { statusOfProblem } from './problems.ts';
import type { Route } from './route.ts';
import { components as registry, Problem } from './schemas/common.ts';

type Json = { [key: string]: unknown };

/** API version: counts up when something that clients rely on changes. */
const VERSION = '1.0.0';

/** JSON schema of `schema`; shared ones are moved into `shared` and referred to there. */
const schemaOf = (schema: z.ZodType, io: 'input' | 'output', shared: Json): Json => {
  const {
    $schema: _version,
    $defs,
    ...own
  } = z.toJSONSchema(schema, { metadata: registry, io, unrepresentable: 'any' }) as Json;
  for (const [name, definition] of Object.entries(($defs ?? {}) as Json)) {
    const { id: _id, ...rest } = definition as Json;
    shared[name] = rehung(rest);
  }
  return rehung(own) as Json;
};

const rehung = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(rehung);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === '$ref' && typeof inner === 'string'
        ? [key, inner.replace('#/$defs/', '#/components/schemas/')]
        : [key, rehung(inner)],
    ),
  );
};

/**
 * One parameter for each field of an object schema. Query parameters are text on the wire and described as
 * what they mean.
 */
const parametersOf = (schema: z.ZodType | undefined, where: 'path' | 'query', shared: Json): Json[] => {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'output', shared) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...type }]) => ({
    name,
    in: where,
    // A default makes a parameter optional, though it is never missing in what the handler sees.
    required: where === 'path' || (required.includes(name) && !('default' in type)),
    ...(description === undefined ? {} : { description }),
    schema: type,
  }));
};

const headerParameters = ({ idempotent, headers = {} }: Route): Json[] => [
  ...(idempotent
    ? [
        {
          name: 'Idempotency-Key',
          in: 'header',
          required: true,
          description: 'New for each new request (a UUIDv7 is best), the same to repeat it.',
          schema: { type: 'string', minLength: 1, maxLength: 200 },
        },
      ]
    : []),
  ...Object.entries(headers).map(([name, description]) => ({
    name,
    in: 'header',
    required: name === 'Webhook-Signature',
    description,
    schema: { type: 'string' },
  })),
];

/** Problem codes by status: those declared, and those that follow from what the route takes. */
const problemsOf = (route: Route): Map<number, string[]> => {
  const codes: string[] = [...(route.problems ?? [])];
  if (route.roles !== 'anyone') codes.push('missing_token', 'invalid_token', 'forbidden');
  if (route.idempotent) codes.push('missing_idempotency_key', 'invalid_idempotency_key');
  if (route.body) codes.push('malformed_json', 'body_too_large');
  if (route.body && route.bodyKind !== 'raw') codes.push('unsupported_media_type');
  if (route.body || route.query || route.params) codes.push('invalid_request');
  const byStatus = new Map<number, string[]>();
  for (const code of [...new Set(codes), 'unavailable', 'internal_error']) {
    const status = statusOfProblem(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return byStatus;
};

const textHeaders = (headers: Readonly<Record<string, string>>): Json =>
  Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  );

const responsesOf = (route: Route, shared: Json): Json => {
  const responses: Json = {};
  for (const [status, { description, schema, headers, contentType }] of Object.entries(route.responses)) {
    responses[status] = {
      description,
      ...(headers ? { headers: textHeaders(headers) } : {}),
      ...(schema ? { content: { 'application/json': { schema: schemaOf(schema, 'output', shared) } } } : {}),
      ...(contentType === undefined ? {} : { content: { [contentType]: { schema: { type: 'string' } } } }),
    };
  }
  for (const [status, codes] of problemsOf(route))
    responses[status] = {
      description: codes.map((code) => `\`${code}\``).join(', '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  return responses;
};

/** `getOrdersIdHistory` of `get /orders/{id}/history`: unique, since method and path are. */
const operationId = ({ method, path }: Route): string =>
  method +
  path
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

export const openApiOf = (routes: readonly Route[]): Json => {
  const schemas: Json = {};
  schemaOf(z.array(Problem), 'output', schemas);
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const { method, path, tag, summary, description, roles, body } = route;
    const parameters = [
      ...parametersOf(route.params, 'path', schemas),
      ...parametersOf(route.query, 'query', schemas),
      ...headerParameters(route),
    ];
    (paths[path] ??= {})[method] = {
      operationId: operationId(route),
      tags: [tag],
      summary,
      ...(description === undefined ? {} : { description }),
      ...(roles === 'anyone' ? { security: [] } : { 'x-roles': roles }),
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(body
        ? {
            requestBody: {
              required: route.bodyKind !== 'optional',
              content: { 'application/json': { schema: schemaOf(body, 'input', schemas) } },
            },
          }
        : {}),
      responses: responsesOf(route, schemas),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'orderfold',
      version: VERSION,
      description:
        'Orders as event streams: a checkout appends one event and answers; everything else follows.',
    },
    security: [{ bearer: [] }],
    paths,
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
};

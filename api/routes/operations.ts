/** What operators watch and mend. */
import { z } from 'zod';
import type { Presence } from '../../runtime/presence.ts';
import { problem } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route, type Route } from '../route.ts';
import { Cursor, Limit, page, ParkedParams, Reason } from '../schemas/common.ts';
import { ForwardReport, ParkedItem, ProcessReport } from '../schemas/operations.ts';

const tag = 'operations';
const roles = ['operator'] as const;
const Name = z.string().min(1).max(300).optional();
const filter = { consumer: Name, stream: Name, type: Name };
const items = <T extends z.ZodType>(item: T) => z.strictObject({ items: z.array(item) });
const Asked = z.strictObject({ id: z.string(), asked: z.literal(true) });
const askedFor = (id: string): Reply => ({ status: 202, body: { id, asked: true } });
const noneParked = (): Reply => problem('parked_not_found', 'Nothing is parked under this id.');

const given = <T extends Readonly<Record<string, string | undefined>>>(
  fields: T,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );

const processReport = ({ id, at, silent, roles: has, host, pid, startedAt, ...work }: Presence) => ({
  id,
  state: silent ? 'silent' : 'running',
  roles: has,
  host,
  pid,
  startedAt,
  heartbeatAt: at,
  consumers: work.consumers.map(({ name, state, inFlight, breaker, why }) => ({
    name,
    state,
    inFlight,
    breaker,
    ...(why === undefined ? {} : { why }),
  })),
  views: work.views.map(({ name, state, view }) => ({ name, state, view: view ?? null })),
  forward: work.forward.map(({ category, state }) => ({ category, state })),
});

export const operations: readonly Route[] = [
  route({
    method: 'get',
    path: '/ops/processes',
    tag,
    roles,
    summary: 'The processes of the shop, and what runs in each',
    responses: { 200: { description: 'Roles, heartbeat, work.', schema: items(ProcessReport) } },
    handle: async (_request, { operations: { processes } }) => ({
      status: 200,
      body: { items: (await processes()).map(processReport) },
    }),
  }),
  route({
    method: 'get',
    path: '/ops/forward',
    tag,
    roles,
    summary: 'How far the log is filled from the event store',
    description: 'Empty where consumers follow the store itself.',
    responses: { 200: { description: 'Each category.', schema: items(ForwardReport) } },
    handle: async (_request, { operations: { forward } }) => ({
      status: 200,
      body: { items: await forward() },
    }),
  }),
  route({
    method: 'get',
    path: '/ops/parked',
    tag,
    roles,
    summary: 'Events that a consumer could not handle (dead letters)',
    query: z.strictObject({ ...filter, cursor: Cursor, limit: Limit }),
    responses: { 200: { description: 'A page.', schema: page(ParkedItem) } },
    problems: ['invalid_cursor'],
    async handle({ query: { cursor, limit, ...asked } }, { operations: { parked } }) {
      const found = await parked.find(
        given(asked),
        cursor === undefined ? { limit } : { after: cursor, limit },
      );
      return { status: 200, body: { items: found.items, nextCursor: found.next } };
    },
  }),
  route({
    method: 'post',
    path: '/ops/parked/retry',
    tag,
    roles,
    summary: 'Try all that match again',
    description: 'By `consumer`, `stream` or `type` (of the event), or `{"all": true}`.',
    body: z
      .strictObject({ ...filter, all: z.literal(true).optional() })
      .refine(
        ({ all, ...by }) => (all === true) !== Object.values(by).some((value) => value !== undefined),
        'give a filter, or "all": true, and not both',
      ),
    responses: {
      200: {
        description: 'How many are tried again, and how many will be once their consumer runs.',
        schema: z.strictObject({ retried: z.int().min(0), asked: z.int().min(0) }),
      },
    },
    async handle({ body: { all: _all, ...asked }, principal: { id, role } }, { operations: { parked } }) {
      const carried = await parked.retryMatching(given(asked), { id, role });
      return { status: 200, body: { retried: carried.done, asked: carried.asked } };
    },
  }),
  route({
    method: 'get',
    path: '/ops/parked/{id}',
    tag,
    roles,
    summary: 'One of them',
    params: ParkedParams,
    responses: { 200: { description: 'The event, its error and what waits behind it.', schema: ParkedItem } },
    problems: ['parked_not_found'],
    async handle({ params: { id } }, { operations: { parked } }) {
      const item = await parked.get(id);
      return item ? { status: 200, body: item } : noneParked();
    },
  }),
  route({
    method: 'post',
    path: '/ops/parked/{id}/retry',
    tag,
    roles,
    summary: 'Try it again',
    params: ParkedParams,
    body: z.strictObject({}),
    bodyKind: 'optional',
    responses: {
      200: {
        description: 'It is due at once.',
        schema: z.strictObject({ id: z.string(), retried: z.literal(true) }),
      },
      202: { description: 'It is due once its consumer runs.', schema: Asked },
    },
    problems: ['parked_not_found'],
    async handle({ params: { id }, principal }, { operations: { parked } }) {
      const carried = await parked.retry(id, { id: principal.id, role: principal.role });
      if (!carried) return noneParked();
      return carried.done > 0 ? { status: 200, body: { id, retried: true } } : askedFor(id);
    },
  }),
  route({
    method: 'post',
    path: '/ops/parked/{id}/discard',
    tag,
    roles,
    summary: 'Drop it for good',
    description:
      "The consumer never handles this event; the order's later ones go on. Audited with the reason.",
    params: ParkedParams,
    body: z.strictObject({ reason: Reason }),
    responses: {
      200: {
        description: 'Discarded.',
        schema: z.strictObject({ id: z.string(), discarded: z.literal(true) }),
      },
      202: { description: 'It is discarded once its consumer runs.', schema: Asked },
    },
    problems: ['parked_not_found'],
    async handle({ params: { id }, body: { reason }, principal }, { operations: { parked } }) {
      const by = { actor: { id: principal.id, role: principal.role }, reason };
      const carried = await parked.discard(id, by);
      if (!carried) return noneParked();
      return carried.done > 0 ? { status: 200, body: { id, discarded: true } } : askedFor(id);
    },
  }),
];

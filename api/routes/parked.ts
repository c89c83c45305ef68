/** What consumers could not handle, and waits for an operator. */
import { z } from 'zod';
import type { ParkedFilter } from '../../shop/parked.ts';
import { Count, COUNTED, COUNT_FIRST, counted, countedBefore, onceCounted } from '../counted.ts';
import { problem } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route, type Route } from '../route.ts';
import { Cursor, Limit, page, ParkedParams, Reason } from '../schemas/common.ts';
import { ParkedItem } from '../schemas/operations.ts';

const tag = 'operations';
const roles = ['operator'] as const;
const Name = z.string().min(1).max(300).optional();
const filter = { consumer: Name, stream: Name, type: Name };
const wish = { ...filter, all: z.literal(true).optional() };
type Filter = Readonly<Partial<Record<keyof typeof filter, string | undefined>>>;
const BY_FILTER = 'By `consumer`, `stream` or `type` (of the event), or `{"all": true}`.';
const oneFilter = [
  ({ all, consumer, stream, type }: Filter & Readonly<{ all?: true | undefined }>): boolean =>
    (all === true) !== [consumer, stream, type].some((value) => value !== undefined),
  'give a filter, or "all": true, and not both',
] as const;
const filterOf = ({ consumer, stream, type }: Filter): ParkedFilter => ({
  ...(consumer === undefined ? {} : { consumer }),
  ...(stream === undefined ? {} : { stream }),
  ...(type === undefined ? {} : { type }),
});
const Asked = z.strictObject({ id: z.string(), asked: z.literal(true) });
const askedFor = (id: string): Reply => ({ status: 202, body: { id, asked: true } });
const noneParked = (): Reply => problem('parked_not_found', 'Nothing is parked under this id.');

export const parkedEvents: readonly Route[] = [
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
        filterOf(asked),
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
    description: `${BY_FILTER} ${COUNTED}`,
    body: z.strictObject({ ...wish, ...counted }).refine(...oneFilter),
    responses: {
      200: {
        description: `${COUNT_FIRST}, or how many are tried again, and how many will be once their consumer runs.`,
        schema: z.union([Count, z.strictObject({ retried: z.int().min(0), asked: z.int().min(0) })]),
      },
    },
    problems: ['matches_changed'],
    handle: ({ body, principal: { id, role } }, { operations: { parked } }) =>
      onceCounted(
        body,
        () => parked.count(filterOf(body)),
        async () => {
          const { done, asked } = await parked.retryMatching(filterOf(body), { id, role });
          return { status: 200, body: { retried: done, asked } };
        },
      ),
  }),
  route({
    method: 'post',
    path: '/ops/parked/discard',
    tag,
    roles,
    summary: 'Drop all that match for good',
    description: `${BY_FILTER} ${COUNTED} Their consumers never handle these events; each is audited with the reason.`,
    body: z
      .strictObject({ ...wish, ...counted, reason: Reason })
      .refine(...oneFilter)
      .refine(...countedBefore),
    responses: {
      200: {
        description: `${COUNT_FIRST}, or how many are dropped, and how many will be once their consumer runs.`,
        schema: z.union([Count, z.strictObject({ discarded: z.int().min(0), asked: z.int().min(0) })]),
      },
    },
    problems: ['matches_changed'],
    handle: ({ body, principal: { id, role } }, { operations: { parked } }) =>
      onceCounted(
        body,
        () => parked.count(filterOf(body)),
        async () => {
          const by = { actor: { id, role }, reason: body.reason };
          const { done, asked } = await parked.discardMatching(filterOf(body), by);
          return { status: 200, body: { discarded: done, asked } };
        },
      ),
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

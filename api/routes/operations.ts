/** What operators watch: processes, and how far the log is filled. */
import { z } from 'zod';
import type { Presence } from '../../runtime/presence.ts';
import { route, type Route } from '../route.ts';
import { ForwardReport, ProcessReport } from '../schemas/operations.ts';

const tag = 'operations';
const roles = ['operator'] as const;
const items = <T extends z.ZodType>(item: T) => z.strictObject({ items: z.array(item) });
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
];

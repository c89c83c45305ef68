import { z } from 'zod';
import { problem } from '../problems.ts';
import { openRoute, type Route } from '../route.ts';

const tag = 'health';

export const health: readonly Route[] = [
  openRoute({
    method: 'get',
    path: '/healthz',
    tag,
    summary: 'The process is up',
    responses: { 200: { description: 'It is.', schema: z.strictObject({ status: z.literal('ok') }) } },
    handle: () => ({ status: 200, body: { status: 'ok' } }),
  }),
  openRoute({
    method: 'get',
    path: '/readyz',
    tag,
    summary: 'Requests can be served',
    description: 'Does not wait for views.',
    responses: { 200: { description: 'They can.', schema: z.strictObject({ status: z.literal('ready') }) } },
    problems: ['not_ready'],
    async handle(_request, { ready }) {
      const state = await ready();
      return state.ok ? { status: 200, body: { status: 'ready' } } : problem('not_ready', state.why);
    },
  }),
];

/** Replays of consumers, as operators watch and stop them. */
import { z } from 'zod';
import { problem } from '../problems.ts';
import { route, type Route } from '../route.ts';
import { Reason } from '../schemas/common.ts';
import { ReplayReport } from '../schemas/operations.ts';
import type { ReplayReport as Report } from '../../runtime/deliver/replay.ts';

const tag = 'operations';
const roles = ['operator'] as const;

const shown = ({ by, partitions: _partitions, stream, types, after, ...report }: Report) => ({
  ...report,
  after: after ?? null,
  stream: stream ?? null,
  types: types ?? null,
  by: by.actor,
  reason: by.reason,
});

export const replays: readonly Route[] = [
  route({
    method: 'get',
    path: '/ops/replays',
    tag,
    roles,
    summary: 'What consumers are handed again, and how far that is',
    description:
      'The newest first, 100 at most; those that ended are kept for 30 days. One is started by `npm run replay -- --consumer NAME`.',
    responses: {
      200: { description: 'Each replay.', schema: z.strictObject({ items: z.array(ReplayReport) }) },
    },
    handle: async (_request, { operations }) => ({
      status: 200,
      body: { items: (await operations.replays.list()).map(shown) },
    }),
  }),
  route({
    method: 'post',
    path: '/ops/replays/{id}/stop',
    tag,
    roles,
    summary: 'Stop one',
    description:
      'Within a second nothing more is handed over; what was stays so. One that has ended stays as it is. Audited with the reason.',
    params: z.strictObject({ id: z.string().max(100) }),
    body: z.strictObject({ reason: Reason }),
    responses: { 200: { description: 'How far it came.', schema: ReplayReport } },
    problems: ['replay_not_found'],
    async handle({ params: { id }, body: { reason }, principal }, { operations }) {
      const by = { actor: { id: principal.id, role: principal.role }, reason };
      const report = await operations.replays.stop(id, by);
      return report
        ? { status: 200, body: shown(report) }
        : problem('replay_not_found', 'There is no replay with this id; GET /ops/replays lists them.');
    },
  }),
];

/** Views and their builds, as operators watch and steer them. */
import { z } from 'zod';
import { BuildRefused } from '../../runtime/view/rebuild.ts';
import type { By } from '../../runtime/deliver/parked.ts';
import type { Operations } from '../../shop/operations.ts';
import type { ViewOperations } from '../../shop/view-builds.ts';
import type { Principal } from '../auth.ts';
import { problem, type ProblemCode } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route, type Responses, type Route } from '../route.ts';
import { Reason } from '../schemas/common.ts';
import { BuildReport, SwitchedView, ViewReport } from '../schemas/operations.ts';

const tag = 'operations';
const roles = ['operator'] as const;
const params = z.strictObject({ name: z.string().max(100) });
const body = z.strictObject({ reason: Reason.optional() });
const ASKED = 'asked for by an operator';

const byOf = ({ id, role }: Principal, reason = ASKED): By => ({ actor: { id, role }, reason });
const noView = (name: string): Reply =>
  problem('projection_not_found', `No view is called ${name}; GET /ops/projections lists them.`);
/** What `work` comes to, or why its builds do not allow it. */
const orRefused = async (work: () => Promise<Reply>): Promise<Reply> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BuildRefused) return problem(error.code, error.message);
    throw error;
  }
};

type Act = 'activate' | 'rollback' | 'stop' | 'drop';
type Refusal = BuildRefused['code'];

/** `answer`: what `how` came to, for the view called `name`. */
const steering = <T>(
  act: Act,
  about: Readonly<{
    summary: string;
    description: string;
    problems: readonly ProblemCode[];
    responses: Responses;
  }>,
  how: (views: ViewOperations) => (name: string, by: By) => Promise<T | undefined>,
  answer: (name: string, done: T) => Reply,
): Route =>
  route({
    method: 'post',
    path: `/ops/projections/{name}/${act}`,
    tag,
    roles,
    ...about,
    params,
    body,
    bodyKind: 'optional',
    problems: ['projection_not_found', ...about.problems],
    handle: ({ params: { name }, body: given, principal }, { operations }) =>
      orRefused(async () => {
        const done = await how(operations.views)(name, byOf(principal, given?.reason));
        return done === undefined ? noView(name) : answer(name, done);
      }),
  });

const switching = (
  act: Act,
  summary: string,
  problems: readonly Refusal[],
  how: (views: ViewOperations) => ViewOperations['activate'],
): Route =>
  steering(
    act,
    {
      summary,
      description: 'It is first brought to where the live one is. Audited.',
      problems: ['build_running', ...problems],
      responses: {
        200: { description: 'What readers see now, and what they saw before.', schema: SwitchedView },
        202: {
          description:
            'It takes longer, or no process runs that could: `GET /ops/projections` shows when it is done.',
          schema: z.strictObject({ name: z.string(), asked: z.literal(true) }),
        },
      },
    },
    how,
    (name, switched) =>
      switched === 'asked' ? { status: 202, body: { name, asked: true } } : { status: 200, body: switched },
  );

const ending = (
  act: Act,
  summary: string,
  description: string,
  problems: readonly Refusal[],
  how: (views: ViewOperations) => ViewOperations['stop'],
): Route =>
  steering(
    act,
    {
      summary,
      description,
      problems,
      responses: { 200: { description: 'How the view is now.', schema: ViewReport } },
    },
    how,
    (_name, report) => ({ status: 200, body: report }),
  );

export const projections: readonly Route[] = [
  route({
    method: 'get',
    path: '/ops/projections',
    tag,
    roles,
    summary: 'How far each view is, and what is being built',
    responses: {
      200: { description: 'Each view.', schema: z.strictObject({ items: z.array(ViewReport) }) },
    },
    handle: async (_request, { operations }: Readonly<{ operations: Operations }>) => ({
      status: 200,
      body: { items: await operations.views.list() },
    }),
  }),
  route({
    method: 'post',
    path: '/ops/projections/{name}/rebuild',
    tag,
    roles,
    summary: 'Fill the next build of a view beside the live one',
    description:
      "Answers at once; `GET /ops/projections` shows share, rate and time left. A process that keeps views up does it, and goes on with what another one that died had begun. It takes no more of that process's time than `REBUILD_SHARE`. `compare`: then both are gone through row by row, and what differs is named.",
    params,
    body: body.extend({ compare: z.boolean().optional() }),
    bodyKind: 'optional',
    responses: { 202: { description: 'It is asked for.', schema: BuildReport } },
    problems: ['projection_not_found', 'build_running'],
    handle: ({ params: { name }, body: given, principal }, { operations: { views } }) =>
      orRefused(async () => {
        const options = given?.compare === undefined ? {} : { compare: given.compare };
        const build = await views.rebuild(name, options, byOf(principal, given?.reason));
        return build ? { status: 202, body: build } : noView(name);
      }),
  }),
  switching(
    'activate',
    'Switch all readers to the build at once',
    ['no_build', 'build_unfinished'],
    ({ activate }) => activate,
  ),
  switching(
    'rollback',
    'Go back to the build before',
    ['no_previous_build', 'version_gone', 'build_unfinished'],
    ({ rollBack }) => rollBack,
  ),
  ending(
    'stop',
    'End what is being done about its builds',
    'A build that was begun stays, and `/rebuild` goes on with it.',
    [],
    ({ stop }) => stop,
  ),
  ending(
    'drop',
    'Throw the build away that readers do not see',
    'Neither the live one nor the one before. Audited.',
    ['no_build'],
    ({ drop }) => drop,
  ),
];

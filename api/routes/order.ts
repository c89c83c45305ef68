/** One order: as it is, once a view has come so far, and as it was. */
import { z } from 'zod';
import type { EventEnvelope } from '../../domain/kernel.ts';
import { orderEvent, orderStream } from '../../domain/order/events.ts';
import { evolve } from '../../domain/order/evolve.ts';
import { initialOrder, isPlaced } from '../../domain/order/state.ts';
import { isRetriable } from '../../runtime/retry.ts';
import { within } from '../../runtime/wake.ts';
import type { ApiDeps } from '../deps.ts';
import { barred, documentOf, etagOf, findOrder, isOrderId, noSuchOrder } from '../order-documents.ts';
import { problem } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route, type ApiRequest } from '../route.ts';
import { OrderParams, TimeQuery, wholeNumber } from '../schemas/common.ts';
import { StatusDocument } from '../schemas/order.ts';

const WAIT_SECONDS = 2;
const MOST_WAIT_SECONDS = 30;
/** Waits at once; past them there is 503. A page has one, or a few in its tabs. */
const WAITS_PER_CUSTOMER = 50;
const WAITS_PER_CONNECTION = 20;
const MOST_REVISION = 1_000_000_000;
/** How long the view is waited for before the order's own stream is read. */
const VIEW_MS = 500;

/** `Prefer: wait=N` (RFC 7240), in ms. */
const waitMs = (prefer: string | string[] | undefined): number => {
  const seconds = /(?:^|[,;\s])wait=(\d{1,9})(?=$|[,;\s])/i.exec(String(prefer ?? ''))?.[1];
  return Math.min(seconds === undefined ? WAIT_SECONDS : Number(seconds), MOST_WAIT_SECONDS) * 1000;
};

const Query = z
  .strictObject({
    atLeast: wholeNumber(0, MOST_REVISION).optional(),
    asOf: TimeQuery.optional(),
    revision: wholeNumber(0, MOST_REVISION).optional(),
  })
  .refine(
    ({ atLeast, asOf, revision }) =>
      [atLeast, asOf, revision].filter((given) => given !== undefined).length <= 1,
    'give one of atLeast, asOf and revision',
  );
type Request = ApiRequest<{ id: string }, z.infer<typeof Query>>;

const shown = (request: Request, revision: number, document: object): Reply => {
  const ETag = etagOf(revision);
  const headers = { ETag, 'Cache-Control': 'private, no-cache' };
  const known = (request.headers['if-none-match'] ?? '')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''));
  return known.includes(ETag) ? { status: 304, headers } : { status: 200, headers, body: document };
};

/** Folds the stream as far as `until` lets it; times in a stream never go back. */
const past = async (request: Request, { store, vault }: ApiDeps): Promise<Reply> => {
  const {
    params: { id },
    principal,
    query: { asOf, revision },
  } = request;
  let state = initialOrder;
  let last: EventEnvelope | undefined;
  for await (const event of store.readStream(
    orderStream(id),
    revision === undefined ? {} : { limit: revision + 1 },
  )) {
    if (asOf !== undefined && new Date(event.meta.at).toISOString() > asOf) break;
    state = evolve(state, orderEvent(event));
    last = event;
  }
  if (!last || !isPlaced(state)) return noSuchOrder();
  if (revision !== undefined && state.revision < revision)
    return problem('revision_not_found', `The order is at revision ${state.revision}.`);
  return (
    barred(principal, state) ??
    shown(request, state.revision, await documentOf(vault, state, last.position, 'stream'))
  );
};

export const getOrder = route({
  method: 'get',
  path: '/orders/{id}',
  tag: 'orders',
  roles: ['customer', 'operator', 'auditor'],
  summary: "An order's status document",
  description:
    "With `atLeast`, waits for the view to reach that revision, at most `Prefer: wait=N` seconds (2 unless sent, 30 at most), else reads the order's own stream (`source` says which). `asOf` and `revision` show the order as it was.",
  params: OrderParams,
  query: Query,
  headers: {
    Prefer: 'wait=N: seconds to wait for `atLeast`.',
    'If-None-Match': 'ETags that are known already.',
  },
  responses: {
    200: { description: 'The order.', schema: StatusDocument, headers: { ETag: 'The revision.' } },
    304: { description: 'It has not changed.' },
  },
  problems: ['not_your_order', 'order_not_found', 'revision_not_found', 'too_many_waits'],
  async handle(request, deps) {
    const {
      params: { id },
      principal,
      query: { atLeast, asOf, revision },
      headers,
    } = request;
    if (!isOrderId(id)) return noSuchOrder();
    if (asOf !== undefined || revision !== undefined) return past(request, deps);
    const { orderStatus, vault, waits, clock } = deps;
    const enough = (row: Readonly<{ state: { revision: number } }>): boolean =>
      row.state.revision >= (atLeast ?? 0);
    // While the view is being built, or away, each order is folded from its own stream.
    const looked = await within(
      clock,
      VIEW_MS,
      orderStatus.get(id).then(
        (found) => ({ found }),
        (error: unknown) => {
          if (isRetriable(error)) return undefined;
          throw error;
        },
      ),
    );
    let row = looked?.found;
    if (!row || !enough(row)) {
      // Nobody waits for an order that is not there or not theirs.
      const order = await findOrder(deps, principal, id);
      if ('reply' in order) return order.reply;
      if (atLeast !== undefined && looked) {
        const seat = waits.take(
          [principal.id, WAITS_PER_CUSTOMER],
          [request.connection, WAITS_PER_CONNECTION],
        );
        if (!seat)
          return problem(
            'too_many_waits',
            'Too many requests wait for an order already; ask again in a moment.',
          );
        row = await orderStatus
          .waitFor(id, enough, waitMs(headers.prefer), request.signal)
          .finally(seat.leave);
      }
    }
    if (row) {
      const { state, position } = row;
      return (
        barred(principal, state) ??
        shown(request, state.revision, await documentOf(vault, state, position, 'view'))
      );
    }
    const order = await findOrder(deps, principal, id);
    if ('reply' in order) return order.reply;
    const { state, position } = order.found;
    if (position === undefined) throw new Error(`${orderStream(id)} was folded without a position`);
    return shown(request, state.revision, await documentOf(vault, state, position, 'stream'));
  },
});

/**
 * Orders as they move, as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 */
import { z } from 'zod';
import type { Position } from '../../domain/kernel.ts';
import type { LiveItem } from '../../shop/live.ts';
import type { Seat } from '../../shop/seats.ts';
import { documentOf, findOrder, isOrderId, noSuchOrder, summaryOf } from '../order-documents.ts';
import { problem } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route, type Route } from '../route.ts';
import { OrderParams } from '../schemas/common.ts';

const RETRY_MS = 2_000;
const POSITION = /^[\w.:/-]{1,100}$/;
const REVISION = /^\d{1,15}$/;

const frame = (id: string | number, data: unknown): string =>
  `event: status\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
const full = (): Reply =>
  problem(
    'too_many_streams',
    'There are as many live streams as there may be; close one, or ask again in a while.',
    { headers: { 'Retry-After': '5' } },
  );
const badId = (): Reply => problem('bad_request', 'Last-Event-ID is none that this stream has sent.');

type Row = Exclude<LiveItem, 'quiet'>;
/** A stream of frames that gives its seat back however it ends. */
const streamed = (
  seat: Seat,
  items: (signal: AbortSignal) => AsyncIterable<LiveItem>,
  write: (row: Row) => string | Promise<string>,
): Reply => ({
  status: 200,
  headers: {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  },
  chunks(signal) {
    if (signal.aborted) seat.leave();
    else signal.addEventListener('abort', () => seat.leave(), { once: true });
    return (async function* () {
      yield `retry: ${RETRY_MS}\n\n`;
      for await (const item of items(signal)) yield item === 'quiet' ? ': still here\n\n' : await write(item);
    })();
  },
});
/** The header, '' read as missing: that is what a client sends that has none. */
const lastEventId = (headers: Readonly<Record<string, unknown>>): string | undefined => {
  const given = headers['last-event-id'];
  return typeof given === 'string' && given !== '' ? given : undefined;
};

const roles = ['customer', 'operator', 'auditor'] as const;
const description =
  'Server-sent events (`text/event-stream`): `event: status`. A reconnect with `Last-Event-ID` goes on behind it without a gap. A comment every 15 s shows that it is alive; it ends after half an hour, to be opened again. States that follow one another quickly may be left out, the latest never is.';
const headers = { 'Last-Event-ID': 'The last `id` that was received.' };

const orderLive = route({
  method: 'get',
  path: '/orders/{id}/live',
  tag: 'live',
  roles,
  summary: 'One order as it moves',
  description: `${description} \`id\` is the revision, \`data\` the status document; the first comes at once unless it is known.`,
  params: OrderParams,
  headers,
  responses: { 200: { description: 'A stream of status documents.', contentType: 'text/event-stream' } },
  problems: ['not_your_order', 'order_not_found', 'bad_request', 'too_many_streams'],
  async handle({ params: { id }, principal, headers: sent }, deps) {
    const { live, vault } = deps;
    const last = lastEventId(sent);
    if (last !== undefined && !REVISION.test(last)) return badId();
    if (!isOrderId(id)) return noSuchOrder();
    const order = await findOrder(deps, principal, id);
    if ('reply' in order) return order.reply;
    const seat = live.seat(principal.id);
    if (!seat) return full();
    const after = last === undefined ? -1 : Number(last);
    return streamed(
      seat,
      (signal) => live.order(id, after, signal),
      async ({ state, position }) => frame(state.revision, await documentOf(vault, state, position, 'view')),
    );
  },
});

const allLive = route({
  method: 'get',
  path: '/live',
  tag: 'live',
  roles,
  summary: 'Orders as they move',
  description: `${description} Customers hear of their own orders, operators and auditors of all. \`id\` is the position, \`data\` the order as lists show it, without personal data. Begins with what changes from now on.`,
  query: z.strictObject({}),
  headers,
  responses: { 200: { description: 'A stream of orders.', contentType: 'text/event-stream' } },
  problems: ['bad_request', 'too_many_streams'],
  handle({ principal, headers: sent }, { live }) {
    const last = lastEventId(sent);
    if (last !== undefined && !POSITION.test(last)) return badId();
    const seat = live.seat(principal.id);
    if (!seat) return full();
    const customer = principal.role === 'customer' ? principal.id : undefined;
    return streamed(
      seat,
      (signal) => live.orders(customer, last as Position | undefined, signal),
      ({ state, position }) => frame(position, summaryOf(state, position, 'view')),
    );
  },
});

export const live: readonly Route[] = [orderLive, allLive];

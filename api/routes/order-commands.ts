/** What can be asked of an order that is placed: one declaration each, one way to carry them out. */
import { z } from 'zod';
import type { Message, Refusal, Aggregate } from '../../domain/kernel.ts';
import type { OrderCommand, OrderRefusal } from '../../domain/order/commands.ts';
import { orderStream } from '../../domain/order/events.ts';
import type { OrderState } from '../../domain/order/state.ts';
import { remembers } from '../../domain/remembered.ts';
import { statusOf } from '../../domain/order/status.ts';
import { orders } from '../../domain/order/order.ts';
import { derivedUuid } from '../../runtime/command/identity.ts';
import type { TokenRole } from '../auth.ts';
import type { ApiDeps } from '../deps.ts';
import { etagOf, findOrder } from '../order-documents.ts';
import { problem, refused, type ProblemCode } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { route, type Route } from '../route.ts';
import { Address, OrderParams, PositiveMoney, Reason, text } from '../schemas/common.ts';
import { CommandAnswer, LineQuantities } from '../schemas/order.ts';

type OrderRefusalHere = OrderRefusal | Refusal<'revision_mismatch'>;

/**
 * Refuses unless the order is at `expected` at the moment of deciding, except for a command that was carried
 * out before.
 */
const ifAt = (
  expected: number,
): Aggregate<OrderCommand, Message & { type: never }, OrderState, OrderRefusalHere> => {
  const { decider } = orders;
  const decide: typeof decider.decide = (command, state) => {
    if (state.revision === expected || remembers(state.commands, command.meta.commandId))
      return decider.decide(command, state);
    return {
      ok: false,
      reason: {
        code: 'revision_mismatch' as never,
        sentence: `The order is at revision ${state.revision}, not ${expected}; look at it again.`,
      },
    };
  };
  return { ...orders, decider: { ...decider, decide } } as never;
};

/** The revision that `If-Match` wants; undefined when any will do. */
const expectedRevision = (header: string | undefined): number | undefined | Reply => {
  if (header === undefined || header.trim() === '*') return undefined;
  const revision = /^"(\d{1,15})"$/.exec(header.trim())?.[1];
  return revision === undefined
    ? problem('invalid_if_match', 'If-Match must be an ETag of the order: its revision in double quotes.')
    : Number(revision);
};

type Asked = Readonly<{ state: OrderState; commandId: string; deps: ApiDeps }>;
type Spec<B> = Readonly<{
  name: string;
  summary: string;
  description?: string;
  roles: readonly TokenRole[];
  body: z.ZodType<B>;
  problems: readonly ProblemCode[];
  command(body: B, asked: Asked): OrderCommand | Promise<OrderCommand>;
}>;

const commandRoute = <B>({ name, summary, description, roles, body, problems, command }: Spec<B>): Route =>
  route<{ id: string }, unknown, B>({
    method: 'post',
    path: `/orders/{id}/${name}`,
    tag: 'order commands',
    roles,
    idempotent: true,
    summary,
    ...(description === undefined ? {} : { description }),
    params: OrderParams,
    body,
    headers: { 'If-Match': 'The revision that the order must be at, in quotes.' },
    responses: {
      200: {
        description: 'Done, now or by an earlier request with this key.',
        schema: CommandAnswer,
        headers: { ETag: 'The new revision.' },
      },
    },
    problems: ['not_your_order', 'order_not_found', 'invalid_if_match', 'revision_mismatch', ...problems],
    async handle({ params: { id }, body: asked, principal, idempotencyKey, traceparent, headers }, deps) {
      const expected = expectedRevision(headers['if-match']);
      if (typeof expected === 'object') return expected;
      const order = await findOrder(deps, principal, id);
      if ('reply' in order) return order.reply;
      const stream = orderStream(id);
      const commandId = derivedUuid('api', stream, principal.id, name, idempotencyKey);
      const aggregate = expected === undefined ? orders : (ifAt(expected) as unknown as typeof orders);
      const context = {
        commandId,
        actor: { id: principal.id, role: principal.role },
        correlationId: id,
        traceparent,
      };
      const done = await deps.executor.execute(
        aggregate,
        stream,
        await command(asked, { state: order.found.state, commandId, deps }),
        context,
      );
      if (!done.ok) return refused(done.reason);
      const { state, revision, position } = done;
      return {
        status: 200,
        headers: { ETag: etagOf(revision) },
        body: { orderId: id, status: statusOf(state), revision, position },
      };
    },
  });

const OWN_OR_OPERATOR: readonly TokenRole[] = ['customer', 'operator'];
const HOLD = 'operator';
const withReason = z.strictObject({ reason: Reason });
const withLines = z.strictObject({ lines: LineQuantities, reason: Reason });

export const orderCommands: readonly Route[] = [
  commandRoute({
    name: 'cancel',
    summary: 'Cancel what has not left',
    roles: OWN_OR_OPERATOR,
    body: withReason,
    problems: ['already_shipped'],
    description: 'Once the warehouse is packing this is a request, which it answers.',
    command: ({ reason }) => ({ type: 'CancelOrder', data: { reason } }),
  }),
  commandRoute({
    name: 'cancel-lines',
    summary: 'Cancel units of lines',
    roles: OWN_OR_OPERATOR,
    body: withLines,
    problems: ['unknown_line', 'not_cancellable', 'at_warehouse'],
    command: ({ lines, reason }) => ({ type: 'CancelLines', data: { lines, reason } }),
  }),
  commandRoute({
    name: 'address',
    summary: 'Send it elsewhere',
    roles: OWN_OR_OPERATOR,
    body: z.strictObject({ shippingAddress: Address }),
    problems: ['already_cancelled', 'at_warehouse', 'too_many_address_changes'],
    async command({ shippingAddress }, { state, deps }) {
      // Under the key that the order's other personal data is under, so that one erasure takes all of it.
      const subject = state.shippingAddress?.subject ?? state.contact?.subject ?? state.customerId;
      return {
        type: 'ChangeShippingAddress',
        data: {
          shippingAddress: await deps.vault.seal(subject, shippingAddress),
          country: shippingAddress.country,
        },
      };
    },
  }),
  commandRoute({
    name: 'returns',
    summary: 'Announce goods that come back',
    roles: OWN_OR_OPERATOR,
    body: withLines,
    problems: ['unknown_line', 'not_returnable', 'too_many_returns'],
    description: 'They are refunded when they arrive.',
    command: ({ lines, reason }, { commandId }) => ({
      type: 'RequestReturn',
      data: { returnId: derivedUuid('return', commandId), lines, reason },
    }),
  }),
  commandRoute({
    name: 'payment',
    summary: 'Try the payment again',
    roles: ['customer'],
    body: z.strictObject({ token: text(200) }),
    problems: ['payment_in_progress', 'already_paid', 'already_cancelled', 'too_many_payments'],
    description: 'With another card, or after an action that the bank asked for.',
    command: ({ token }) => ({ type: 'RetryPayment', data: { token } }),
  }),
  commandRoute({
    name: 'hold',
    summary: 'Hold the order',
    roles: ['operator'],
    body: withReason,
    problems: ['already_held', 'already_shipped', 'already_cancelled'],
    description: 'Nothing more is confirmed or sent, and the order does not expire, until it is released.',
    command: ({ reason }) => ({ type: 'HoldOrder', data: { hold: HOLD, reason } }),
  }),
  commandRoute({
    name: 'release',
    summary: 'Let a held order go on',
    roles: ['operator'],
    body: withReason,
    problems: ['not_held'],
    command: ({ reason }) => ({ type: 'ReleaseOrder', data: { hold: HOLD, reason } }),
  }),
  commandRoute({
    name: 'refunds',
    summary: 'Refund money',
    roles: ['operator'],
    body: z.strictObject({ amount: PositiveMoney, reason: Reason }),
    problems: ['exceeds_captured', 'currency_mismatch'],
    description: 'Goodwill, with nothing sent back: at most what was captured and not yet given back.',
    command: ({ amount: { amountMinor, currency }, reason }, { commandId }) => ({
      type: 'RequestRefund',
      data: { refundId: derivedUuid('refund', commandId), amountMinor, currency, reason },
    }),
  }),
];

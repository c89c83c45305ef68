/** An order told event by event, for people, and what it then is. */
import type { EventEnvelope } from '../../domain/kernel.ts';
import { orderEvent, orderStream } from '../../domain/order/events.ts';
import { orderNumber } from '../../domain/order/number.ts';
import { evolve } from '../../domain/order/evolve.ts';
import { initialOrder, isPlaced, type OrderState } from '../../domain/order/state.ts';
import { statusOf, stepsOf } from '../../domain/order/status.ts';
import { jsonDifferences } from '../../runtime/view/json-difference.ts';
import { wholeNumber, WrongUse } from '../cli/command-line.ts';
import type { Given } from './given.ts';
import { timeOf } from './range.ts';

const CHANGES = 40;
/** Change with every event and say nothing. */
const SILENT = /^\/(revision|updatedAt|commands)(\/|$)/;
const CIPHERTEXT = /^\/(contact|shippingAddress)(\/(key|box))?$/;

/** Why it happened: an event of this order that it follows from, else the command; in the words of who did it. */
const whyOf = ({ data, meta }: EventEnvelope, named: ReadonlyMap<string, string>): string => {
  const because = named.get(meta.causationId);
  const { reason } = data as { reason?: unknown };
  return [
    because === undefined ? `by command ${meta.commandId}` : `since ${because}`,
    ...(typeof reason === 'string' ? [`"${reason}"`] : []),
    ...(meta.traceparent === undefined ? [] : [`trace ${meta.traceparent.split('-')[1]}`]),
  ].join(', ');
};
const toldIn = (state: OrderState): ReadonlyMap<string, string> =>
  new Map(isPlaced(state) ? stepsOf(state).map(({ step, sentence }) => [step, sentence]) : []);

/** One event: who and why, what it changed, and what the customer was told before and is told after it. */
const linesOf = (
  event: EventEnvelope,
  before: OrderState,
  after: OrderState,
  named: ReadonlyMap<string, string>,
): readonly string[] => {
  const { actor, at, origin } = event.meta;
  const lines = [
    `@${event.revision}  ${at}  ${event.type}  by ${actor.id} (${actor.role})${origin === 'import' ? ', imported' : ''}`,
    `    why: ${whyOf(event, named)}`,
  ];
  const status = [isPlaced(before) ? statusOf(before) : 'nothing', statusOf(after)];
  if (status[0] !== status[1]) lines.push(`    status: ${status[0]} → ${status[1]}`);
  for (const change of jsonDifferences(before, after, CHANGES).filter(({ path }) => !SILENT.test(path)))
    lines.push(
      `    ${change.path}: ${CIPHERTEXT.test(change.path) ? '[sealed]' : `${change.before ?? 'nothing'} → ${change.after ?? 'nothing'}`}`,
    );
  const was = toldIn(before);
  for (const [step, sentence] of toldIn(after))
    if (was.get(step) !== sentence)
      lines.push(`    told of ${step}: ${was.has(step) ? `"${was.get(step)}" → ` : ''}"${sentence}"`);
  return lines;
};

export const tellOrder = async (
  { parts: { store }, print, json }: Given,
  options: Readonly<{ order: string; at?: string | undefined; revision?: string | undefined }>,
): Promise<number> => {
  const { order: orderId } = options;
  if (options.at !== undefined && options.revision !== undefined)
    throw new WrongUse('Give --at or --revision, not both.');
  const until = options.at === undefined ? undefined : timeOf('at', options.at);
  const revision = wholeNumber('revision', options.revision, 0);
  let state = initialOrder;
  let events = 0;
  const named = new Map<string, string>();
  for await (const stored of store.readStream(
    orderStream(orderId),
    revision === undefined ? {} : { limit: revision + 1 },
  )) {
    if (until !== undefined && new Date(stored.meta.at).toISOString() > until) break;
    const before = state;
    const event = orderEvent(stored);
    state = evolve(before, event);
    events += 1;
    for (const line of linesOf(event, before, state, named)) print(line);
    named.set(event.id, `@${event.revision} ${event.type}`);
  }
  if (!isPlaced(state))
    throw new WrongUse(`There is no order ${orderId}${until === undefined ? '' : ` at ${until}`}.`);
  if (revision !== undefined && state.revision < revision)
    throw new WrongUse(`The order is at revision ${state.revision}; there is no ${revision} yet.`);
  print('');
  print(
    `Order ${orderNumber(state.orderId)} of customer ${state.customerId}: ${statusOf(state)}, revision ${state.revision}, ${state.totals.totalMinor} minor units ${state.currency}`,
  );
  for (const { step, state: stepState, sentence } of stepsOf(state))
    print(`  ${step.padEnd(9)} ${stepState.padEnd(8)} ${sentence}`);
  if (json)
    print(JSON.stringify({ orderId, status: statusOf(state), revision: state.revision, events, state }));
  return 0;
};

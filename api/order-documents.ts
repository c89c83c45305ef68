/** An order as it is shown: the status document, its summary for lists, and who may see it. */
import type { Position, Sealed } from '../domain/kernel.ts';
import { orderStream } from '../domain/order/events.ts';
import { isPlaced, type OrderState } from '../domain/order/state.ts';
import { describe } from '../domain/order/status.ts';
import type { Vault } from '../ports/vault.ts';
import { orders } from '../domain/order/order.ts';
import type { Loaded } from '../runtime/command/execute.ts';
import type { Principal } from './auth.ts';
import type { ApiDeps } from './deps.ts';
import { problem } from './problems.ts';
import type { Reply } from './reply.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const noSuchOrder = (): Reply => problem('order_not_found', 'There is no such order.');

/**
 * Why `principal` may not see or touch the order; undefined when they may. Existence is no secret: ids cannot
 * be guessed.
 */
export const barred = (
  { role, id }: Principal,
  { customerId }: Readonly<{ customerId: string }>,
): Reply | undefined =>
  role === 'customer' && id !== customerId
    ? problem('not_your_order', "This order is another customer's.")
    : undefined;

/** The order folded to its end, if there is one and `principal` may see it. */
export const findOrder = async (
  deps: Pick<ApiDeps, 'executor'>,
  principal: Principal,
  id: string,
): Promise<Readonly<{ found: Loaded<OrderState> }> | Readonly<{ reply: Reply }>> => {
  if (!UUID.test(id)) return { reply: noSuchOrder() };
  const found = await deps.executor.load(orders, orderStream(id));
  if (!isPlaced(found.state)) return { reply: noSuchOrder() };
  const reply = barred(principal, found.state);
  return reply ? { reply } : { found };
};

export const isOrderId = (id: string): boolean => UUID.test(id);
export const etagOf = (revision: number): string => `"${revision}"`;

const opened = (vault: Vault, sealed: Sealed | undefined): Promise<unknown> | null =>
  sealed === undefined ? null : vault.open(sealed);

/** Without personal data. `position`: of the last event folded. */
export const summaryOf = (state: OrderState, position: Position, source: 'view' | 'stream') => ({
  ...describe(state),
  position,
  source,
});

export const documentOf = async (
  vault: Vault,
  state: OrderState,
  position: Position,
  source: 'view' | 'stream',
) => {
  const [shippingAddress, contact] = await Promise.all([
    opened(vault, state.shippingAddress),
    opened(vault, state.contact),
  ]);
  return { ...summaryOf(state, position, source), shippingAddress, contact };
};

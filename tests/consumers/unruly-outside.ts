/**
 * A bank and a warehouse that keep their own books and misbehave as dice have it, while they may: calls that
 * are lost before or after they acted, declines, parcels sent in part, cancellations that come too late.
 */
import * as assert from 'uvu/assert';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { PaymentGateway } from '../../ports/outside/payment-gateway.ts';
import type { Warehouse } from '../../ports/outside/warehouse.ts';
import type { Dice } from '../domain/random.ts';

export type Hold = {
  readonly orderId: string;
  readonly key: string;
  readonly amountMinor: number;
  capturedMinor: number;
  state: 'open' | 'action' | 'ended';
};
/** `open`: units by line that have not left. */
export type Packing = { readonly orderId: string; open: Map<string, number>; state: 'packing' | 'over' };

const EXPIRES_AT = '2040-01-01T00:00:00.000Z';
const LOST = 0.1;
const refused = { outcome: 'failed', code: 'no', sentence: 'No.' } as const;

export const unrulyOutside = (d: Dice) => {
  let faults = true;
  const faulty = (probability: number): boolean => faults && d.chance(probability);
  const holds = new Map<string, Hold>();
  const givenUp = new Set<string>();
  const captures = new Map<string, { captureId: string; amountMinor: number } | 'failed'>();
  const refunds = new Map<string, number | 'failed'>();
  /** What the bank has taken and not given back, by order. */
  const money = new Map<string, number>();
  const shipments = new Map<string, Packing>();
  const earn = (orderId: string, amountMinor: number): void =>
    void money.set(orderId, (money.get(orderId) ?? 0) + amountMinor);

  /** The call may be lost before it acts, or its answer after. */
  const call = async <T>(act: () => T): Promise<T> => {
    const lost = (): void => {
      if (faulty(LOST)) throw new OutsideError('no answer', { retriable: true, outcome: 'unknown' });
    };
    lost();
    const answer = act();
    lost();
    return answer;
  };

  const gateway: PaymentGateway = {
    authorize: ({ key, orderId, amountMinor }) =>
      call(() => {
        const known = holds.get(key);
        if (known) assert.is(known.amountMinor, amountMinor, 'one key, two amounts');
        if (!known && (givenUp.has(key) || faulty(0.3))) {
          givenUp.add(key);
          return { outcome: 'declined', code: 'declined', sentence: 'No.' };
        }
        const state = faulty(0.2) ? 'action' : 'open';
        const hold = known ?? { orderId, key, amountMinor, capturedMinor: 0, state };
        holds.set(key, hold);
        return hold.state === 'action'
          ? { outcome: 'action_required', authorizationId: key, url: 'u' }
          : { outcome: 'authorized', authorizationId: key, amountMinor, expiresAt: EXPIRES_AT };
      }),
    abandon: ({ key }) =>
      call(() => {
        const hold = holds.get(key);
        if (hold?.state === 'open') {
          const { amountMinor } = hold;
          return { outcome: 'authorized', authorizationId: key, amountMinor, expiresAt: EXPIRES_AT };
        }
        givenUp.add(key);
        if (hold) hold.state = 'ended';
        return { outcome: 'abandoned' };
      }),
    capture: ({ key, orderId, authorizationId, amountMinor }) =>
      call(() => {
        const hold = holds.get(authorizationId);
        if (!captures.has(key)) {
          const left = hold?.state === 'open' ? hold.amountMinor - hold.capturedMinor : 0;
          const good = left >= amountMinor && !faulty(0.1);
          captures.set(key, good ? { captureId: `cap:${key}`, amountMinor } : 'failed');
          if (good && hold) {
            hold.capturedMinor += amountMinor;
            earn(orderId, amountMinor);
          }
        }
        const captured = captures.get(key);
        return captured === undefined || captured === 'failed'
          ? refused
          : { outcome: 'captured', ...captured };
      }),
    void: ({ authorizationId }) =>
      call(() => {
        const hold = holds.get(authorizationId);
        if (hold) hold.state = 'ended';
        return { outcome: 'voided' };
      }),
    refund: ({ key, orderId, amountMinor }) =>
      call(() => {
        if (!refunds.has(key)) {
          const outcome = faulty(0.1) ? 'failed' : amountMinor;
          refunds.set(key, outcome);
          if (outcome !== 'failed') earn(orderId, -outcome);
        }
        return refunds.get(key) === 'failed'
          ? refused
          : { outcome: 'refunded', gatewayRefundId: `re:${key}`, amountMinor };
      }),
  };

  const warehouse: Warehouse = {
    requestShipment: ({ shipmentId, orderId, lines }) =>
      call(() => {
        const known = shipments.get(shipmentId);
        // It was told to stop it before it was asked for it.
        if (known?.state === 'over' && known.open.size === 0 && lines.length > 0 && stopped.has(shipmentId))
          return { outcome: 'refused', reason: 'cancelled' };
        if (!known)
          shipments.set(shipmentId, {
            orderId,
            open: new Map(lines.map(({ lineId, quantity }) => [lineId, quantity])),
            state: 'packing',
          });
        return { outcome: 'accepted' };
      }),
    cancelShipment: ({ shipmentId, orderId }) =>
      call(() => {
        const known = shipments.get(shipmentId);
        // Too late: its parcel is on the way out and is told of when it has left.
        if (known?.state === 'packing' && faulty(0.4)) return { outcome: 'too_late' };
        stopped.add(shipmentId);
        if (known) known.state = 'over';
        else shipments.set(shipmentId, { orderId, open: new Map(), state: 'over' });
        return { outcome: 'cancelled' };
      }),
    expectReturn: () => call(() => undefined),
  };
  const stopped = new Set<string>();

  return {
    gateway,
    warehouse,
    holds,
    money,
    shipments,
    faulty,
    /** From now on everybody does what is asked of them. */
    behave: (): void => void (faults = false),
  };
};

/** What all processes together do, out of what each of them tells. */
import type { ConsumerStatus } from '../runtime/deliver/consume.ts';
import type { ForwardStatus } from '../runtime/feed/forward.ts';
import type { Presence } from '../runtime/presence.ts';
import type { ProjectionStatus } from '../runtime/view/project.ts';

/** The first of these that any process is in stands for all of them. */
const CONSUMER_STATES = ['running', 'paused', 'standby', 'stopped'] as const;
const BREAKER_STATES = ['open', 'half-open', 'closed'] as const;
const FORWARD_STATES = ['running', 'failed', 'standby', 'stopped'] as const;
const VIEW_STATES = ['failed', 'running', 'building', 'standby', 'stopped'] as const;

const foremost = <S extends string>(states: readonly S[], found: readonly S[]): S =>
  states.find((state) => found.includes(state)) ?? states.at(-1)!;
const heard = (presences: readonly Presence[]): readonly Presence[] =>
  presences.filter(({ silent }) => !silent);

/** `heartbeatAt`: of the process that told last, of those that run it or stand by (ISO 8601); null when none does. */
export const consumerIn = (
  presences: readonly Presence[],
  name: string,
): Pick<ConsumerStatus, 'state' | 'inFlight' | 'breaker'> & Readonly<{ heartbeatAt: string | null }> => {
  const told = heard(presences).flatMap(({ at, consumers }) =>
    consumers.filter((one) => one.name === name).map((status) => ({ at, status })),
  );
  const alive = told.filter(({ status }) => status.state !== 'stopped');
  return {
    state: foremost(
      CONSUMER_STATES,
      told.map(({ status }) => status.state),
    ),
    inFlight: told.reduce((sum, { status }) => sum + status.inFlight, 0),
    breaker: foremost(
      BREAKER_STATES,
      alive.map(({ status }) => status.breaker),
    ),
    heartbeatAt:
      alive
        .map(({ at }) => at)
        .sort()
        .at(-1) ?? null,
  };
};

/** `why`: of one that has failed. */
export const forwardIn = (
  presences: readonly Presence[],
  category: string,
): Readonly<{ state: ForwardStatus['state']; why?: string }> => {
  const told = heard(presences).flatMap(({ forward }) => forward.filter((one) => one.category === category));
  const state = foremost(
    FORWARD_STATES,
    told.map((status) => status.state),
  );
  const why = state === 'failed' ? told.find((one) => one.state === state)?.why : undefined;
  return { state, ...(why === undefined ? {} : { why }) };
};

/** Of the process that does most about the view. */
export const viewIn = (presences: readonly Presence[], name: string): ProjectionStatus | undefined => {
  const told = heard(presences).flatMap(({ views }) => views.filter((one) => one.name === name));
  const state = foremost(
    VIEW_STATES,
    told.map((status) => status.state),
  );
  return told.find((status) => status.state === state);
};

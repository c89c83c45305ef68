/** An event as a person reads it in a list. */
import type { EventEnvelope } from '../../domain/kernel.ts';

/** What the data may say of why it was done. */
const REASONS = ['reason', 'why', 'sentence'] as const;

const reasonOf = (data: unknown): string | undefined => {
  if (typeof data !== 'object' || data === null) return undefined;
  const fields = data as Readonly<Record<string, unknown>>;
  return REASONS.map((name) => fields[name]).find(
    (value): value is string => typeof value === 'string' && value !== '',
  );
};

/**
 * When, who, what, where, why: the reason that was given, the command, and what caused that when it was not
 * the command itself.
 */
export const searchLine = ({
  stream,
  revision,
  type,
  data,
  meta: { at, actor, commandId, causationId },
}: EventEnvelope): string => {
  const reason = reasonOf(data);
  const why = [
    ...(reason === undefined ? [] : [JSON.stringify(reason)]),
    `command ${commandId}`,
    ...(causationId === commandId ? [] : [`caused by ${causationId}`]),
  ].join(', ');
  // Ids are free text: nothing in a line may reach a terminal as a command to it.
  return `${at}  ${actor.role} ${actor.id}  ${type}  ${stream}@${revision}  ${why}`.replace(/\p{Cc}/gu, ' ');
};

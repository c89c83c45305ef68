/**
 * Who did what and when, over every stream: where to look an event up; the event itself stays in the store.
 */
import { aggregates, type Category } from '../domain/index.ts';
import { keyOf, type Role } from '../domain/kernel.ts';
import type { Projection } from '../ports/projection.ts';

/**
 * The event is `stream` at `revision`. `at`: when it happened, as 2026-01-31T12:00:00.000Z, so that it sorts
 * as text.
 */
export type AuditRow = Readonly<{
  stream: string;
  revision: number;
  type: string;
  actorId: string;
  role: Role;
  at: string;
}>;

/** Indexes go on with the time, then with the row's id, which is the event's position. */
export const auditLog: Projection<AuditRow, Category> = {
  name: 'audit-log',
  version: 2,
  categories: Object.keys(aggregates) as Category[],
  columns: { at: 'text', actor: 'text', type: 'text', stream: 'text', order: 'text' },
  indexes: { time: ['at'], actor: ['actor', 'at'], type: ['type', 'at'], order: ['order', 'at'] },
  idsOf: (event) => [event.position],
  apply: (_row, { stream, revision, type, meta: { actor, at } }) => ({
    stream,
    revision,
    type,
    actorId: actor.id,
    role: actor.role,
    at: new Date(at).toISOString(),
  }),
  columnsOf: ({ stream, type, actorId, at }) => ({
    at,
    actor: actorId,
    type,
    stream,
    order: stream.startsWith('order-') ? keyOf(stream) : null,
  }),
};

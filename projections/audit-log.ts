/**
 * Who did what and when, over every stream: where to look an event up; the event itself stays in the store.
 */
import { aggregates, type Category } from '../domain/index.ts';
import { keyOf, type Role } from '../domain/kernel.ts';
import type { Projection, Row } from '../ports/read-store.ts';

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

/**
 * All indexes go on with the time, then with the row's id, which is the event's position. `order`: an order's
 * own stream.
 */
export const auditLog: Projection<AuditRow, Category> = {
  name: 'audit-log',
  version: 1,
  categories: Object.keys(aggregates) as Category[],
  idsOf: (event) => [event.position],
  apply: (_row, { stream, revision, type, meta: { actor, at } }) => ({
    stream,
    revision,
    type,
    actorId: actor.id,
    role: actor.role,
    at: new Date(at).toISOString(),
  }),
  keys: ({ stream, type, actorId, at }): Row['keys'] => ({
    time: [[at]],
    actor: [[actorId, at]],
    type: [[type, at]],
    ...(stream.startsWith('order-') ? { order: [[keyOf(stream), at]] } : {}),
  }),
};

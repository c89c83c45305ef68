/** What operators did, and what was parked, written into the month's operations stream. */
import type { Actor } from '../domain/kernel.ts';
import { operationsLog, operationsStream, type OperationsEvent } from '../domain/operations/operations.ts';
import type { Clock } from '../ports/system.ts';
import type { Executor } from '../runtime/command/execute.ts';
import { derivedUuid } from '../runtime/command/identity.ts';
import type { ParkingEntry } from '../runtime/deliver/blocked.ts';

export type RecordOperation = (event: OperationsEvent, actor: Actor, commandId: string) => Promise<void>;

/** Writes what an operator did; the same `commandId` again has no effect. */
export const recordOperation =
  (executor: Executor, clock: Clock): RecordOperation =>
  async (event, actor, commandId) => {
    await executor.execute(operationsLog, operationsStream(clock.now().toISOString()), event, {
      commandId,
      actor,
    });
  };

/** Writes what was parked, retried or discarded. */
export const auditTrail =
  (executor: Executor) =>
  async (entry: ParkingEntry): Promise<void> => {
    const { type, id, at, actor, why, consumer, stream, eventId, eventType, revision, attempts } = entry;
    const data = { parkedId: id, consumer, stream, eventId, eventType, revision, attempts, why };
    await executor.execute(
      operationsLog,
      operationsStream(at),
      { type, data },
      { commandId: derivedUuid('parking', type, id, eventId, at), actor, causationId: eventId },
    );
  };

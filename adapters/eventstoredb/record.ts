/** Events and positions as an EventStoreDB keeps them. */
import {
  jsonEvent,
  type JSONEventData,
  type Position as Place,
  type ResolvedEvent,
} from '@eventstore/db-client';
import { v5, validate } from 'uuid';
import type { EventEnvelope, NewEvent, Position } from '../../domain/kernel.ts';

const DIGITS = 20;
const POSITION = /^\d{40}$/;

/** Commit and prepare position, 20 digits each: sorts as text. */
export const positionOf = ({ commit, prepare }: Place): Position =>
  (String(commit).padStart(DIGITS, '0') + String(prepare).padStart(DIGITS, '0')) as Position;
/** Throws RangeError for what is no position of these stores. */
export const placeOf = (position: Position): Place => {
  if (!POSITION.test(position)) throw new RangeError(`${position} is no position of this store`);
  return { commit: BigInt(position.slice(0, DIGITS)), prepare: BigInt(position.slice(DIGITS)) };
};

/** Beside each event of ours; one without it is somebody else's. */
type Metadata = { id: string; schema: number; meta: NewEvent['meta'] };

/** An id that is no UUID, which the server would refuse, is derived into one; the true one stands in the metadata. */
export const proposed = ({ type, data, id, schema, meta }: NewEvent): JSONEventData =>
  jsonEvent({
    id: validate(id) ? id : v5(id, v5.URL),
    type,
    data: data as Record<string, unknown>,
    metadata: { id, schema, meta } satisfies Metadata as unknown as Record<string, unknown>,
  });

/** Undefined for an event that is not ours. `prefix`: before the names of our streams. */
export const received = ({ event }: ResolvedEvent, prefix: string): EventEnvelope | undefined => {
  if (!event?.position || !event.streamId.startsWith(prefix)) return undefined;
  const metadata = event.metadata as Partial<Metadata> | undefined;
  if (metadata?.meta === undefined || metadata.id === undefined || metadata.schema === undefined)
    return undefined;
  return {
    type: event.type,
    stream: event.streamId.slice(prefix.length),
    revision: Number(event.revision),
    id: metadata.id,
    schema: metadata.schema,
    data: event.data,
    meta: metadata.meta,
    position: positionOf(event.position),
  };
};

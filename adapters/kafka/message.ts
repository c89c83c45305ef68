/** An event as a message: CloudEvents in binary mode (github.com/cloudevents/spec, Kafka protocol binding 1.0.2). */
import { Partitioners, type KafkaMessage, type Message } from 'kafkajs';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { ROLES, type EventEnvelope, type Position } from '../../domain/kernel.ts';

/** A partition's name: in the feed, in logs, and as a key. */
export const placeName = ({ topic, partition }: Readonly<{ topic: string; partition: number }>): string =>
  `${topic}/${partition}`;

/** A stream's events come close to one another, and the driver takes its time to find where they go. */
const STREAMS_KNOWN = 10_000;

/** The partition of a stream in a topic of so many: murmur2 of the key, as Kafka's own producers choose it. */
export const partitioning = (partitions: number): ((stream: string) => number) => {
  const partitioner = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    partitionId,
    partitionErrorCode: 0,
    leader: 0,
    replicas: [],
    isr: [],
  }));
  const known = new LRUCache<string, number>({ max: STREAMS_KNOWN });
  const find = (stream: string): number => {
    const partition = partitioner({ topic: '', partitionMetadata, message: { key: stream, value: null } });
    known.set(stream, partition);
    return partition;
  };
  return (stream) => known.get(stream) ?? find(stream);
};

/** `name`: as `placeName` has it. The same object for each stream that goes there. */
export type TopicPartition = Readonly<{ topic: string; partition: number; name: string }>;
export const placesOf = (topic: string, partitions: number): readonly TopicPartition[] =>
  Array.from({ length: partitions }, (_, partition) => ({
    topic,
    partition,
    name: placeName({ topic, partition }),
  }));
export const placingIn = (places: readonly TopicPartition[]): ((stream: string) => TopicPartition) => {
  const partitionOf = partitioning(places.length);
  return (stream) => places[partitionOf(stream)]!;
};

/** `source`: the CloudEvents source, which names the store. Data is the value, everything else stands in headers. */
export const messageOf = (event: EventEnvelope, source: string): Message => {
  const { id, type, schema, stream, revision, position, data, meta } = event;
  const { traceparent } = meta;
  return {
    key: stream,
    value: JSON.stringify(data),
    timestamp: String(Date.parse(meta.recordedAt)),
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: source,
      ce_type: type,
      ce_subject: stream,
      ce_time: meta.at,
      ce_schema: String(schema),
      ce_revision: String(revision),
      ce_position: position,
      ce_recordedat: meta.recordedAt,
      ce_commandid: meta.commandId,
      ce_actorid: meta.actor.id,
      ce_actorrole: meta.actor.role,
      ce_origin: meta.origin,
      ce_correlationid: meta.correlationId,
      ce_causationid: meta.causationId,
      ce_previoushash: meta.previousHash,
      // Ours is the one that was stored; a tracing library on the way may put its own into the other.
      ...(traceparent === undefined ? {} : { ce_traceparent: traceparent, traceparent }),
    },
  };
};

const whole = z.string().regex(/^\d+$/).transform(Number);
const Headers = z.object({
  ce_specversion: z.literal('1.0'),
  ce_id: z.string().min(1),
  ce_type: z.string().min(1),
  ce_subject: z.string().min(1),
  ce_time: z.string(),
  ce_schema: whole,
  ce_revision: whole,
  ce_position: z.string().regex(/^\d+$/),
  ce_recordedat: z.string(),
  ce_commandid: z.string(),
  ce_actorid: z.string(),
  ce_actorrole: z.enum(ROLES),
  ce_origin: z.enum(['live', 'import']),
  ce_correlationid: z.string(),
  ce_causationid: z.string(),
  ce_previoushash: z.string(),
  ce_traceparent: z.string().optional(),
});

/** What the message says of itself, or why it is none of our events. */
export type Decoded = Readonly<{ ok: true; event: EventEnvelope }> | Readonly<{ ok: false; why: string }>;

const textsOf = ({ headers }: KafkaMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers ?? {}).flatMap(([name, value]) => {
      const last = Array.isArray(value) ? value.at(-1) : value;
      return last === undefined ? [] : [[name, last.toString()]];
    }),
  );

export const decode = (message: KafkaMessage): Decoded => {
  const parsed = Headers.safeParse(textsOf(message));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return {
      ok: false,
      why: `its header ${String(issue?.path[0])} is not one of an event: ${issue?.message}`,
    };
  }
  const headers = parsed.data;
  if (message.value === null) return { ok: false, why: 'it has no data' };
  let data: unknown;
  try {
    data = JSON.parse(message.value.toString());
  } catch {
    return { ok: false, why: 'its data is not JSON' };
  }
  const { ce_traceparent: traceparent } = headers;
  return {
    ok: true,
    event: {
      id: headers.ce_id,
      type: headers.ce_type,
      schema: headers.ce_schema,
      data,
      stream: headers.ce_subject,
      revision: headers.ce_revision,
      position: headers.ce_position as Position,
      meta: {
        commandId: headers.ce_commandid,
        at: headers.ce_time,
        recordedAt: headers.ce_recordedat,
        actor: { id: headers.ce_actorid, role: headers.ce_actorrole },
        origin: headers.ce_origin,
        correlationId: headers.ce_correlationid,
        causationId: headers.ce_causationid,
        previousHash: headers.ce_previoushash,
        ...(traceparent === undefined ? {} : { traceparent }),
      },
    },
  };
};

import { Partitioners, type Message, type Producer } from 'kafkajs';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { EventPublisher } from '../../ports/event-publisher.ts';
import { createTurns } from '../turns.ts';
import type { Target } from './cluster.ts';
import { messageOf, placeName } from './message.ts';

/** What one request holds: a broker takes a batch of some 1 MB at once without further settings. */
const SEND_MESSAGES = 1_000;
const SEND_CHARACTERS = 700_000;

type Part = Readonly<{ topic: string; partition: number; messages: Message[] }>;

/** A run of `messages` in requests that a broker takes. */
const requests = (messages: readonly Message[]): Message[][] => {
  const all: Message[][] = [];
  let characters = Infinity;
  for (const message of messages) {
    const size = message.value?.length ?? 0;
    if (characters + size > SEND_CHARACTERS || all.at(-1)!.length >= SEND_MESSAGES) {
      all.push([]);
      characters = 0;
    }
    all.at(-1)!.push(message);
    characters += size;
  }
  return all;
};

/**
 * Fills the topics of `cluster`. Every request is for one partition, each partition has one request at a time, and the
 * answer must name it: over several brokers the driver takes a dead one's part for written (kafkajs 2.2.4).
 */
export const kafkaPublisher = (
  cluster: Target,
  { source }: Readonly<{ source: string }>,
): EventPublisher & Readonly<{ close(): Promise<void> }> => {
  const { kafka, ask, placeOf } = cluster;
  let producer: Promise<Producer> | undefined;
  const turns = createTurns();

  const connected = async (): Promise<Producer> => {
    await cluster.makeTopics();
    const made = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await made.connect();
    return made;
  };
  /** After a failure the sequence numbers of the old one are not to be trusted: the next is made anew. */
  const leave = async (left: Promise<Producer>): Promise<void> => {
    if (producer === left) producer = undefined;
    await cluster.leave(left);
  };
  const send = async ({ topic, partition, messages }: Part): Promise<void> => {
    const sending = (producer ??= connected());
    try {
      const sender = await ask('be written', sending);
      for (const some of requests(messages)) {
        const sent = sender.send({
          topic,
          acks: -1,
          messages: some.map((message) => ({ ...message, partition })),
        });
        const answers = await ask('be written', sent);
        const [answer] = answers;
        if (
          answers.length !== 1 ||
          answer?.topicName !== topic ||
          answer.partition !== partition ||
          answer.errorCode !== 0
        )
          throw new StoreUnavailable(`Kafka did not say that ${topic}/${partition} was written`);
      }
    } catch (error) {
      await leave(sending);
      throw error;
    }
  };
  /** Behind what is under way in its partition. */
  const inTurn = (part: Part): Promise<void> => turns.inTurn(placeName(part), () => send(part));

  return {
    async publish(events) {
      const parts = new Map<string, Part>();
      for (const event of events) {
        const place = placeOf(event.stream);
        const key = placeName(place);
        const part = parts.get(key) ?? { ...place, messages: [] };
        part.messages.push(messageOf(event, source));
        parts.set(key, part);
      }
      const sent = await Promise.allSettled([...parts.values()].map(inTurn));
      for (const one of sent) if (one.status === 'rejected') throw one.reason;
    },
    async close() {
      await turns.over();
      if (producer) await leave(producer);
    },
  };
};

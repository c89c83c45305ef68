import { Partitioners, type Message, type Producer } from 'kafkajs';
import { StoreUnavailable } from '../../ports/event-store.ts';
import type { EventPublisher, Publishing } from '../../ports/event-publisher.ts';
import { createTurns } from '../turns.ts';
import type { Target } from './cluster.ts';
import { messageOf, type TopicPartition } from './message.ts';

/** What one request holds: a broker takes a batch of some 1 MB at once without further settings. */
const SEND_MESSAGES = 1_000;
const SEND_CHARACTERS = 700_000;

type Part = Readonly<{ place: TopicPartition; messages: Message[] }>;

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
  const { kafka, placeOf } = cluster;
  const turns = createTurns();
  // After a failure the sequence numbers of the old one are not to be trusted: the next is made anew.
  const producer = cluster.shared('be written', async (): Promise<Producer> => {
    await cluster.makeTopics();
    const made = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await made.connect();
    return made;
  });
  const send = async ({ place: { topic, partition }, messages }: Part): Promise<void> => {
    for (const some of requests(messages))
      await producer.use(async (sender) => {
        const answers = await sender.send({
          topic,
          acks: -1,
          messages: some,
        });
        const [answer] = answers;
        if (
          answers.length !== 1 ||
          answer?.topicName !== topic ||
          answer.partition !== partition ||
          answer.errorCode !== 0
        )
          throw new StoreUnavailable(`Kafka did not say that ${topic}/${partition} was written`);
      });
  };
  const sequence = (): Publishing => {
    let failure: Readonly<{ error: unknown }> | undefined;
    /** Behind what is under way in its partition. */
    const inTurn = (part: Part): Promise<void> =>
      turns.inTurn(part.place.name, async () => {
        if (failure) throw failure.error;
        try {
          await send(part);
        } catch (error) {
          failure ??= { error };
          throw error;
        }
      });
    return {
      async publish(events) {
        const parts = new Map<TopicPartition, Part>();
        for (const event of events) {
          const place = placeOf(event.stream);
          let part = parts.get(place);
          if (!part) parts.set(place, (part = { place, messages: [] }));
          part.messages.push({ ...messageOf(event, source), partition: place.partition });
        }
        const sent = await Promise.allSettled([...parts.values()].map(inTurn));
        for (const one of sent) if (one.status === 'rejected') throw one.reason;
      },
    };
  };

  return {
    sequence,
    publish: (events) => sequence().publish(events),
    async close() {
      await turns.over();
      await producer.close();
    },
  };
};

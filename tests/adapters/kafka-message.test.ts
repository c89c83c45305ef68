import type { KafkaMessage } from 'kafkajs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { markIn, textOfMark } from '../../adapters/kafka/mark.ts';
import { decode, messageOf, partitioning } from '../../adapters/kafka/message.ts';
import { createPlace } from '../../adapters/kafka/place.ts';
import type { EventEnvelope, Position } from '../../domain/kernel.ts';
import { OtherStore } from '../../ports/event-store.ts';
import { newEvent } from '../contracts/event-store.ts';

const test = suite('Kafka: messages, and a partition as a member has it');

const event = (revision: number, stream = 'order-a'): EventEnvelope => ({
  ...newEvent(`${stream}/${revision}`, 'OrderPlaced', { name: 'Zoë ☃' }),
  stream,
  revision,
  position: String(revision + 1).padStart(16, '0') as Position,
});
/** As the broker hands it out. */
const stored = (one: EventEnvelope, offset: number, change: Partial<KafkaMessage> = {}): KafkaMessage => {
  const { key, value, headers, timestamp = '0' } = messageOf(one, '/orderfold/test');
  return {
    key: Buffer.from(String(key)),
    value: Buffer.from(String(value)),
    headers: Object.fromEntries(
      Object.entries(headers ?? {}).map(([name, text]) => [name, Buffer.from(String(text))]),
    ),
    timestamp,
    attributes: 0,
    offset: String(offset),
    ...change,
  } as KafkaMessage;
};

test('an event is a CloudEvent in binary mode, and comes back as it was', () => {
  const traced = {
    ...event(3),
    meta: { ...event(3).meta, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
  };
  const message = messageOf(traced, '/orderfold/test');
  assert.is(message.key, 'order-a');
  const headers = message.headers ?? {};
  assert.is(headers.ce_specversion, '1.0');
  assert.is(headers.ce_id, traced.id);
  assert.is(headers.ce_source, '/orderfold/test');
  assert.is(headers.ce_type, 'OrderPlaced');
  assert.is(headers.ce_subject, 'order-a');
  assert.is(headers.traceparent, traced.meta.traceparent);
  for (const name of Object.keys(headers))
    assert.match(name, /^(ce_[a-z0-9]{1,20}|content-type|traceparent)$/);
  assert.equal(decode(stored(traced, 0)), { ok: true, event: traced });
  assert.equal(decode(stored(event(0), 0)), { ok: true, event: event(0) });
});

test('a stream has the partition that every Kafka producer gives its key', () => {
  // Hashes by Kafka's own murmur2, from its UtilsTest; a partition is their lower 31 bits modulo the count.
  for (const [key, hash] of [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['abc', 479470107],
  ] as const)
    for (const partitions of [1, 4, 12, 100])
      assert.is(partitioning(partitions)(key), (hash & 0x7fffffff) % partitions, key);
});

test('what is none of our events says why', () => {
  const why = (change: Partial<KafkaMessage>): string => {
    const decoded = decode(stored(event(0), 0, change));
    return decoded.ok ? 'it was read' : decoded.why;
  };
  assert.match(why({ value: Buffer.from('{"half') }), 'not JSON');
  assert.match(why({ value: null }), 'no data');
  assert.match(why({ headers: {} }), 'ce_specversion');
  const { headers } = stored(event(0), 0);
  assert.match(why({ headers: { ...headers, ce_revision: Buffer.from('first') } }), 'ce_revision');
  const { ce_type: _type, ...untyped } = headers ?? {};
  assert.match(why({ headers: untyped }), 'ce_type');
});

test('a partition hands out what concerns the group, and parks in sight what cannot be read', () => {
  const place = createPlace('orderfold.order', 2, { categories: ['order'], types: ['OrderPlaced'] });
  assert.not.ok(place.fetched([stored(event(0), 5)], '9'), 'not before it has begun');
  place.begin('5', {});
  const other = { ...event(1), type: 'OrderClosed' };
  const broken = stored(event(2), 7, { value: Buffer.from([0xff, 0x00]) });
  assert.ok(place.fetched([stored(event(0), 4), stored(event(0), 5), stored(other, 6), broken], '9'));
  const first = place.hand(10);
  assert.equal(
    first?.deliveries.map(({ event: { type }, cursor }) => [type, Number(cursor)]),
    [
      ['OrderPlaced', 5],
      ['Unreadable', 7],
    ],
  );
  assert.equal([Number(first?.through), first?.atTail], [7, false]);
  const { event: standIn } = first!.deliveries[1]!;
  assert.is(standIn.stream, 'order-a', 'in the lane of its key');
  assert.equal(standIn.data, {
    why: 'its data is not JSON',
    topic: 'orderfold.order',
    partition: 2,
    offset: '7',
    headers: Object.fromEntries(
      Object.entries(broken.headers ?? {}).map(([name, text]) => [name, String(text)]),
    ),
    base64: '/wA=',
  });
  place.fetched([stored(event(3), 8)], '9');
  assert.ok(place.hand(10)?.atTail);
  assert.is(place.take(), undefined, 'nothing is finished');
  place.finish(first!.deliveries[0]!.cursor);
  assert.equal(place.take(), {
    offset: '6',
    mark: { through: event(0).position, at: event(0).meta.recordedAt },
  });
  assert.is(place.take(), undefined);
});

test('who begins behind a position drops what is at or before it, also after a crash', () => {
  const begun = (mark: Parameters<ReturnType<typeof createPlace>['begin']>[1], from: number) => {
    const place = createPlace('orderfold.order', 0, {});
    place.begin(String(from), mark);
    place.fetched(
      [0, 1, 2, 3].map((n) => stored(event(n), n)),
      '4',
    );
    return place;
  };
  const behind = event(1).position;
  const place = begun({ behind }, 0);
  const two = place.hand(2);
  assert.equal(two?.deliveries, []);
  place.finish(two!.through);
  const early = place.take()!;
  assert.is(early.mark.behind, behind, 'it is not behind it yet');
  assert.equal(markIn(textOfMark(early.mark, 'ours'), 'ours', 'payment'), early.mark);
  const again = begun(markIn(textOfMark(early.mark, 'ours'), 'ours', 'payment'), Number(early.offset));
  const rest = again.hand(10);
  assert.equal(
    rest?.deliveries.map((one) => one.event.revision),
    [2, 3],
  );
  again.finish(rest!.through);
  assert.equal(again.take()?.mark, { through: event(3).position, at: event(3).meta.recordedAt });
});

test('what the topic no longer holds comes first; until all of it is finished a crash comes back to it', () => {
  const from = { through: event(0).position, gap: true } as const;
  const begun = (mark = from) => {
    const place = createPlace('orderfold.order', 0, {});
    place.begin('7', mark);
    place.fetched([stored(event(2), 7), stored(event(3), 8)], '9');
    return place;
  };
  const place = begun();
  const old = place.handStored([event(1), event(2)]);
  assert.ok(old.through < '7'.padStart(20, '0'), 'before every message');
  place.filled(event(2).position);
  place.finish(old.deliveries[0]!.cursor);
  const early = place.take()!;
  assert.is(early.offset, '7');
  assert.equal(early.mark, { ...from, through: event(1).position, at: event(1).meta.recordedAt });
  assert.equal(markIn(textOfMark(early.mark, 'ours'), 'ours', 'payment'), early.mark);
  place.finish(old.through);
  assert.not.ok(place.take()?.mark.gap);
  const rest = place.hand(10);
  assert.equal(
    rest?.deliveries.map((one) => one.event.revision),
    [3],
    'what both hold comes once',
  );
  place.finish(rest!.through);
  assert.is(place.take()?.offset, '9');

  const nothing = begun();
  nothing.filled(event(2).position);
  assert.equal(nothing.take()?.mark, { through: event(0).position, behind: event(2).position });
});

test('what another program wrote beside an offset is no mark', () => {
  for (const metadata of [null, '', 'x', '{"behind":5}', '[]'])
    assert.equal(markIn(metadata, 'ours', 'payment'), {});
});

test('what a group has finished of another event store is not taken for its own', () => {
  assert.throws(
    () => markIn(textOfMark({}, 'theirs'), 'ours', 'payment'),
    (error: Error) =>
      error instanceof OtherStore && /payment .*theirs.*ours: .*KAFKA_PREFIX/.test(error.message),
  );
});
test.run();

/**
 * What a real EventStoreDB 24.10 answered to its client, call by call: reads and deletions. Links and ACLs are left out:
 * nothing of ours uses them.
 */
import {
  ANY,
  BACKWARDS,
  binaryEvent,
  END,
  FORWARDS,
  jsonEvent,
  NO_STREAM,
  START,
  STREAM_EXISTS,
  type Position,
  type ReadAllOptions,
  type ReadStreamOptions,
} from '@eventstore/db-client';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemRandomness } from '../../adapters/system.ts';
import { until } from '../fake-clock.ts';
import {
  append,
  close,
  client,
  ending,
  event,
  manyOf,
  MODES,
  names,
  newStream,
  notFound,
  reading,
  revisions,
  streamDeleted,
  unknown,
  wrong,
  type Ending,
} from './recorded.ts';

const reads = suite('EventStoreDB, as recorded: reads');
reads('a stream, both ways and beyond its ends', async () => {
  const of = newStream();
  await append(of, manyOf(10), NO_STREAM);
  const backward = { direction: BACKWARDS } as const;
  const cases: readonly (readonly [ReadStreamOptions, readonly string[] | Ending])[] = [
    [{}, names(0, 9)],
    [{ maxCount: 3 }, names(0, 2)],
    [{ fromRevision: 4n, maxCount: 3 }, names(4, 6)],
    [{ fromRevision: 9n }, names(9, 9)],
    [{ fromRevision: 10n }, []],
    [{ fromRevision: 1_000n }, []],
    [{ fromRevision: END }, unknown('Unexpected ReadStreamResult: Error')],
    [{ maxCount: 0 }, unknown('Unexpected ReadStreamResult: Error')],
    [{ ...backward, fromRevision: END }, names(9, 0)],
    [{ ...backward, fromRevision: START }, names(0, 0)],
    [{ ...backward, fromRevision: END, maxCount: 1 }, names(9, 9)],
    [{ ...backward, fromRevision: 4n, maxCount: 2 }, names(4, 3)],
    [{ ...backward, fromRevision: 1_000n }, names(9, 0)],
  ];
  for (const [options, answer] of cases)
    assert.equal(await reading(of, options), answer, `${options.direction} ${options.fromRevision}`);
  const missing = newStream();
  assert.equal(await reading(missing), notFound(missing));
  assert.equal(await reading(missing, { ...backward, fromRevision: END, maxCount: 1 }), notFound(missing));
  assert.equal(await reading(''), unknown('Exception was thrown by handler.'));
});

reads('what is stored comes back as it was', async () => {
  const of = newStream();
  const id = systemRandomness.uuid().toUpperCase();
  const text = { n: 9_007_199_254_740_992, s: 'é😀', nested: { a: [1, null, true] } };
  await append(
    of,
    [
      jsonEvent({ id, type: 'json', data: text, metadata: { user: 'u' } }),
      jsonEvent({ type: 'list', data: [1, 2] as any }),
      jsonEvent({ type: 'nothing', data: null as any }),
      binaryEvent({ type: 'bytes', data: Buffer.from([0, 1, 2, 255]) }),
    ],
    NO_STREAM,
  );
  const found: any[] = [];
  for await (const { event: recorded } of client.readStream(of)) found.push(recorded);
  assert.equal(
    found.map(({ isJson, data }) => [isJson, data]),
    [
      [true, text],
      [true, [1, 2]],
      [true, null],
      [false, Uint8Array.from([0, 1, 2, 255])],
    ],
  );
  assert.equal(found[0].metadata, { user: 'u' });
  assert.is(found[0].id, id.toLowerCase());
  assert.instance(found[0].created, Date);
});

reads('a deletion, and what comes after it', async () => {
  const of = newStream();
  await append(of, manyOf(3), NO_STREAM);
  const refused = (stream: string, expected: string, actual: string): Ending => ({
    is: 'WrongExpectedVersionError',
    code: 9,
    message: `9 FAILED_PRECONDITION: Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expected}, Actual version: ${actual}`,
    expectedVersion: BigInt(expected),
    actualVersion: BigInt(actual),
    of: stream,
    trailers: {
      exception: 'wrong-expected-version',
      'stream-name': stream,
      'expected-version': expected,
      'actual-version': actual,
    },
  });
  assert.equal(await ending(client.deleteStream(of, { expectedRevision: 7n })), refused(of, '7', '2'));
  assert.equal(
    await ending(client.deleteStream(of, { expectedRevision: NO_STREAM })),
    refused(of, '-1', '2'),
  );
  const missing = newStream();
  assert.equal(await ending(client.deleteStream(missing)), refused(missing, '-2', '-1'));
  await client.deleteStream(of);
  assert.equal(await reading(of), notFound(of));
  assert.equal(await reading(of, { fromRevision: 1n }), notFound(of));
  assert.equal(await ending(append(of, event(), STREAM_EXISTS)), { is: 'StreamDeletedError', of });
  assert.is((await append(of, event('re'), NO_STREAM)).nextExpectedRevision, 3n);
  assert.equal(await reading(of), ['3:re']);
  assert.equal(await reading(of, { direction: BACKWARDS, fromRevision: END }), ['3:re']);
  assert.equal((await client.getStreamMetadata(of)).metadata, { truncateBefore: 3 });

  for (const expected of [1n, ANY] as const) {
    const again = newStream();
    await append(again, manyOf(2), NO_STREAM);
    await client.deleteStream(again);
    assert.is((await append(again, event(), expected)).nextExpectedRevision, 2n);
  }
});

reads('a stream that is gone for good', async () => {
  const of = newStream();
  await append(of, manyOf(3), NO_STREAM);
  assert.is(
    ((await ending(client.tombstoneStream(of, { expectedRevision: 9n }))) as Ending)['actualVersion'],
    2n,
  );
  await client.tombstoneStream(of);
  assert.equal(await reading(of), streamDeleted(of));
  assert.equal(await reading(of, { direction: BACKWARDS, fromRevision: END }), streamDeleted(of));
  for (const expected of [ANY, NO_STREAM] as const)
    assert.equal(await ending(append(of, event(), expected)), { is: 'StreamDeletedError', of });
  assert.equal(await ending(append(of, event(), ANY, MODES[1]![1])), streamDeleted(of));
  assert.equal(await ending(client.deleteStream(of)), streamDeleted(of));
});

reads('what a stream says of itself bounds what is read of it', async () => {
  const of = newStream();
  await append(of, manyOf(5), NO_STREAM);
  assert.equal((await client.getStreamMetadata(of)).metadata, undefined);
  await client.setStreamMetadata(of, { maxCount: 2 });
  assert.equal(await reading(of), names(3, 4));
  assert.equal(await reading(of, { direction: BACKWARDS, fromRevision: END }), names(4, 3));
  await client.setStreamMetadata(of, { truncateBefore: 4 });
  assert.equal(await reading(of), names(4, 4));
  await client.setStreamMetadata(of, { maxAge: 1 });
  await until(
    'the events to be too old',
    async () => ((await reading(of)) as readonly string[]).length === 0,
  );
  assert.equal(await ending(append(of, event(), NO_STREAM)), wrong(of, 'no_stream', 4n));
  assert.is((await append(of, event(), 4n)).nextExpectedRevision, 5n);
  const only = newStream();
  await client.setStreamMetadata(only, { maxCount: 2 });
  assert.equal(await reading(only), notFound(only));
});

reads('the whole store: forward with its position, backward without it', async () => {
  const of = newStream();
  const { position: last } = await append(of, manyOf(4), NO_STREAM);
  const all = (options: ReadAllOptions) => ending(revisions(client.readAll(options)));
  const at = (place: Position, options: ReadAllOptions) => all({ ...options, fromPosition: place });
  assert.equal(await at(last!, { direction: FORWARDS, maxCount: 5 }), names(3, 3));
  assert.equal(await at(last!, { direction: BACKWARDS, maxCount: 2 }), names(2, 1));
  assert.equal(await all({ direction: BACKWARDS, fromPosition: END, maxCount: 2 }), names(3, 2));
  assert.equal(await all({ direction: FORWARDS, fromPosition: END, maxCount: 2 }), []);
  assert.equal(await all({ direction: BACKWARDS, fromPosition: START, maxCount: 2 }), []);
  const { commit } = last!;
  const no = { commit: commit + 1n, prepare: commit + 1n };
  assert.equal(await at(no, { maxCount: 1 }), unknown('Unexpected ReadAllResult: InvalidPosition'));
  const beyond = { commit: commit + 1_000_000n, prepare: commit + 1_000_000n };
  assert.equal(await at(beyond, { maxCount: 1 }), []);
  const torn = { commit, prepare: commit + 1n };
  assert.equal(await at(torn, { maxCount: 1 }), unknown('Exception was thrown by handler.'));
});
reads.after(close);
reads.run();

/** What a real EventStoreDB 24.10 answered to its client, call by call: appends. */
import {
  ANY,
  binaryEvent,
  NO_STREAM,
  STREAM_EXISTS,
  type AppendExpectedRevision,
  type Position,
} from '@eventstore/db-client';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemRandomness } from '../../adapters/system.ts';
import {
  append,
  close,
  client,
  ending,
  event,
  manyOf,
  MODES,
  newStream,
  reading,
  wrong,
  type Ending,
  type Told,
} from './recorded.ts';

const appends = suite('EventStoreDB, as recorded: appends');
for (const [how, mode] of MODES) {
  const isSingle = mode.credentials !== undefined;

  appends(`expected revisions, ${how}`, async () => {
    const of = newStream();
    const steps: readonly (readonly [number, AppendExpectedRevision, bigint | Ending])[] = [
      [1, STREAM_EXISTS, wrong(of, 'stream_exists', 'no_stream')],
      [1, 0n, wrong(of, 0n, 'no_stream')],
      [3, NO_STREAM, 2n],
      [1, NO_STREAM, wrong(of, 'no_stream', 2n)],
      [1, 1n, wrong(of, 1n, 2n)],
      [1, 7n, wrong(of, 7n, 2n)],
      [1, 2n, 3n],
      [1, STREAM_EXISTS, 4n],
      [1, ANY, 5n],
      [0, ANY, 5n],
      [0, 5n, 5n],
      [0, 2n, wrong(of, 2n, 5n)],
      [0, NO_STREAM, wrong(of, 'no_stream', 5n)],
    ];
    for (const [count, expected, answer] of steps) {
      const told = await ending(append(of, manyOf(count), expected, mode));
      const revision = 'nextExpectedRevision' in told ? told.nextExpectedRevision : told;
      assert.equal(revision, answer, `${count} at ${expected}`);
    }
    const missing = newStream();
    assert.is((await append(missing, [], NO_STREAM, mode)).nextExpectedRevision, 0n);
    assert.match(String(((await reading(missing)) as Ending)['is']), 'StreamNotFoundError');
  });

  appends(`what counts as the same append, ${how}`, async () => {
    const of = newStream();
    const ids = Object.fromEntries(
      ['A', 'B', 'D', 'E', 'F', 'G', 'X'].map((name) => [name, systemRandomness.uuid()]),
    );
    const named = (names: string) => names.split('').map((name) => event(name, ids[name]));
    const steps: readonly (readonly [string, AppendExpectedRevision, bigint | Ending])[] = [
      ['ABD', NO_STREAM, 2n],
      ['ABD', NO_STREAM, 2n],
      ['AB', NO_STREAM, 1n],
      ['BD', NO_STREAM, wrong(of, 'no_stream', 2n)],
      ['ABD', ANY, 2n],
      ['B', ANY, 1n],
      ['BD', ANY, 2n],
      ['BD', 0n, 2n],
      ['B', 0n, 1n],
      ['D', 1n, 2n],
      ['D', 2n, 3n],
      ['ABD', STREAM_EXISTS, 2n],
      ['DE', ANY, wrong(of, 'any', 3n)],
      ['FA', ANY, 5n],
      ['ABDG', NO_STREAM, wrong(of, 'no_stream', 5n)],
    ];
    const places: [bigint, Position | undefined][] = [];
    for (const [names, expected, answer] of steps) {
      const told = await ending(append(of, named(names), expected, mode));
      if ('nextExpectedRevision' in told) {
        const { nextExpectedRevision, position } = told as Told;
        assert.is(nextExpectedRevision, answer, `${names} at ${expected}`);
        places.push([nextExpectedRevision, position]);
      } else assert.equal(told, answer, `${names} at ${expected}`);
    }
    assert.equal(await reading(of), ['0:A', '1:B', '2:D', '3:D', '4:F', '5:A']);
    // Of the last event, where it was written first.
    const stored: (Position | undefined)[] = [];
    for await (const { event: recorded } of client.readStream(of)) stored.push(recorded?.position);
    for (const [revision, position] of places) assert.equal(position, stored[Number(revision)]);

    const other = newStream();
    assert.is((await append(other, named('AB'), NO_STREAM, mode)).nextExpectedRevision, 1n);
    assert.is((await append(other, named('AB'), ANY, mode)).nextExpectedRevision, 3n, 'stored once more');
    const twice = newStream();
    assert.is((await append(twice, named('XX'), ANY, mode)).nextExpectedRevision, 1n);
    assert.is((await append(twice, named('XX'), ANY, mode)).nextExpectedRevision, 0n);
  });

  appends(`what is too large, or not to be written, ${how}`, async () => {
    const bytes = (size: number) =>
      binaryEvent({ id: systemRandomness.uuid(), type: 't', data: new Uint8Array(size) });
    const of = newStream();
    const tooLarge: Ending = isSingle
      ? {
          is: 'MaxAppendSizeExceededError',
          code: 3,
          message: '3 INVALID_ARGUMENT: Maximum Append Size of 1048576 Exceeded.',
          maxAppendSize: 1_048_576,
          trailers: { exception: 'maximum-append-size-exceeded', 'maximum-append-size': '1048576' },
        }
      : { is: 'MaxAppendSizeExceededError', maxAppendSize: 1_048_576 };
    for (const events of [[bytes(1_048_576)], [bytes(5_242_880)], [bytes(614_400), bytes(614_400)]])
      assert.equal(await ending(append(of, events, ANY, mode)), tooLarge);
    assert.is((await append(of, bytes(1_047_552), NO_STREAM, mode)).nextExpectedRevision, 0n);
    assert.is((await append(newStream(), manyOf(5_000), ANY, mode)).nextExpectedRevision, 4_999n);

    const bad: Ending = isSingle
      ? { is: 'UnknownError', code: 2, message: '2 UNKNOWN: Exception was thrown by handler.' }
      : { is: 'UnknownError', message: 'Could not recognize BadRequest' };
    assert.equal(await ending(append('', event(), ANY, mode)), bad);
    assert.equal(await ending(append(of, event(''), ANY, mode)), bad);
    assert.equal(await ending(append(of, event('t', 'no-uuid'), ANY, mode)), bad);
    assert.is((await append(of, event(), 0n, mode)).nextExpectedRevision, 1n);
  });
}
appends.after(close);
appends.run();

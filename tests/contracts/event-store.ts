import * as assert from 'uvu/assert';
import type { EventEnvelope, NewEvent, Position } from '../../domain/kernel.ts';
import {
  APPEND_BYTES,
  AppendTooLarge,
  PAGE_EVENTS,
  StoreUnavailable,
  type EventPage,
  type EventStore,
} from '../../ports/event-store.ts';
import { until } from '../fake-clock.ts';
import { contract, type Make } from './making.ts';

export const newEvent = (id: string, type = 'OrderPlaced', data: unknown = { id }): NewEvent => ({
  type,
  data,
  id,
  schema: 1,
  meta: {
    commandId: `command-${id}`,
    at: '2026-01-01T00:00:00.000Z',
    recordedAt: '2026-01-01T00:00:00.001Z',
    actor: { id: 'someone', role: 'customer' },
    origin: 'live',
    correlationId: 'c',
    causationId: 'c',
    previousHash: '0'.repeat(64),
  },
});
export const newEvents = (...ids: readonly string[]): NewEvent[] => ids.map((id) => newEvent(id));

export const collect = async <T>(items: AsyncIterable<T>, limit = Infinity): Promise<T[]> => {
  const all: T[] = [];
  if (limit <= 0) return all;
  for await (const item of items) if (all.push(item) >= limit) break;
  return all;
};
/** Every event of the store, page by page, and how many pages it took. */
export const everything = async (
  store: EventStore,
  limit?: number,
): Promise<{ events: EventEnvelope[]; pages: EventPage[] }> => {
  const events: EventEnvelope[] = [];
  const pages: EventPage[] = [];
  for (let after: Position | undefined; ;) {
    const page = await store.readAll(after, limit === undefined ? {} : { limit });
    pages.push(page);
    events.push(...page.events);
    after = page.scanned;
    if (page.atTail) return { events, pages };
  }
};
const ids = (events: readonly EventEnvelope[]): string[] => events.map(({ id }) => id);

/** What every event store must do. */
export const eventStoreContract = (name: string, make: Make<EventStore>): void => {
  const { test, run } = contract(`event store: ${name}`, make);

  test('appends in order and reads back what was stored', async (store) => {
    const given = [
      newEvent('a', 'OrderPlaced', { n: 1, missing: undefined, text: 'ä🛒"\\', nested: [null, { x: 1.5 }] }),
      newEvent('b'),
    ];
    const appended = await store.append('order-1', 'none', given);
    assert.ok(appended.ok && appended.revision === 1);
    const more = await store.append('order-1', 1, newEvents('c'));
    assert.ok(more.ok && more.revision === 2 && appended.ok && more.position > appended.position);
    const events = await collect(store.readStream('order-1'));
    assert.equal(ids(events), ['a', 'b', 'c']);
    assert.equal(
      events.map(({ revision, stream }) => [revision, stream]),
      [
        [0, 'order-1'],
        [1, 'order-1'],
        [2, 'order-1'],
      ],
    );
    const { stream, revision, position, ...stored } = events[0]!;
    assert.equal(stored, JSON.parse(JSON.stringify(given[0])), 'as JSON keeps it');
    assert.equal([stream, revision, typeof position], ['order-1', 0, 'string']);
    assert.equal(events[2]!.position, more.ok && more.position);
  });

  test('a missing stream yields nothing, an empty store has no tail', async (store) => {
    assert.equal(await collect(store.readStream('order-none')), []);
    assert.equal(await collect(store.readStream('order-none', { direction: 'backward' })), []);
    assert.is(await store.tail(), undefined);
    assert.equal(await store.readAll(undefined), { events: [], scanned: undefined, atTail: true });
  });

  test('an unexpected revision is a conflict with the actual one, and stores nothing', async (store) => {
    assert.equal(await store.append('order-1', 0, newEvents('x')), { ok: false, actual: 'none' });
    await store.append('order-1', 'none', newEvents('a', 'b'));
    assert.equal(await store.append('order-1', 'none', newEvents('x')), { ok: false, actual: 1 });
    assert.equal(await store.append('order-1', 0, newEvents('x')), { ok: false, actual: 1 });
    assert.equal(await store.append('order-1', 7, newEvents('x')), { ok: false, actual: 1 });
    assert.equal(ids((await everything(store)).events), ['a', 'b']);
  });

  test('the same ids at the same place give the same answer, anything else is a conflict', async (store) => {
    const first = await store.append('order-1', 'none', newEvents('a', 'b'));
    await store.append('order-1', 1, newEvents('c'));
    assert.equal(await store.append('order-1', 'none', newEvents('a', 'b')), first);
    assert.equal(await store.append('order-1', 'none', newEvents('a', 'x')), { ok: false, actual: 2 });
    assert.equal(await store.append('order-1', 'none', newEvents('b', 'a')), { ok: false, actual: 2 });
    assert.equal(
      await store.append('order-1', 1, newEvents('c', 'd')),
      { ok: false, actual: 2 },
      'half of it is there',
    );
    assert.equal(
      await store.append('order-1', 0, newEvents('a', 'b')),
      { ok: false, actual: 2 },
      'the same ids elsewhere',
    );
    assert.is((await everything(store)).events.length, 3);
  });

  test('of concurrent appends to a stream one wins; streams do not disturb one another', async (store) => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => store.append(`order-${i % 20}`, 'none', newEvents(`e${i}`))),
    );
    assert.is(answers.filter(({ ok }) => ok).length, 20);
    for (const answer of answers) if (!answer.ok) assert.is(answer.actual, 0);
    const twice = await Promise.all([
      store.append('order-same', 'none', newEvents('s')),
      store.append('order-same', 'none', newEvents('s')),
    ]);
    assert.ok(twice[0].ok);
    assert.equal(twice[0], twice[1], 'the same append twice at once');
    const { events } = await everything(store);
    assert.is(events.length, 21);
    assert.equal(
      events.map(({ position }) => position),
      [...new Set(events.map(({ position }) => position))].sort(),
      'positions ascend',
    );
  });

  test('appends to one stream that are asked for together are carried out in that order', async (store) => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        store.append('order-1', i === 0 ? 'none' : i - 1, newEvents(`e${i}`)),
      ),
    );
    assert.ok(answers.every(({ ok }) => ok));
    assert.equal(
      ids(await collect(store.readStream('order-1'))),
      Array.from({ length: 30 }, (_, i) => `e${i}`),
    );
  });

  test('reads ranges of a stream, both ways', async (store) => {
    await store.append('order-1', 'none', newEvents('a', 'b', 'c', 'd'));
    await store.append('order-10', 'none', newEvents('other'));
    const read = async (range: Parameters<EventStore['readStream']>[1]) =>
      ids(await collect(store.readStream('order-1', range))).join('');
    assert.is(await read({ from: 2 }), 'cd');
    assert.is(await read({ from: 1, limit: 2 }), 'bc');
    assert.is(await read({ from: 4 }), '');
    assert.is(await read({ limit: 0 }), '');
    assert.is(await read({ direction: 'backward' }), 'dcba');
    assert.is(await read({ direction: 'backward', from: 1 }), 'ba');
    assert.is(await read({ direction: 'backward', from: 99, limit: 1 }), 'd');
  });

  /** The stream stock-1 of four full pages, and how often the loop has turned since; `over` ends the counting. */
  const fourPages = async (store: EventStore): Promise<Readonly<{ turns(): number; over(): void }>> => {
    for (let from = 0; from < 4 * PAGE_EVENTS; from += PAGE_EVENTS)
      await store.append(
        'stock-1',
        from === 0 ? 'none' : from - 1,
        Array.from({ length: PAGE_EVENTS }, (_, n) => newEvent(`e${from + n}`)),
      );
    let [turns, over] = [0, false];
    const turn = (): void => {
      turns += 1;
      if (!over) setImmediate(turn);
    };
    setImmediate(turn);
    return { turns: () => turns, over: () => void (over = true) };
  };

  test('who reads a long stream gives way', async (store) => {
    const { turns, over } = await fourPages(store);
    let read = 0;
    for await (const { revision } of store.readStream('stock-1')) {
      assert.is(revision, read++);
      assert.ok(
        turns() * PAGE_EVENTS >= read - PAGE_EVENTS,
        `${turns()} turns of the loop for ${read} events`,
      );
    }
    over();
    assert.is(read, 4 * PAGE_EVENTS);
  });

  test('who follows a store that is far ahead gives way', async (store) => {
    const { turns, over } = await fourPages(store);
    const stop = new AbortController();
    let [pages, read] = [0, 0];
    for await (const page of store.subscribe(undefined, { signal: stop.signal, limit: PAGE_EVENTS / 4 })) {
      assert.ok(turns() >= pages, `${turns()} turns of the loop for ${pages} pages`);
      pages += 1;
      read += page.events.length;
      if (read === 4 * PAGE_EVENTS) break;
    }
    over();
    stop.abort();
    assert.is(read, 4 * PAGE_EVENTS);
  });

  test('pages the whole store in the order of commit, also past what a filter leaves out', async (store) => {
    for (let i = 0; i < 6; i++) {
      await store.append(`order-${i}`, 'none', [
        newEvent(`o${i}`, 'OrderPlaced'),
        newEvent(`q${i}`, 'OrderClosed'),
      ]);
      await store.append(`stock-${i}`, 'none', [newEvent(`s${i}`, 'StockReceived')]);
    }
    const { events, pages } = await everything(store, 4);
    assert.equal(ids(events), Array.from({ length: 6 }, (_, i) => [`o${i}`, `q${i}`, `s${i}`]).flat());
    assert.ok(pages.every((page) => page.events.length <= 4));
    assert.ok(pages.slice(0, -1).every(({ atTail }) => !atTail));
    const stock = await store.readAll(undefined, { categories: ['stock'] });
    assert.equal(ids(stock.events), ['s0', 's1', 's2', 's3', 's4', 's5']);
    const closed = await store.readAll(events[2]!.position, {
      categories: ['order'],
      types: ['OrderClosed', 'Unheard'],
    });
    assert.equal(ids(closed.events), ['q1', 'q2', 'q3', 'q4', 'q5']);
    assert.is(closed.scanned, await store.tail(), 'the last event was left out, but scanned');
    assert.ok(closed.atTail);
    assert.equal(await store.readAll(closed.scanned), { events: [], scanned: closed.scanned, atTail: true });
    assert.equal((await store.readAll(undefined, { types: [] })).events, [], 'an empty list passes nothing');
  });

  test('a page is bounded whatever was asked for', async (store) => {
    for (let i = 0; i < 12; i++)
      await store.append(
        `order-${i}`,
        'none',
        Array.from({ length: 100 }, (_, n) => newEvent(`${i}.${n}`)),
      );
    const { events, pages } = await everything(store, 100_000);
    assert.is(events.length, 1_200);
    assert.ok(pages.length > 1, 'more than one page');
  });

  test('a subscription brings what is there, then what comes, and ends', async (store) => {
    await store.append('order-1', 'none', newEvents('a', 'b', 'c'));
    const stop = new AbortController();
    const seen: string[] = [];
    let atTail = false;
    const reading = (async () => {
      for await (const page of store.subscribe(undefined, { limit: 2, signal: stop.signal })) {
        seen.push(...ids(page.events));
        atTail = page.atTail;
      }
    })();
    await until('the tail', () => atTail);
    assert.equal(seen, ['a', 'b', 'c']);
    await store.append('order-2', 'none', newEvents('d'));
    await store.append('order-1', 2, newEvents('e'));
    await until('what came', () => seen.includes('e'));
    assert.equal(seen, ['a', 'b', 'c', 'd', 'e']);
    stop.abort();
    await reading;
  });

  test('a subscription at the tail says so once and starts behind its position', async (store) => {
    await store.append('order-1', 'none', newEvents('a', 'b'));
    const [first] = await collect(store.readStream('order-1'));
    const stop = new AbortController();
    for await (const page of store.subscribe(first!.position, { signal: stop.signal })) {
      assert.equal([ids(page.events), page.atTail], [['b'], true]);
      stop.abort();
    }
  });

  test('before: a time, or a position', async (store) => {
    assert.is(await store.before({ time: '2026-01-02T00:00:00Z' }), undefined);
    const at = (id: string, recordedAt: string): NewEvent => {
      const event = newEvent(id);
      return { ...event, meta: { ...event.meta, recordedAt } };
    };
    await store.append('order-1', 'none', [at('a', '2026-01-01T00:00:00.000Z')]);
    await store.append('order-1', 0, [at('b', '2026-01-01T00:00:01.000Z')]);
    await store.append('order-2', 'none', [at('c', '2026-01-01T00:00:02.000Z')]);
    const [a, b, c] = (await store.readAll(undefined)).events.map(({ position }) => position);
    for (const [mark, expected] of [
      [{ time: '2026-01-01T00:00:00.000Z' }, undefined],
      [{ time: '2026-01-01T00:00:01.000Z' }, a],
      [{ time: '2026-01-01T00:00:01.500Z' }, b],
      [{ time: '2027-01-01T00:00:00.000Z' }, c],
      [{ position: a! }, undefined],
      [{ position: b! }, a],
      [{ position: c! }, b],
    ] as const)
      assert.is(await store.before(mark), expected, JSON.stringify(mark));
    const error = await store.before({ position: '12' as Position }).catch((thrown: unknown) => thrown);
    assert.instance(error, RangeError);
  });

  test('an append holds 1 MiB at most, or is refused whole', async (store) => {
    const text = (bytes: number): string => 'ä'.repeat(bytes / 2);
    const large = [newEvent('a', 'T', text(APPEND_BYTES / 2)), newEvent('b', 'T', text(APPEND_BYTES / 2))];
    const error = await store.append('order-1', 'none', large).catch((thrown: unknown) => thrown);
    assert.instance(error, AppendTooLarge);
    assert.is(await store.tail(), undefined);
    const fits = await store.append('order-1', 'none', [newEvent('a', 'T', text(APPEND_BYTES - 2_000))]);
    assert.ok(fits.ok);
  });

  test('wrong use throws, a closed store is unavailable', async (store) => {
    const throws = async (what: Promise<unknown>, kind: new (...args: never[]) => Error): Promise<void> => {
      const error = await what.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      assert.instance(error, kind);
    };
    await throws(store.append('order-1', 'none', []), RangeError);
    await throws(store.append('', 'none', newEvents('a')), RangeError);
    await store.append('order-1', 'none', newEvents('a'));
    const reading = collect(store.subscribe(undefined, { signal: new AbortController().signal }));
    await store.close();
    await reading;
    await throws(store.append('order-1', 0, newEvents('b')), StoreUnavailable);
    await throws(store.readAll(undefined), StoreUnavailable);
    await throws(collect(store.readStream('order-1')), StoreUnavailable);
  });

  run();
};

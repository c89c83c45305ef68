import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import type { EventEnvelope, NewEvent } from '../../domain/kernel.ts';
import type { EventStore } from '../../ports/event-store.ts';
import { exportEvents } from '../../shop/audit.ts';
import { allEvents } from '../scripts/world.ts';
import { startApi, type Harness } from './harness.ts';

const withApi = (run: (api: Harness) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    await api.product('MUG-RED', 'Red mug', 1_000);
    await run(api);
  } finally {
    await api.close();
  }
};
const MUG = [{ sku: 'MUG-RED', quantity: 2 }];
type Item = Omit<EventEnvelope, 'data'> & { hash: string; data: Record<string, any> };
const search = async (api: Harness, query = ''): Promise<Item[]> =>
  (await api.call('GET', `/audit/events?${query}`, { as: 'auditor' })).body.items;
/** Newest first, as the search answers. */
const newest = async (
  store: EventStore,
  which: (event: EventEnvelope) => boolean = () => true,
): Promise<string[]> =>
  (await allEvents(store))
    .filter(which)
    .sort((a, b) => (a.meta.at + a.position < b.meta.at + b.position ? 1 : -1))
    .map(({ id }) => id);
const ids = (items: readonly { id: string }[]): string[] => items.map(({ id }) => id);

const one = suite('audit: search');

one(
  'by actor, type, order, stream and time, alone and together, newest first',
  withApi(async (api) => {
    const { store } = api.deps;
    const { orderId } = await api.place(MUG);
    await api.confirm(orderId);
    api.moveOn(60_000);
    const middle = api.deps.clock.now().toISOString();
    const second = await api.place(MUG, { customer: 'bob' });
    await api.call('POST', `/orders/${orderId}/hold`, { as: 'operator', body: { reason: 'looks odd' } });
    await api.call('POST', `/orders/${second.orderId}/hold`, {
      as: 'operator',
      body: { reason: 'odd, too' },
    });
    await api.call('POST', '/stock/MUG-RED/receive', { as: 'operator', body: { quantity: 4 } });
    await api.settled();

    const at = ({ meta }: EventEnvelope) => meta.at;
    const ofOrder = ({ stream }: EventEnvelope) => stream === `order-${orderId}`;
    const byOperator = ({ meta }: EventEnvelope) => meta.actor.id === 'operator';
    const cases: readonly (readonly [string, (event: EventEnvelope) => boolean])[] = [
      ['', () => true],
      ['actor=operator', byOperator],
      ['actor=ada', ({ meta }) => meta.actor.id === 'ada'],
      ['actor=nobody', () => false],
      ['type=OrderHeld', ({ type }) => type === 'OrderHeld'],
      ['type=Unheard', () => false],
      [`order=${orderId}`, ofOrder],
      ['order=none', () => false],
      [`stream=order-${orderId}`, ofOrder],
      ['stream=stock-MUG-RED', ({ stream }) => stream === 'stock-MUG-RED'],
      [
        'stream=stock-MUG-RED&type=GoodsReceived&actor=operator',
        ({ stream, type }) => stream === 'stock-MUG-RED' && type === 'GoodsReceived',
      ],
      ['stream=nothing-here', () => false],
      [`from=${middle}`, (event) => at(event) >= middle],
      [`to=${middle}`, (event) => at(event) < middle],
      [
        `stream=stock-MUG-RED&from=${middle}`,
        (event) => event.stream === 'stock-MUG-RED' && at(event) >= middle,
      ],
      [
        `stream=stock-MUG-RED&to=${middle}`,
        (event) => event.stream === 'stock-MUG-RED' && at(event) < middle,
      ],
      [`order=${orderId}&actor=operator`, (event) => ofOrder(event) && byOperator(event)],
      [
        `order=${orderId}&type=OrderPlaced&to=${middle}`,
        (event) => ofOrder(event) && event.type === 'OrderPlaced',
      ],
      [
        `actor=operator&type=OrderHeld&from=${middle}`,
        (event) => byOperator(event) && event.type === 'OrderHeld',
      ],
      [`order=${orderId}&stream=stock-MUG-RED`, () => false],
    ];
    for (const [query, which] of cases) {
      const expected = await newest(store, which);
      assert.equal(ids(await search(api, query)), expected, query);
      // The same in pages of one and of two.
      for (const limit of [1, 2]) {
        const paged: string[] = [];
        for (let cursor: string | null = ''; cursor !== null;) {
          const { body } = await api.call(
            'GET',
            `/audit/events?${query}&limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
            { as: 'auditor' },
          );
          paged.push(...ids(body.items));
          cursor = body.nextCursor;
        }
        assert.equal(paged, expected, `${query} by ${limit}`);
      }
    }
    const [first] = await search(api, `type=OrderHeld&order=${orderId}`);
    const edge = first?.meta.at ?? '';
    assert.ok(
      ids(await search(api, `type=OrderHeld&from=${edge}`)).includes(first?.id ?? ''),
      'from is inclusive',
    );
    assert.not.ok(
      ids(await search(api, `type=OrderHeld&to=${edge}`)).includes(first?.id ?? ''),
      'to is exclusive',
    );
  }),
);

one(
  'items are what is stored: who, why, sealed boxes, and the hash that the stream goes on with',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    await api.call('POST', `/orders/${orderId}/hold`, { as: 'operator', body: { reason: 'looks odd' } });
    await api.settled();
    const [held, placed] = await search(api, `order=${orderId}`);
    assert.equal(
      [held?.type, held?.data.reason, held?.meta.actor, held?.revision],
      ['OrderHeld', 'looks odd', { id: 'operator', role: 'operator' }, 1],
    );
    assert.is(held?.meta.previousHash, placed?.hash);
    assert.equal(Object.keys(placed?.data.contact).sort(), ['box', 'key', 'subject']);
    assert.not.match(JSON.stringify(placed), /Lovelace/);
    const { position: _position, hash, ...stored } = placed!;
    assert.is(
      createHash('sha256')
        .update(canonicalize(stored) ?? '')
        .digest('hex'),
      hash,
    );
  }),
);

one(
  'many rows are sifted in bounded steps: a page may be empty and say where the next one starts',
  withApi(async (api) => {
    const meta = {
      actor: { id: 'busy', role: 'system' },
      at: '2020-01-01T00:00:00.000Z',
      recordedAt: '2020-01-01T00:00:00.000Z',
      origin: 'live',
      correlationId: 'c',
      causationId: 'c',
      commandId: 'c',
      previousHash: '0'.repeat(64),
    } as const;
    const event = (n: number, type: string): NewEvent => ({
      id: `00000000-0000-8000-8000-${String(n).padStart(12, '0')}`,
      type,
      schema: 1,
      data: {},
      meta,
    });
    await api.deps.store.append('operations-busy', 'none', [
      event(0, 'Wanted'),
      ...Array.from({ length: 2_500 }, (_, n) => event(n + 1, 'Noise')),
    ]);
    await api.settled();
    for (const query of ['actor=busy&type=Wanted', 'stream=operations-busy&type=Wanted']) {
      const pages: number[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const { body } = await api.call(
          'GET',
          `/audit/events?${query}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
          { as: 'auditor' },
        );
        pages.push(body.items.length);
        cursor = body.nextCursor;
      }
      assert.equal(pages, [0, 0, 1], query);
    }
  }),
);

one(
  'for auditors; what is no query and what is no cursor',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    await api.confirm(orderId);
    await api.settled();
    for (const path of ['/audit/events', '/audit/export']) {
      for (const as of ['customer:ada', 'operator'])
        assert.is((await api.call('GET', path, { as })).status, 403);
      assert.is((await api.call('GET', path)).status, 401);
    }
    const refused = async (query: string): Promise<string> =>
      (await api.call('GET', `/audit/events?${query}`, { as: 'auditor' })).body.code;
    for (const query of [
      'from=yesterday',
      'limit=0',
      'limit=201',
      'actor=',
      'who=ada',
      `actor=${'x'.repeat(201)}`,
    ])
      assert.is(await refused(query), 'invalid_request', query);
    const { nextCursor } = (
      await api.call('GET', '/audit/events?type=OrderPlaced&limit=1', { as: 'auditor' })
    ).body;
    assert.is(nextCursor, null);
    const cursor = (await api.call('GET', `/audit/events?order=${orderId}&limit=1`, { as: 'auditor' })).body
      .nextCursor as string;
    for (const query of [
      'cursor=x',
      `cursor=${cursor}`,
      `order=other&cursor=${cursor}`,
      'stream=stock-MUG-RED&cursor=stream:x',
      `stream=stock-MUG-RED&cursor=${cursor}`,
    ])
      assert.is(await refused(query), 'invalid_cursor', query);
  }),
);
one.run();

const whole = suite('audit: export');

/** The answer as it comes, which is no JSON document. */
const exported = async (api: Harness, query = '') => {
  const response = await fetch(`${api.url}/audit/export${query}`, {
    headers: { authorization: `Bearer ${await api.token('auditor')}` },
  });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
};

whole(
  'a line for each event, in the order of commit, whose hashes chain the streams',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    await api.confirm(orderId);
    const { status, type, text } = await exported(api);
    assert.equal([status, type], [200, 'application/x-ndjson']);
    assert.ok(text.endsWith('\n'));
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Item);
    const events = await allEvents(api.deps.store);
    assert.equal(
      lines.map(({ hash: _hash, ...event }) => event),
      events.map((event) => ({ ...event })),
    );
    const heads = new Map<string, string>();
    for (const { hash, position: _position, ...event } of lines) {
      assert.is(event.meta.previousHash, heads.get(event.stream) ?? '0'.repeat(64));
      assert.is(
        createHash('sha256')
          .update(canonicalize(event) ?? '')
          .digest('hex'),
        hash,
      );
      heads.set(event.stream, hash);
    }
    const behind = await exported(api, `?after=${lines[1]?.position}`);
    assert.is(behind.text, text.split('\n').slice(2).join('\n'));
    assert.equal((await exported(api, `?after=${lines.at(-1)?.position}`)).text, '');
    for (const after of ['x', '1', '9'.repeat(16), `${lines.at(-1)?.position}0`]) {
      const bad = await exported(api, `?after=${after}`);
      assert.equal([bad.status, JSON.parse(bad.text).code], [400, 'invalid_cursor'], after);
    }
  }),
);

const filled = async (events: number): Promise<EventStore> => {
  const store = memoryEventStore();
  const meta = {
    actor: { id: 'a', role: 'system' },
    at: '2020-01-01T00:00:00.000Z',
    recordedAt: '2020-01-01T00:00:00.000Z',
    origin: 'live',
    correlationId: 'c',
    causationId: 'c',
    commandId: 'c',
    previousHash: '0'.repeat(64),
  } as const;
  for (let n = 0; n < events; n++)
    await store.append(`customer-${n}`, 'none', [
      { id: `e${n}`, type: 'Noted', schema: 1, data: { text: 'x'.repeat(200) }, meta },
    ]);
  return store;
};

whole(
  'reads a page when it is taken and no earlier, and nothing that came after it was asked for',
  async () => {
    const store = await filled(1_700);
    let reads = 0;
    const counting: EventStore = {
      ...store,
      readAll: (...asked) => {
        reads += 1;
        return store.readAll(...asked);
      },
    };
    const { chunks, until } = await exportEvents(counting, undefined);
    await store.append('customer-late', 'none', [
      {
        id: 'late',
        type: 'Noted',
        schema: 1,
        data: {},
        meta: (await store.readAll(undefined)).events[0]!.meta,
      },
    ]);
    assert.is(reads, 0);
    const taken = chunks()[Symbol.asyncIterator]();
    const first = await taken.next();
    assert.is(reads, 1);
    assert.ok(first.value.text.length < 80_000 && first.value.text.endsWith('\n'));
    let [events, text, last] = [first.value.events, first.value.text, first.value.last];
    for (let next = await taken.next(); !next.done; next = await taken.next())
      [events, text, last] = [events + next.value.events, text + next.value.text, next.value.last];
    assert.equal([events, last, text.trimEnd().split('\n').length], [1_700, until, 1_700]);
    assert.not.match(text, /"late"/);
    await store.close();
  },
);

whole('ends when nobody listens any more; an empty store is an empty export', async () => {
  const store = await filled(1_200);
  const gone = new AbortController();
  let events = 0;
  for await (const chunk of (await exportEvents(store, undefined)).chunks(gone.signal)) {
    events += chunk.events;
    gone.abort();
  }
  assert.ok(events > 0 && events < 600, `${events} events after it was aborted`);
  await store.close();
  const empty = memoryEventStore();
  for await (const _chunk of (await exportEvents(empty, undefined)).chunks())
    assert.unreachable('there is nothing to export');
  await empty.close();
});
whole.run();

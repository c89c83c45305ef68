/** A store copied into another one, broken off at every append. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { StoreUnavailable, type EventStore } from '../../ports/event-store.ts';
import { copyEvents, CopyRefused, placeInCopy } from '../../runtime/feed/copy.ts';
import { everything, newEvent, newEvents } from '../contracts/event-store.ts';

const copying = suite('copy');
const silent = { onProgress: () => undefined };
const refusal = (work: Promise<unknown>): Promise<unknown> => work.catch((thrown: unknown) => thrown);

/** 60 events of three streams, some in a row, one of them large. */
const source = async (): Promise<EventStore> => {
  const store = memoryEventStore('source');
  const next = new Map<string, number>();
  for (let n = 0; n < 40; n++) {
    const stream = `order-${(n * n) % 3}`;
    const revision = next.get(stream) ?? 0;
    const events =
      n === 20
        ? [newEvent('large', 'OrderPlaced', 'x'.repeat(200_000))]
        : newEvents(...[`${n}a`, `${n}b`].slice(n % 2));
    await store.append(stream, revision === 0 ? 'none' : revision - 1, events);
    next.set(stream, revision + events.length);
  }
  return store;
};
/** Breaks off at the nth append, before or after it was stored. */
const breaking = (store: EventStore, at: number, stored: boolean): EventStore => {
  let appends = 0;
  return {
    ...store,
    async append(...given) {
      const isLast = ++appends === at;
      if (isLast && !stored) throw new StoreUnavailable('broken off');
      const appended = await store.append(...given);
      if (isLast) throw new StoreUnavailable('broken off');
      return appended;
    },
  };
};

copying(
  'broken off at whichever append, before or after it, it goes on, and nothing is missing or twice',
  async () => {
    const from = await source();
    const original = (await everything(from)).events;
    for (const stored of [false, true])
      for (let at = 1; ; at++) {
        const to = memoryEventStore('target');
        const first = await refusal(copyEvents({ from, to: breaking(to, at, stored), ...silent }));
        if (typeof first === 'number') {
          assert.ok(at > 10, `${at} appends`);
          assert.is(first, original.length);
          break;
        }
        assert.instance(first, StoreUnavailable);
        await copyEvents({ from, to, ...silent });
        assert.equal((await everything(to)).events, original, `after append ${at}`);
        assert.is(await copyEvents({ from, to, ...silent }), 0);
      }
  },
);

copying('what was appended meanwhile follows, and each event is found in the copy', async () => {
  const [from, to] = [await source(), memoryEventStore('target')];
  const places: string[] = [];
  await copyEvents({ from, to, onProgress: (at) => places.push(at) });
  assert.is(places.at(-1), await from.tail());
  await from.append('order-new', 'none', newEvents('new'));
  const tail = (await from.tail())!;
  assert.instance(await refusal(placeInCopy(from, to, tail)), CopyRefused);
  assert.is(await copyEvents({ from, to, ...silent }), 1);
  assert.is(await placeInCopy(from, to, tail), await to.tail());
});

copying('a store that holds another shop, or has gone on, is refused and stays as it is', async () => {
  const from = await source();
  const another = memoryEventStore('another');
  await another.append('order-0', 'none', newEvents('theirs'));
  const moved = memoryEventStore('moved');
  await copyEvents({ from, to: moved, ...silent });
  await moved.append('order-9', 'none', newEvents('later'));
  for (const to of [another, moved]) {
    const before = (await everything(to)).events;
    const error = await refusal(copyEvents({ from, to, ...silent }));
    assert.instance(error, CopyRefused);
    assert.match((error as Error).message, /another shop, or this one has moved there and gone on/);
    assert.equal((await everything(to)).events, before);
  }
  const busy = memoryEventStore('busy');
  const meddling: EventStore = {
    ...busy,
    async append(stream, ...rest) {
      await busy.append(stream, 'none', newEvents('of somebody else'));
      return busy.append(stream, ...rest);
    },
  };
  const error = await refusal(copyEvents({ from, to: meddling, ...silent }));
  assert.match(
    (error as Error).message,
    /order-0 is at revision 0, and revision 0 comes next: somebody else/,
  );
});
copying.run();

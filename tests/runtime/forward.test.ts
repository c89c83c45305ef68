import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventLog, sequential } from '../../adapters/memory/event-log.ts';
import type { EventEnvelope } from '../../domain/kernel.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { runForward, type ForwardOptions } from '../../runtime/feed/forward.ts';
import { quietLog } from '../quiet-log.ts';
import { LEASE_MS, name, world } from './world.ts';

const forward = suite('forward');

/** A world with a log beside the store, and what was published to it, in order. */
const logWorld = () => {
  const w = world();
  const log = memoryEventLog(3);
  const published: string[] = [];
  const fault: { before?: (events: readonly EventEnvelope[]) => Promise<void>; after?: () => Promise<void> } =
    {};
  const publisher = sequential(async (events) => {
    await fault.before?.(events);
    await log.publisher.publish(events);
    published.push(...events.map(name));
    await fault.after?.();
  });
  const start = (over: Partial<ForwardOptions> = {}) =>
    runForward({
      ...w.feedOptions,
      publisher,
      leased: w.leased(),
      log: quietLog,
      category: 'order',
      ...over,
    });
  const saved = (): Promise<string | undefined> => w.checkpoints.get('forward/order', 'all');
  return { ...w, published, fault, publisher, startForward: start, saved };
};
/** What a stream's events were published as, each counted where it came first. */
const firsts = (published: readonly string[], stream: string): readonly string[] => [
  ...new Set(published.filter((one) => one.startsWith(`${stream}@`))),
];

forward('publishes what is there and what comes, in order, of its category alone', async () => {
  const w = logWorld();
  await w.happen('order-a', 'other-a', 'stock-a', 'order-a');
  const running = w.startForward();
  await w.advanceUntil('what is there', () => w.published.length === 2);
  await w.happen('order-b', 'other-a');
  await w.advanceUntil('what comes', () => w.published.length === 3);
  assert.equal(w.published, ['order-a@0', 'order-a@1', 'order-b@0']);
  const stock = w.startForward({ category: 'stock' });
  await w.advanceUntil('another from its first', () => w.published.includes('stock-a@0'));
  await stock.close();
  await w.clock.advance(2_000);
  await w.happen('other-a');
  const tail = await w.store.tail();
  await w.advanceUntil('what goes nowhere is passed, too', async () => (await w.saved()) === tail);
  assert.is(running.status().position, tail);
  await running.close();
  assert.is(running.status().state, 'stopped');
});

forward('goes on where it was, and publishes again what it had not yet recorded', async () => {
  const w = logWorld();
  await w.happen('order-a', 'order-b');
  // A crash after the publishing: the checkpoint is never written.
  const crashed = w.startForward({
    checkpoints: {
      ...w.checkpoints,
      save: async () => {
        throw new StoreUnavailable('the process is gone');
      },
    },
  });
  await w.advanceUntil('it is published', () => w.published.length >= 2);
  await Promise.all([crashed.close(), w.clock.advance(LEASE_MS * 3)]);
  w.published.length = 0;
  const next = w.startForward();
  await w.advanceUntil('again', () => w.published.length === 2);
  await w.advanceUntil('and recorded', async () => (await w.saved()) === (await w.store.tail()));
  await next.close();
  await w.happen('order-a');
  const last = w.startForward();
  await w.advanceUntil('only what is new', () => w.published.length === 3);
  assert.is(w.published.at(-1), 'order-a@1');
  await last.close();
});

forward('a log that is away is waited for, and no event gets ahead of an earlier one', async () => {
  const w = logWorld();
  for (let n = 0; n < 700; n++) await w.happen(`order-${n % 7}`);
  let calls = 0;
  w.fault.before = async () => {
    calls += 1;
    if (calls % 2 === 1) throw new StoreUnavailable('no broker');
  };
  const running = w.startForward();
  await w.advanceUntil('all', async () => (await w.saved()) === (await w.store.tail()), 600_000);
  await running.close();
  for (let stream = 0; stream < 7; stream++)
    assert.equal(
      firsts(w.published, `order-${stream}`),
      Array.from({ length: 100 }, (_, n) => `order-${stream}@${n}`),
    );
});

forward(
  'one forwards, another stands by and takes over; who was paused does not move the checkpoint',
  async () => {
    const w = logWorld();
    await w.happen('order-a');
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    w.fault.after = () => gate;
    // Its renewals do not come through: to the others it is dead.
    const paused = w.startForward({
      leased: async (lease, signal, work) => {
        const held = await w.leases.take(lease, 'paused', await w.leases.read(lease));
        await work({ fence: { lease, token: held!.token }, signal });
      },
    });
    await w.advanceUntil('it has published', () => w.published.length === 1);
    delete w.fault.after;
    const other = w.startForward();
    assert.is(other.status().state, 'standby');
    await w.advanceUntil('the other one takes over', () => other.status().state === 'running');
    await w.happen('order-a');
    await w.advanceUntil('and goes on', async () => (await w.saved()) === (await w.store.tail()));
    const at = await w.saved();
    go();
    await w.clock.advance(5_000);
    assert.is(await w.saved(), at, 'the one that woke changes nothing');
    assert.equal(firsts(w.published, 'order-a'), ['order-a@0', 'order-a@1']);
    await Promise.all([paused.close(), other.close(), w.clock.advance(60_000)]);
  },
);

forward('what trying again cannot mend stops it in sight', async () => {
  const w = logWorld();
  await w.happen('order-a');
  w.fault.before = async () => {
    throw new RangeError('no topic takes it');
  };
  const running = w.startForward();
  await w.advanceUntil('it has stopped', () => running.status().state === 'failed');
  assert.match(running.status().why ?? '', 'no topic takes it');
  await running.close();
});

forward.run();

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Ledger } from '../../adapters/simulated/ledger.ts';
import { openSqliteLedger } from '../../adapters/sqlite/ledger.ts';
import {
  simulatedWarehouse,
  type SimulatedWarehouse,
  type SimulatedWarehouseOptions,
} from '../../adapters/simulated/warehouse.ts';
import { systemClock } from '../../adapters/system.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { Report, WarehouseNews } from '../../ports/outside/warehouse.ts';
import { fakeClock, until, type FakeClock } from '../fake-clock.ts';

type Opened = SimulatedWarehouse & Readonly<{ start(): void }>;
type World = {
  folder: string;
  clock: FakeClock;
  news: WarehouseNews[];
  warnings: unknown[];
  /** `report`: who listens from `start` on; without it what is told is kept as `news`. */
  open(options?: Partial<SimulatedWarehouseOptions> & Readonly<{ report?: Report }>): Opened;
  opened: SimulatedWarehouse[];
  ledgers: Ledger[];
};

const DAY = 1_000;
const START = '2030-01-01T00:00:00.000Z';
const lines = [{ lineId: 'l1', sku: 'cup', quantity: 2 }];
const request = (shipmentId: string) => ({
  shipmentId,
  orderId: 'o1',
  lines,
  address: { line1: 'somewhere' },
});
const warehouse = suite<World>('simulated warehouse');

warehouse.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), 'warehouse-'));
  world.clock = fakeClock(START);
  world.news = [];
  world.warnings = [];
  world.opened = [];
  world.ledgers = [];
  world.open = (given = {}) => {
    const { report = async (news: WarehouseNews) => void world.news.push(news), ...options } = given;
    const books = openSqliteLedger({ path: join(world.folder, 'simulated.db') });
    world.ledgers.push(books);
    const one = simulatedWarehouse({
      books,
      clock: world.clock,
      randomness: { uuid: () => '', fraction: () => 0.5 },
      latencyMs: DAY,
      failureRate: 0,
      log: {
        info: () => undefined,
        warn: (fields) => world.warnings.push(fields),
        error: (fields) => world.warnings.push(fields),
      },
      ...options,
    });
    world.opened.push(one);
    return { ...one, start: () => void one.listen(report) };
  };
});
warehouse.after.each(async (world) => {
  for (const one of world.opened) await one.close();
  for (const ledger of world.ledgers) await ledger.close();
  rmSync(world.folder, { recursive: true });
});

const kinds = (world: World): string[] => world.news.map(({ kind }) => kind);
/** What was told is marked on disk just after it was heard. */
const pending = (one: SimulatedWarehouse, count: number): Promise<void> =>
  until(`${count} pending`, () => one.ledger.pending() === count);
const toldOf = (world: World, count: number): Promise<void> =>
  until(`${count} news, ${world.news.length} so far`, () => world.news.length >= count);

warehouse('dispatches after its latency and delivers after another', async (world) => {
  const one = world.open();
  one.start();
  assert.equal(await one.requestShipment(request('s1')), { outcome: 'accepted' });
  assert.equal(await one.requestShipment(request('s1')), { outcome: 'accepted' });
  await world.clock.advance(DAY - 1);
  assert.is(one.ledger.shipment('s1')?.state, 'pending');
  await world.clock.advance(1);
  await toldOf(world, 1);
  await world.clock.advance(DAY);
  await toldOf(world, 2);
  const [dispatched, delivered] = world.news;
  assert.match(
    dispatched?.kind === 'dispatched' ? (dispatched.trackingNumber ?? '') : '',
    /^SP[0-9A-F]{12}$/,
  );
  assert.equal(
    { ...dispatched, trackingNumber: 0 },
    {
      newsId: 's1-dispatched',
      kind: 'dispatched',
      orderId: 'o1',
      shipmentId: 's1',
      parcelId: 's1-1',
      lines: [{ lineId: 'l1', quantity: 2 }],
      carrier: 'Simulated Parcels',
      trackingNumber: 0,
      at: '2030-01-01T00:00:01.000Z',
    },
  );
  assert.equal(delivered, {
    newsId: 's1-delivered',
    kind: 'delivered',
    orderId: 'o1',
    shipmentId: 's1',
    parcelId: 's1-1',
    at: '2030-01-01T00:00:02.000Z',
  });
  await pending(one, 0);
});

warehouse('what is pending survives a restart', async (world) => {
  const one = world.open();
  one.start();
  await one.requestShipment(request('s1'));
  await one.close();
  world.opened.length = 0;
  const again = world.open();
  await world.clock.advance(DAY * 10);
  assert.equal(kinds(world), []);
  again.start();
  await toldOf(world, 1);
  assert.equal(kinds(world), ['dispatched']);
});

warehouse('cancels what has not left, and only that', async (world) => {
  const one = world.open();
  one.start();
  await one.requestShipment(request('s1'));
  await one.requestShipment(request('s2'));
  assert.equal(await one.cancelShipment({ shipmentId: 's1', orderId: 'o1' }), { outcome: 'cancelled' });
  await world.clock.advance(DAY);
  await toldOf(world, 1);
  await pending(one, 1);
  assert.equal(
    world.news.map(({ newsId }) => newsId),
    ['s2-dispatched'],
  );
  assert.equal(await one.cancelShipment({ shipmentId: 's2', orderId: 'o1' }), { outcome: 'too_late' });
  assert.equal(await one.cancelShipment({ shipmentId: 's1', orderId: 'o1' }), { outcome: 'cancelled' });
  assert.is((await one.requestShipment(request('s1'))).outcome, 'refused');
});

warehouse('a cancellation that overtakes its request wins', async (world) => {
  const one = world.open();
  one.start();
  assert.equal(await one.cancelShipment({ shipmentId: 's1', orderId: 'o1' }), { outcome: 'cancelled' });
  assert.equal(await one.requestShipment(request('s1')), {
    outcome: 'refused',
    reason: 'The shipment was cancelled.',
  });
  assert.is(one.ledger.pending(), 0);
});

warehouse('either the cancellation or the dispatch happens, never both', async (world) => {
  const one = world.open({ latencyMs: 0 });
  one.start();
  const answers = new Map<string, string>();
  await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const call = { shipmentId: `s${i}`, orderId: 'o1' };
      await one.requestShipment(request(call.shipmentId));
      for (let turns = i % 7; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      answers.set(call.shipmentId, (await one.cancelShipment(call)).outcome);
    }),
  );
  for (let round = 0; one.ledger.pending() > 0 && round < 1_000; round++) {
    await world.clock.advance(0);
    await systemClock.sleep(1);
  }
  assert.is(one.ledger.pending(), 0);
  for (const [shipmentId, outcome] of answers) {
    const told = world.news.some((news) => news.kind === 'dispatched' && news.shipmentId === shipmentId);
    assert.is(told, outcome === 'too_late', `${shipmentId} ${outcome}`);
  }
});

warehouse('tells again, with the same id and time, until it is heard', async (world) => {
  let failures = 3;
  const one = world.open({
    report: async (news) => {
      world.news.push(news);
      if (failures-- > 0) throw new Error('not now');
    },
  });
  one.start();
  await one.requestShipment(request('s1'));
  await world.clock.advance(DAY);
  // Half of the jitter: 500, 1000 and 2000 ms become 375, 750 and 1500.
  for (const [told, afterMs] of [
    [1, 375],
    [2, 750],
    [3, 1500],
  ] as const) {
    await until(`told ${told} times`, () => world.news.length === told && world.warnings.length === told);
    await world.clock.advance(afterMs - 1);
    assert.is(world.news.length, told);
    await world.clock.advance(1);
  }
  await toldOf(world, 4);
  assert.is(new Set(world.news.map(({ newsId, at }) => `${newsId} ${at}`)).size, 1);
  assert.equal(
    world.warnings.map((fields) => (fields as { afterMs: number }).afterMs),
    [375, 750, 1500],
  );
});

warehouse(
  'stop waits for the report that is running; what it did not take is told again after a restart',
  async (world) => {
    let hear: () => void = () => undefined;
    const one = world.open({
      report: (news) =>
        new Promise((_, reject) => {
          world.news.push(news);
          hear = () => reject(new Error('not now'));
        }),
    });
    one.start();
    await one.requestShipment(request('s1'));
    await world.clock.advance(DAY);
    await toldOf(world, 1);
    let stopped = false;
    const stopping = one.close().then(() => (stopped = true));
    await systemClock.sleep(0);
    assert.is(stopped, false, 'it waits for the report that is running');
    hear();
    await stopping;
    world.opened.length = 0;
    const again = world.open();
    again.start();
    await world.clock.advance(30_000);
    await toldOf(world, 2);
    assert.equal(world.news[1], world.news[0]);
  },
);

warehouse('takes goods back', async (world) => {
  const one = world.open();
  one.start();
  await one.expectReturn({ returnId: 'r1', orderId: 'o1', lines });
  await one.expectReturn({ returnId: 'r1', orderId: 'o1', lines });
  await world.clock.advance(DAY);
  await toldOf(world, 1);
  const received = {
    newsId: 'r1-received',
    kind: 'return_received',
    returnId: 'r1',
    orderId: 'o1',
    restock: true,
    at: '2030-01-01T00:00:01.000Z',
  };
  assert.equal(world.news, [{ ...received, lines: [{ lineId: 'l1', quantity: 2 }] }]);
  assert.is(one.ledger.return('r1')?.state, 'received');
  await pending(one, 0);
});

const thrownBy = async (call: Promise<unknown>): Promise<string> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof OutsideError ? `${error.retriable} ${error.outcome}` : String(error);
};

warehouse('refuses what it cannot send, and an id that comes with other contents', async (world) => {
  const one = world.open();
  assert.equal(await one.requestShipment({ ...request('s1'), address: null }), {
    outcome: 'refused',
    reason: 'There is no address to send it to.',
  });
  assert.equal(await one.requestShipment(request('s1')), {
    outcome: 'refused',
    reason: 'There is no address to send it to.',
  });
  assert.is((await one.requestShipment({ ...request('s2'), lines: [] })).outcome, 'refused');
  await one.requestShipment(request('s3'));
  assert.is(
    await thrownBy(
      one.requestShipment({ ...request('s3'), lines: [{ lineId: 'l1', sku: 'cup', quantity: 3 }] }),
    ),
    'false none',
  );
  await one.expectReturn({ returnId: 'r1', orderId: 'o1', lines });
  assert.is(await thrownBy(one.expectReturn({ returnId: 'r1', orderId: 'o2', lines })), 'false none');
});

warehouse('fails at its rates', async (world) => {
  const failing = world.open({ failureRate: 1 });
  assert.is(await thrownBy(failing.requestShipment(request('s1'))), 'true none');
  assert.is(await thrownBy(failing.cancelShipment({ shipmentId: 's1', orderId: 'o1' })), 'true none');
  assert.is(await thrownBy(failing.expectReturn({ returnId: 'r1', orderId: 'o1', lines })), 'true none');
  assert.is(failing.ledger.shipment('s1'), undefined);
  for (const [luck, acted] of [
    [0.4, true],
    [0.6, false],
  ] as const) {
    const breaking = world.open({ unknownRate: 1, randomness: { uuid: () => '', fraction: () => luck } });
    assert.is(await thrownBy(breaking.requestShipment(request(`u${luck}`))), 'true unknown');
    assert.is(breaking.ledger.shipment(`u${luck}`) !== undefined, acted);
  }
});

warehouse('many at once, 64 reports at a time', async (world) => {
  const COUNT = 2_000;
  let now = 0;
  let most = 0;
  const one = world.open({
    clock: systemClock,
    latencyMs: 0,
    report: async (news) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      world.news.push(news);
    },
  });
  await Promise.all(Array.from({ length: COUNT }, (_, i) => one.requestShipment(request(`s${i}`))));
  assert.is(one.ledger.pending(), COUNT);
  one.start();
  await pending(one, 0);
  assert.is(new Set(world.news.map(({ newsId }) => newsId)).size, 2 * COUNT);
  assert.is(world.news.length, 2 * COUNT);
  assert.ok(most > 1 && most <= 64, String(most));
  let seen = 0;
  for await (const { state } of one.ledger.shipments()) {
    assert.is(state, 'delivered');
    seen++;
  }
  assert.is(seen, COUNT);
});

warehouse('a slow report holds up no other, and one listens at a time', async (world) => {
  let free: () => void = () => undefined;
  const one = world.open({
    report(news) {
      world.news.push(news);
      return news.newsId === 's1-dispatched'
        ? new Promise<void>((resolve) => (free = resolve))
        : Promise.resolve();
    },
  });
  one.start();
  assert.throws(() => one.start(), /one listener at a time/);
  await one.requestShipment(request('s1'));
  await world.clock.advance(DAY / 2);
  await one.requestShipment(request('s2'));
  await world.clock.advance(DAY / 2);
  await toldOf(world, 1);
  await world.clock.advance(DAY / 2);
  await toldOf(world, 2);
  assert.equal(
    world.news.map(({ newsId }) => newsId),
    ['s1-dispatched', 's2-dispatched'],
  );
  free();
});

warehouse.run();

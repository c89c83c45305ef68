import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inventory } from '../../consumers/inventory/index.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import {
  brokenStockRules,
  FILLS_AT_ONCE,
  reservationId,
  reservationIn,
  stockStream,
} from '../../domain/stock/stock.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { authorize, dispatch, message, ORDER_ID } from '../domain/scenario.ts';
import { worldOf } from './world.ts';

const test = suite('inventory consumer');

/** The usual order (3 mugs, 2 lamps) in a shop with so many of each. */
const shopWith = async (
  mugs: number,
  lamps: number,
  onShortage: 'cancelOrder' | 'cancelLines' | 'backorder' = 'cancelOrder',
  over?: Parameters<typeof worldOf>[1],
) => {
  const world = worldOf(inventory, over);
  for (const [sku, quantity] of [
    ['MUG', mugs],
    ['LAMP', lamps],
  ] as const)
    if (quantity > 0) await world.stockCommand(sku, { type: 'ReceiveGoods', data: { quantity } });
  await world.place({ onShortage });
  return world;
};
type Shop = Awaited<ReturnType<typeof shopWith>>;
const levels = async (world: Shop): Promise<unknown> =>
  Promise.all(
    ['MUG', 'LAMP'].map(async (sku) => {
      const { onHand, reserved, backordered } = await world.stock(sku);
      return [onHand, reserved, backordered];
    }),
  );
const thrownBy = (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => assert.unreachable('nothing was thrown'),
    (error: unknown) => error,
  );
const placed = (world: Shop) => world.last('OrderPlaced');

test('stock is set aside once, however often the event comes', async () => {
  const world = await shopWith(10, 10);
  await world.handle(await placed(world));
  await world.handle(await placed(world));
  assert.equal(await levels(world), [
    [10, 3, 0],
    [10, 2, 0],
  ]);
  assert.equal(await world.types(), ['OrderPlaced', 'StockReserved']);
});

test('reserved and not on record, for the store broke: done again, set aside once', async () => {
  const world = await shopWith(10, 10);
  world.breakNextCommand(new StoreUnavailable('full'));
  assert.is((await thrownBy(world.handle(await placed(world)))).name, 'StoreUnavailable');
  assert.equal(await levels(world), [
    [10, 3, 0],
    [10, 2, 0],
  ]);
  await world.handle(await placed(world));
  assert.equal(await levels(world), [
    [10, 3, 0],
    [10, 2, 0],
  ]);
  assert.equal(await world.types(), ['OrderPlaced', 'StockReserved']);
});

test('reserved and not on record, and meanwhile cancelled: given back', async () => {
  const world = await shopWith(10, 10);
  world.breakNextCommand(new StoreUnavailable('full'));
  await thrownBy(world.handle(await placed(world)));
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  await world.handle(await placed(world));
  await world.handle(await world.last('OrderCancelled'));
  assert.equal(await levels(world), [
    [10, 0, 0],
    [10, 0, 0],
  ]);
  assert.equal(
    (await world.types()).filter((type) => type.startsWith('Stock')),
    ['StockReleased'],
  );
});

/** `meanwhile` runs once the first handler has looked at the order: what another process does that has its partition now. */
const takenOver = async (lamps: number, meanwhile: (world: Shop) => Promise<void>): Promise<Shop> => {
  let pending: (() => Promise<void>) | undefined;
  const world: Shop = await shopWith(10, lamps, 'cancelLines', ({ orders }) => ({
    orders: {
      ...orders,
      async load(orderId) {
        const state = await orders.load(orderId);
        const work = pending;
        pending = undefined;
        await work?.();
        return state;
      },
    },
  }));
  pending = () => meanwhile(world);
  await world.handle(await placed(world));
  return world;
};

test('set aside late, once another process has settled a cancellation: not at all', async () => {
  const world = await takenOver(10, async (shop) => {
    await shop.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
    await shop.handle(await shop.last('OrderCancelled'));
  });
  assert.equal(await levels(world), [
    [10, 0, 0],
    [10, 0, 0],
  ]);
  assert.equal(await world.types(), ['OrderPlaced', 'OrderCancelled', 'StockReleased']);
});

test('set aside late, once another process was told that there is none: given back', async () => {
  const world = await takenOver(0, async (shop) => {
    await shop.handle(await placed(shop));
    await shop.stockCommand('LAMP', { type: 'ReceiveGoods', data: { quantity: 5 } });
  });
  assert.equal(await levels(world), [
    [10, 3, 0],
    [5, 0, 0],
  ]);
});

test('set aside late, once all has left: given back, and nothing leaves twice', async () => {
  const world = await takenOver(10, async (shop) => {
    await shop.handle(await placed(shop));
    await shop.command({
      type: 'RecordAuthorization',
      data: { attempt: 1, authorizationId: 'auth-1', amountMinor: (await shop.state()).totals.totalMinor },
    });
    await shop.command({ type: 'RequestShipment', data: {} });
    await shop.command(message<OrderCommand>(dispatch('P', { 1: 3, 2: 2 })));
    await shop.handle(await shop.last('ShipmentDispatched'));
  });
  await world.handle(await world.last('ShipmentDispatched'));
  assert.equal(await levels(world), [
    [7, 0, 0],
    [8, 0, 0],
  ]);
});

test('short, by each policy', async () => {
  const none = await shopWith(10, 1);
  await none.handle(await placed(none));
  assert.equal(await levels(none), [
    [10, 0, 0],
    [1, 0, 0],
  ]);
  assert.is((await none.state()).cancelled?.reason, 'out_of_stock');

  const part = await shopWith(10, 1, 'cancelLines');
  await part.handle(await placed(part));
  assert.equal(await levels(part), [
    [10, 3, 0],
    [1, 1, 0],
  ]);
  assert.equal(
    (await part.state()).lines.map(({ reserved, cancelled }) => [reserved, cancelled]),
    [
      [3, 0],
      [1, 1],
    ],
  );

  const wait = await shopWith(10, 1, 'backorder');
  await wait.handle(await placed(wait));
  assert.equal(await levels(wait), [
    [10, 3, 0],
    [1, 1, 1],
  ]);
  assert.equal(
    (await wait.state()).lines.map(({ reserved, backordered }) => [reserved, backordered]),
    [
      [3, 0],
      [1, 1],
    ],
  );
});

test('a back-order that is filled is told to the order once', async () => {
  const world = await shopWith(10, 1, 'backorder');
  await world.handle(await placed(world));
  await world.stockCommand('LAMP', { type: 'ReceiveGoods', data: { quantity: 5 } });
  const filled = await world.last('BackorderFilled', stockStream('LAMP'));
  await world.handle(filled);
  await world.handle(filled);
  assert.equal(
    (await world.state()).lines.map(({ reserved, backordered }) => [reserved, backordered]),
    [
      [3, 0],
      [2, 0],
    ],
  );
  assert.equal((await world.types()).filter((type) => type === 'StockReserved').length, 2);
});

test('one delivery fills thousands that wait, a part at a time, those first who came first', async () => {
  const world = await shopWith(10, 0, 'backorder');
  const WAITING = 2_300;
  const reserve = (n: number): Promise<unknown> =>
    world.stockCommand('LAMP', {
      type: 'ReserveUnits',
      data: { reservationId: reservationId(ORDER_ID, `other ${n}`), quantity: 1, onShortage: 'backorder' },
    });
  for (let n = 0; n < WAITING; n++) await reserve(n);
  await world.stockCommand('LAMP', { type: 'ReceiveGoods', data: { quantity: WAITING + 1 } });
  assert.is((await world.stock('LAMP')).reserved, FILLS_AT_ONCE);
  await reserve(WAITING);
  assert.is((await world.stock('LAMP')).backordered, WAITING + 1 - FILLS_AT_ONCE, 'behind those who wait');
  for (let round = 0; round < 5; round++) {
    assert.equal(brokenStockRules(await world.stock('LAMP')), []);
    // Its order has no such line, and says so; the stock goes on all the same.
    await thrownBy(world.handle(await world.last('BackorderFilled', stockStream('LAMP'))));
  }
  const { reserved, backordered, moreToFill } = await world.stock('LAMP');
  assert.equal([reserved, backordered, moreToFill], [WAITING + 1, 0, false]);
});

test('filled before the order heard that it waits: comes again, and is right then', async () => {
  const world = await shopWith(10, 1, 'backorder');
  world.breakNextCommand(new StoreUnavailable('full'));
  await thrownBy(world.handle(await placed(world)));
  await world.stockCommand('LAMP', { type: 'ReceiveGoods', data: { quantity: 5 } });
  const filled = await world.last('BackorderFilled', stockStream('LAMP'));
  const error = await thrownBy(world.handle(filled));
  assert.is(
    world.consumer.onFailure({ event: filled, error, attempt: 1, sinceFirstMs: 0, fraction: 0.5 }).do,
    'retry',
  );
  await world.handle(await placed(world));
  // As the stock had it when it answered: the filling is still to be told.
  assert.equal(
    (await world.state()).lines.map(({ reserved, backordered, held }) => [reserved, backordered, held]),
    [
      [3, 0, 3],
      [1, 1, 2],
    ],
  );
  await world.handle(filled);
  assert.equal(
    (await world.state()).lines.map(({ reserved, backordered, held }) => [reserved, backordered, held]),
    [
      [3, 0, 3],
      [2, 0, 2],
    ],
  );
  assert.equal(await levels(world), [
    [10, 3, 0],
    [6, 2, 0],
  ]);
});

test('filled for an order that is cancelled: given back, and the next in line has it', async () => {
  const world = await shopWith(10, 1, 'backorder');
  await world.handle(await placed(world));
  await world.stockCommand('LAMP', {
    type: 'ReserveUnits',
    data: { reservationId: 'other/1', quantity: 1, onShortage: 'backorder' },
  });
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  await world.stockCommand('LAMP', { type: 'ReceiveGoods', data: { quantity: 1 } });
  await world.handle(await world.last('BackorderFilled', stockStream('LAMP')));
  const lamps = await world.stock('LAMP');
  assert.is(reservationIn(lamps, reservationId(ORDER_ID, '2')), undefined);
  assert.equal(reservationIn(lamps, 'other/1')?.reserved, 1);
  assert.is((await world.state()).lines[1]?.held, 0);
});

test('lines that are cancelled go back, the others stay', async () => {
  const world = await shopWith(10, 10);
  await world.handle(await placed(world));
  await world.command({
    type: 'CancelLines',
    data: { lines: [{ lineId: '1', quantity: 2 }], reason: 'too many' },
  });
  const cancelled = await world.last('LinesCancelled');
  await world.handle(cancelled);
  await world.handle(cancelled);
  assert.equal(await levels(world), [
    [10, 1, 0],
    [10, 2, 0],
  ]);
});

/** Reserved, paid and packed. */
const packed = async () => {
  const world = await shopWith(10, 10);
  await world.handle(await placed(world));
  await world.command(message<OrderCommand>(authorize('A', 8_500)));
  await world.command({ type: 'RequestShipment', data: {} });
  return world;
};

test('what leaves is off the shelf once; what comes back is on it once', async () => {
  const world = await packed();
  await world.command(message<OrderCommand>(dispatch('P', { 1: 3, 2: 2 })));
  for (let times = 0; times < 2; times++) await world.handle(await world.last('ShipmentDispatched'));
  assert.equal(await levels(world), [
    [7, 0, 0],
    [8, 0, 0],
  ]);
  await world.command({
    type: 'RecordReturnReceived',
    data: { returnId: 'r', lines: [{ lineId: '1', quantity: 1 }], restock: true },
  });
  for (let times = 0; times < 2; times++) await world.handle(await world.last('ReturnReceived'));
  assert.equal(await levels(world), [
    [8, 0, 0],
    [8, 0, 0],
  ]);
  await world.command({
    type: 'RecordReturnReceived',
    data: { returnId: 's', lines: [{ lineId: '1', quantity: 1 }], restock: false },
  });
  await world.handle(await world.last('ReturnReceived'));
  assert.equal(
    await levels(world),
    [
      [8, 0, 0],
      [8, 0, 0],
    ],
    'a broken one is not',
  );
});

test('it left although it was cancelled and its stock given back: the count says so, once', async () => {
  const world = await packed();
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  await world.command({
    type: 'RecordShipmentFailure',
    data: { shipmentId: `${ORDER_ID}-1`, reason: 'cancelled' },
  });
  await world.handle(await world.last('OrderCancelled'));
  assert.equal(await levels(world), [
    [10, 0, 0],
    [10, 0, 0],
  ]);
  await world.command(message<OrderCommand>(dispatch('P', { 1: 3 })));
  for (let times = 0; times < 2; times++) await world.handle(await world.last('ShipmentDispatched'));
  assert.equal(await levels(world), [
    [7, 0, 0],
    [10, 0, 0],
  ]);
});

test('700 lines are reserved a few at a time, and all given back when one is short', async () => {
  let [now, most] = [0, 0];
  const world = worldOf(inventory, ({ stocks }) => ({
    stocks: {
      async command(...args) {
        most = Math.max(most, ++now);
        return stocks.command(...args).finally(() => (now -= 1));
      },
    },
  }));
  const lines = Array.from({ length: 700 }, (_, index) => ({
    lineId: String(index + 1),
    sku: `S-${index}`,
    name: 'S',
    quantity: 2,
    unitPriceMinor: 100,
  }));
  for (const { sku } of lines)
    await world.stockCommand(sku, { type: 'ReceiveGoods', data: { quantity: sku === 'S-699' ? 1 : 2 } });
  await world.place({ lines });
  await world.handle(await world.last('OrderPlaced'));
  assert.ok(most > 1 && most <= 16, `${most} at once`);
  assert.is((await world.state()).cancelled?.reason, 'out_of_stock');
  for (const { sku } of lines) assert.is((await world.stock(sku)).reserved, 0, sku);
  assert.ok((await world.state()).lines.every(({ held }) => held === 0));
});

test.run();

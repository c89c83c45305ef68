import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { warehouse } from '../../consumers/warehouse/index.ts';
import type { OrderCommand } from '../../domain/order/commands.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { dispatch, message, SHIPMENT } from '../domain/scenario.ts';
import { ADDRESS, worldOf } from './world.ts';

const test = suite('warehouse consumer');

const confirmed = async () => {
  const world = worldOf(warehouse);
  await world.place();
  await world.confirm();
  return world;
};
/** The warehouse was asked. */
const asked = async () => {
  const world = await confirmed();
  await world.handle(await world.last('OrderConfirmed'));
  await world.handle(await world.last('ShipmentRequested'));
  return world;
};

test('what is confirmed is asked for in one shipment, however often the events come', async () => {
  const world = await asked();
  await world.handle(await world.last('OrderConfirmed'));
  await world.handle(await world.last('StockReserved'));
  assert.is((await world.types()).filter((type) => type === 'ShipmentRequested').length, 1);
  const [call] = world.warehouse.requests;
  assert.equal(call, {
    shipmentId: SHIPMENT,
    lines: [
      { lineId: '1', quantity: 3, sku: 'MUG' },
      { lineId: '2', quantity: 2, sku: 'LAMP' },
    ],
    address: ADDRESS,
  });
  // The same again is the same shipment; the port is idempotent by its id.
  await world.handle(await world.last('ShipmentRequested'));
  assert.equal(new Set(world.warehouse.requests.map(({ shipmentId }) => shipmentId)).size, 1);
  await world.command(message<OrderCommand>(dispatch('P', { 1: 3, 2: 2 })));
  const before = world.warehouse.requests.length;
  await world.handle(await world.last('ShipmentRequested'));
  assert.is(world.warehouse.requests.length, before, 'what has left is not asked for again');
});

test('an order that is not confirmed, or held, is not asked for', async () => {
  const world = worldOf(warehouse);
  await world.place();
  await world.command({
    type: 'RecordStock',
    data: {
      lines: [
        { lineId: '1', reserved: 3, backordered: 0, short: 0 },
        { lineId: '2', reserved: 2, backordered: 0, short: 0 },
      ],
    },
  });
  await world.handle(await world.last('StockReserved'));
  assert.not.ok((await world.types()).includes('ShipmentRequested'));
  await world.command({
    type: 'RecordAuthorization',
    data: { attempt: 1, authorizationId: 'A', amountMinor: 8_500 },
  });
  await world.command({ type: 'HoldOrder', data: { hold: 'operator', reason: 'looks odd' } });
  await world.handle(await world.last('OrderConfirmed'));
  assert.not.ok((await world.types()).includes('ShipmentRequested'));
  await world.command({ type: 'ReleaseOrder', data: { hold: 'operator', reason: 'all is well' } });
  await world.handle(await world.last('OrderReleased'));
  assert.ok((await world.types()).includes('ShipmentRequested'));
});

test('what the warehouse refuses is cancelled', async () => {
  const world = await confirmed();
  world.warehouse.refuses = 'There is no such street.';
  await world.handle(await world.last('OrderConfirmed'));
  await world.handle(await world.last('ShipmentRequested'));
  const { cancelled, shipments } = await world.state();
  assert.is(shipments[0]?.failed, 'There is no such street.');
  assert.ok(cancelled);
});

test('a cancellation that comes before the warehouse was asked stops the request', async () => {
  const world = await confirmed();
  await world.handle(await world.last('OrderConfirmed'));
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  await world.handle(await world.last('ShipmentRequested'));
  await world.handle(await world.last('CancellationRequested'));
  assert.equal([world.warehouse.requests.length, world.warehouse.cancellations], [0, [SHIPMENT]]);
  assert.is((await world.state()).cancelled?.reason, 'changed my mind');
});

test('stopped at the warehouse and not on record, for the store broke: stopped again', async () => {
  const world = await asked();
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  const requested = await world.last('CancellationRequested');
  world.breakNextCommand(new StoreUnavailable('full'));
  await world.handle(requested).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.name, 'StoreUnavailable'),
  );
  await world.handle(requested);
  await world.handle(requested);
  assert.equal(world.warehouse.cancellations, [SHIPMENT, SHIPMENT]);
  assert.ok((await world.state()).cancelled);
});

test('too late to stop: the order goes on until the warehouse tells what left', async () => {
  const world = await asked();
  world.warehouse.tooLate = true;
  await world.command({ type: 'CancelOrder', data: { reason: 'changed my mind' } });
  await world.handle(await world.last('CancellationRequested'));
  assert.is((await world.state()).cancelled, undefined);
  const { lines } = await world.command(message<OrderCommand>(dispatch('P', { 1: 3, 2: 2 })));
  assert.equal(
    lines.map(({ dispatched }) => dispatched),
    [3, 2],
  );
});

test('an address that was erased is not made up', async () => {
  const world = await confirmed();
  await world.handle(await world.last('OrderConfirmed'));
  await world.deps.vault.erase('c-1');
  await world.handle(await world.last('ShipmentRequested'));
  assert.is(world.warehouse.requests[0]?.address, null);
});

test('goods on their way back are announced until they are here', async () => {
  const world = await asked();
  await world.command(message<OrderCommand>(dispatch('P', { 1: 3, 2: 2 })));
  await world.command({
    type: 'RequestReturn',
    data: { returnId: 'r', lines: [{ lineId: '1', quantity: 1 }], reason: 'chipped' },
  });
  const announced = await world.last('ReturnRequested');
  await world.handle(announced);
  assert.equal(world.warehouse.returns, [
    { returnId: 'r', lines: [{ lineId: '1', quantity: 1, sku: 'MUG' }] },
  ]);
  await world.command({
    type: 'RecordReturnReceived',
    data: { returnId: 'r', lines: [{ lineId: '1', quantity: 1 }], restock: true },
  });
  await world.handle(announced);
  assert.is(world.warehouse.returns.length, 1);
});

test.run();

/** The simulated outside, in one process, as another one meets it. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryLedger } from '../../adapters/memory/ledger.ts';
import type { Ledger } from '../../adapters/simulated/ledger.ts';
import { remoteOutside, serveOutside, type Providers } from '../../adapters/simulated/over-http.ts';
import { simulatedPaymentGateway } from '../../adapters/simulated/payment-gateway.ts';
import { simulatedWarehouse } from '../../adapters/simulated/warehouse.ts';
import { systemClock, systemRandomness } from '../../adapters/system.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { WarehouseNews } from '../../ports/outside/warehouse.ts';
import { until } from '../fake-clock.ts';
import { quietLog } from '../quiet-log.ts';
import { thrown } from '../thrown.ts';

const test = suite('the simulated outside over HTTP');
const parts = { clock: systemClock, randomness: systemRandomness, log: quietLog };
const currency = 'GBP';
const lines = [{ lineId: 'l1', sku: 'MUG', quantity: 2 }];

/** Serves the outside with these books, on `port` (0: any); `latencyMs`: of what the warehouse does. */
const serving = async (books: Ledger, { port = 0, failureRate = 0, latencyMs = 1 } = {}) => {
  const rates = { failureRate, unknownRate: 0 };
  const gateway = simulatedPaymentGateway({
    ...parts,
    ...rates,
    books,
    latencyMs: 0,
    declineRate: 0,
    actionUrl: 'http://bank',
  });
  const warehouse = simulatedWarehouse({ ...parts, books, latencyMs, failureRate });
  const { handle, close } = serveOutside({ gateway, warehouse, clock: systemClock });
  const server: Server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: actual } = server.address() as AddressInfo;
  return {
    port: actual,
    outside: remoteOutside({ url: `http://127.0.0.1:${actual}/`, ...parts }),
    async close() {
      await close();
      await warehouse.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
};
const paid = async ({ gateway }: Providers, key: string) => {
  const authorized = await gateway.authorize({ key, orderId: 'o1', amountMinor: 500, currency });
  assert.is(authorized.outcome, 'authorized');
  return authorized as Extract<typeof authorized, { outcome: 'authorized' }>;
};

test('calls are answered as they are in one process, and once for each key', async () => {
  const { outside, close } = await serving(memoryLedger(), { latencyMs: 3_600_000 });
  const { gateway, warehouse } = outside;
  const { authorizationId } = await paid(outside, 'a');
  assert.is((await paid(outside, 'a')).authorizationId, authorizationId);
  const about = { orderId: 'o1', currency };
  const captured = await gateway.capture({ key: 'c', authorizationId, amountMinor: 300, ...about });
  assert.is(captured.outcome, 'captured');
  const captureId = 'captureId' in captured ? captured.captureId : '';
  assert.is((await gateway.refund({ key: 'r', captureId, amountMinor: 100, ...about })).outcome, 'refunded');
  const tooMuch = await gateway.refund({ key: 'r2', captureId, amountMinor: 1_000, ...about });
  assert.equal([tooMuch.outcome, 'code' in tooMuch && tooMuch.code], ['failed', 'amount_too_large']);
  assert.is((await gateway.void({ key: 'v', orderId: 'o1', authorizationId })).outcome, 'voided');
  assert.is((await gateway.abandon({ key: 'never', orderId: 'o1' })).outcome, 'abandoned');
  const shipment = { shipmentId: 's1', orderId: 'o1', lines, address: { city: 'London' } };
  assert.equal(await warehouse.requestShipment(shipment), { outcome: 'accepted' });
  assert.equal(await warehouse.cancelShipment({ shipmentId: 's1', orderId: 'o1' }), { outcome: 'cancelled' });
  await warehouse.expectReturn({ returnId: 'r1', orderId: 'o1', lines });
  await close();
});

test('what fails there fails here in the same way; who is not there may have acted', async () => {
  const broken = await serving(memoryLedger(), { failureRate: 1 });
  const authorize = (amountMinor: number, { gateway }: Providers) =>
    thrown(gateway.authorize({ key: 'k', orderId: 'o1', amountMinor, currency }));
  const failed = await authorize(1, broken.outside);
  assert.instance(failed, OutsideError);
  assert.equal([(failed as OutsideError).retriable, (failed as OutsideError).outcome], [true, 'none']);
  await broken.close();
  const gone = (await authorize(1, broken.outside)) as OutsideError;
  assert.equal([gone.retriable, gone.outcome], [true, 'unknown']);
  const sound = await serving(memoryLedger());
  const wrong = (await authorize(-1, sound.outside)) as OutsideError;
  assert.equal([wrong.name, wrong.retriable], ['OutsideError', false]);
  await sound.close();
});

test('news is told until it is taken, also by a server that starts anew', async () => {
  const books = memoryLedger();
  const first = await serving(books);
  const told: WarehouseNews[] = [];
  let refusals = 1;
  const listening = first.outside.warehouse.listen!(async (news) => {
    told.push(news);
    if (refusals-- > 0) throw new Error('not now');
  });
  const shipment = { orderId: 'o1', lines, address: {} };
  /** As a consumer does: again, when a connection that was kept open has broken. */
  const request = (shipmentId: string) =>
    until(`${shipmentId} is asked for`, async () => {
      const failed = await thrown(first.outside.warehouse.requestShipment({ shipmentId, ...shipment }));
      return failed === undefined;
    });
  await request('s1');
  await until('it is delivered', () => told.some(({ kind }) => kind === 'delivered'));
  assert.equal(
    told.slice(0, 2).map(({ newsId }) => newsId),
    ['s1-dispatched', 's1-dispatched'],
    'again after it was refused',
  );
  await first.close();
  const second = await serving(books, { port: first.port });
  await request('s2');
  await until('the next', () =>
    told.some(
      ({ kind, orderId, newsId }) => kind === 'delivered' && orderId === 'o1' && newsId.startsWith('s2'),
    ),
  );
  await listening.stop();
  await request('s3');
  const later: string[] = [];
  const next = second.outside.warehouse.listen!(async ({ newsId }) => void later.push(newsId));
  await until('whoever listens next hears it', () => later.includes('s3-delivered'), 120_000);
  await next.stop();
  await second.close();
});
test.run();

/** A shop that was driven hard, brought to rest, and its books looked at. */
import * as assert from 'uvu/assert';
import { system } from '../../adapters/system.ts';
import { readEnvironment } from '../../compose/environment.ts';
import { openParts } from '../../compose/parts.ts';
import type { OrderState } from '../../domain/order/state.ts';
import { statusOf } from '../../domain/order/status.ts';
import { brokenAccounts, foldAll } from '../crash/accounts.ts';
import { HOT_SKU, SKUS, type Customers } from '../crash/customers.ts';
import { runScript, type ServerProcess } from '../crash/server-process.ts';
import { eventually, type Client } from '../flow/client.ts';

const hasEnded = (order: OrderState): boolean =>
  order.closedAt !== undefined && ['delivered', 'cancelled'].includes(statusOf(order));

const PLENTY = 1_000_000;
const END_MS = 240_000;

/** `servers`: ended here, the last one last; it answers `client`. */
export type Driven = Readonly<{
  /** How long the last order may take to end. */
  endMs?: number;
  variables: Readonly<Record<string, string>>;
  client: Client;
  shoppers: Customers;
  servers: readonly ServerProcess[];
}>;

/** What `/ops` says of each; undefined while the log cannot be asked, as for some seconds after its server is back. */
export const reportsOf = async (
  client: Client,
  what: 'forward' | 'consumers',
): Promise<readonly any[] | undefined> => {
  const { status, text, body } = await client.call('GET', `/ops/${what}`);
  assert.ok(status === 200 || status === 503, `/ops/${what}: ${status} ${text.slice(0, 500)}`);
  return status === 200 ? body.items : undefined;
};

/**
 * Whoever waits for goods gets them, every order ends, nothing is parked, the servers end in peace, and events, money,
 * parcels, stock and mails agree. Answers how many orders there are.
 */
export const comesToRest = async ({
  variables,
  client,
  shoppers,
  servers,
  endMs = END_MS,
}: Driven): Promise<number> => {
  for (const sku of [HOT_SKU, ...SKUS])
    await client.ok('POST', `/stock/${sku}/receive`, { body: { quantity: PLENTY } });
  const onStore = Object.entries(variables).filter(([name]) => !name.startsWith('KAFKA_'));
  const parts = await openParts(readEnvironment(Object.fromEntries(onStore)), system);
  try {
    let unrest: readonly string[] = [];
    const isBusy = async (what: 'forward' | 'consumers'): Promise<boolean> => {
      const reports = await reportsOf(client, what);
      unrest = reports
        ? reports
            .filter(({ lag, retrying = 0 }) => lag.events > 0 || retrying > 0)
            .map((busy: unknown) => JSON.stringify(busy))
        : [`/ops/${what} cannot be asked`];
      return unrest.length > 0;
    };
    // Orders, then what is on its way to consumers, then those: what moves on meanwhile is seen in its next place.
    const ended = async (): Promise<boolean> => {
      if (await isBusy('consumers')) return false; // which costs less than looking at every order
      const { orders } = await foldAll(parts);
      unrest = [...orders]
        .filter(([, order]) => !hasEnded(order))
        .map(([orderId, order]) => `order ${orderId} is ${statusOf(order)}`);
      return unrest.length === 0 && !(await isBusy('forward')) && !(await isBusy('consumers'));
    };
    await eventually('every order to end', ended, endMs).catch((error: Error) => {
      const logs = servers.map((server) => server.errors().slice(-2_000));
      assert.unreachable([error.message, ...unrest.slice(0, 20), ...logs].join('\n'));
    });
    assert.equal((await client.ok('GET', '/ops/parked')).items, []);
    for (const server of servers)
      assert.equal(await server.end('SIGTERM'), { code: 0, signal: null }, server.errors());
    const folded = await foldAll(parts);
    for (const orderId of shoppers.acknowledged.keys())
      assert.ok(folded.orders.has(orderId), `${orderId} is gone`);
    assert.is(folded.orders.size, shoppers.acknowledged.size);
    const { DATA_DIR: folder = '' } = variables;
    assert.equal(await brokenAccounts(folder, parts, folded), [], `the books of ${folder}`);
    assert.is(await runScript('check', variables), undefined);
    return folded.orders.size;
  } finally {
    await parts.close();
  }
};

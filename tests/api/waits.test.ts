/** Requests that wait for a view: how many may, and what becomes of them when their client goes. */
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSeats, type Seats } from '../../shop/seats.ts';
import { until } from '../fake-clock.ts';
import { startApi, type Harness } from './harness.ts';

/** Seats that tell how many are taken, and how often there was none. */
const watched = () => {
  const seats = createSeats(2_000);
  const seen = { now: 0, most: 0, refused: 0 };
  const waits: Seats = {
    take(...whose) {
      const seat = seats.take(...whose);
      if (!seat) {
        seen.refused += 1;
        return undefined;
      }
      seen.most = Math.max(seen.most, (seen.now += 1));
      return {
        leave() {
          seat.leave();
          seen.now -= 1;
        },
      };
    },
  };
  return { waits, seen };
};
const withApi =
  (act: (api: Harness, seen: ReturnType<typeof watched>['seen']) => Promise<void>) =>
  async (): Promise<void> => {
    const { waits, seen } = watched();
    const api = await startApi((deps) => ({ ...deps, waits }));
    try {
      await api.product('MUG-RED', 'Red mug', 1_000);
      await act(api, seen);
    } finally {
      await api.close();
    }
  };

const test = suite('waits');

test(
  'pipelined on one connection they are few, end with it, and hold up nobody else',
  withApi(async (api, seen) => {
    const { orderId } = await api.place([{ sku: 'MUG-RED', quantity: 2 }]);
    const { hostname, port } = new URL(api.url);
    const request = [
      `GET /orders/${orderId}?atLeast=999 HTTP/1.1`,
      `Host: ${hostname}`,
      `Authorization: Bearer ${await api.token('customer:ada')}`,
      'Prefer: wait=30',
      '\r\n',
    ].join('\r\n');
    const send = (times: number) => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      socket.write(request.repeat(times));
      return socket;
    };
    const socket = send(100);
    await until('all to be read', () => seen.now === 20 && seen.refused === 80);
    const { status } = await api.call('GET', `/orders/${orderId}`, { as: 'operator' });
    assert.is(status, 200, 'another is answered meanwhile');
    socket.destroy();
    await until('all to end', () => seen.now === 0);

    // The server reads no further than it can answer.
    seen.refused = 0;
    const endless = send(20_000);
    await until('some to be refused', () => seen.refused > 0);
    assert.is((await api.call('GET', `/orders/${orderId}`, { as: 'operator' })).status, 200);
    assert.is(seen.most, 20);
    assert.ok(seen.refused < 3_000, `${seen.refused} of 20,000 were looked at`);
    endless.destroy();
  }),
);

test(
  'of one customer they are bounded over all connections: 503 with Retry-After',
  withApi(async (api, seen) => {
    const { orderId } = await api.place([{ sku: 'MUG-RED', quantity: 2 }]);
    const gone = new AbortController();
    const headers = { authorization: `Bearer ${await api.token('customer:ada')}`, prefer: 'wait=30' };
    const ask = () => fetch(`${api.url}/orders/${orderId}?atLeast=999`, { headers, signal: gone.signal });
    const waiting = Array.from({ length: 50 }, () => ask().catch(() => undefined));
    await until('as many as may', () => seen.now === 50);
    const refused = await ask();
    assert.is(refused.status, 503);
    assert.is(refused.headers.get('retry-after'), '1');
    assert.is(((await refused.json()) as { code: string }).code, 'too_many_waits');
    gone.abort();
    await Promise.all(waiting);
    await until('all to end', () => seen.now === 0);
  }),
);
test.run();

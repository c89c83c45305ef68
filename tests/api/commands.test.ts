import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryEventStore } from '../../adapters/memory/event-store.ts';
import { routes } from '../../api/routes/index.ts';
import { StoreUnavailable } from '../../ports/event-store.ts';
import { createExecutor } from '../../runtime/command/execute.ts';
import { NEW_ORDER, startApi, type Harness } from './harness.ts';

const withApi = (run: (api: Harness) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    await api.product('MUG-RED', 'Red mug', 1_000);
    await run(api);
  } finally {
    await api.close();
  }
};
const MUG = [{ sku: 'MUG-RED', quantity: 3 }];
const REASON = { reason: 'because' };

const commands = suite('order commands');

commands(
  'each does what it says, and its repeat says the same and stores nothing',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    let keys = 0;
    const twice = async (as: string, name: string, body: object) => {
      const call = { as, body, key: `key-${keys++}` };
      const first = await api.call('POST', `/orders/${orderId}/${name}`, call);
      assert.is(first.status, 200, `${name}: ${first.text}`);
      assert.is(first.headers.get('etag'), `"${first.body.revision}"`);
      const tail = await api.deps.store.tail();
      assert.is(first.body.position, tail, name);
      const again = await api.call('POST', `/orders/${orderId}/${name}`, call);
      assert.is(again.text, first.text, name);
      assert.is(await api.deps.store.tail(), tail, name);
      return first.body;
    };
    assert.is(
      (
        await twice('customer:ada', 'address', {
          shippingAddress: { ...NEW_ORDER.shippingAddress, city: 'Bath' },
        })
      ).revision,
      1,
    );
    assert.is((await twice('operator', 'hold', REASON)).status, 'held');
    assert.is((await twice('operator', 'release', REASON)).status, 'placed');
    await api.command(orderId, {
      type: 'RecordDecline',
      data: { attempt: 1, code: 'card_declined', sentence: 'No.' },
    });
    await twice('customer:ada', 'payment', { token: 'tok_other' });
    await api.command(orderId, {
      type: 'RecordAuthorization',
      data: { attempt: 2, authorizationId: 'auth-1', amountMinor: 3_495 },
    });
    await twice('customer:ada', 'cancel-lines', { lines: [{ lineId: '1', quantity: 1 }], ...REASON });
    await api.command(orderId, {
      type: 'RecordStock',
      data: { lines: [{ lineId: '1', reserved: 2, backordered: 0, short: 0 }] },
    });
    await api.ship(orderId);
    await api.command(orderId, { type: 'RecordDelivery', data: { shipmentId: 's', parcelId: 'p1' } });
    await twice('customer:ada', 'returns', { lines: [{ lineId: '1', quantity: 1 }], ...REASON });
    await twice('operator', 'refunds', { amount: { amountMinor: 100, currency: 'GBP' }, ...REASON });
    const { body } = await api.call('GET', `/orders/${orderId}?revision=1`, { as: 'customer:ada' });
    assert.is(body.shippingAddress.city, 'Bath');
    const cancel = await api.call('POST', `/orders/${orderId}/cancel`, { as: 'operator', body: REASON });
    assert.equal([cancel.status, cancel.body.code], [409, 'already_shipped']);
  }),
);

commands(
  'refusals have a status, a code and a sentence, and store nothing',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    const tail = await api.deps.store.tail();
    const refused = async (name: string, body: object, status: number, code: string, as = 'operator') => {
      const answer = await api.call('POST', `/orders/${orderId}/${name}`, { as, body });
      assert.equal([answer.status, answer.body.code], [status, code], `${name}: ${answer.text}`);
      assert.match(answer.body.detail, /\w+ .*\.$/);
    };
    await refused('release', REASON, 409, 'not_held');
    await refused('cancel-lines', { lines: [{ lineId: '9', quantity: 1 }], ...REASON }, 422, 'unknown_line');
    await refused(
      'cancel-lines',
      { lines: [{ lineId: '1', quantity: 4 }], ...REASON },
      409,
      'not_cancellable',
    );
    await refused('returns', { lines: [{ lineId: '1', quantity: 1 }], ...REASON }, 409, 'not_returnable');
    await refused(
      'refunds',
      { amount: { amountMinor: 1, currency: 'GBP' }, ...REASON },
      409,
      'exceeds_captured',
    );
    await refused(
      'refunds',
      { amount: { amountMinor: 1, currency: 'EUR' }, ...REASON },
      422,
      'currency_mismatch',
    );
    await refused(
      'refunds',
      { amount: { amountMinor: 0, currency: 'GBP' }, ...REASON },
      422,
      'invalid_request',
    );
    await refused('payment', { token: 'tok' }, 409, 'payment_in_progress', 'customer:ada');
    await refused('cancel', {}, 422, 'invalid_request');
    await refused('cancel', { reason: 'x'.repeat(501) }, 422, 'invalid_request');
    await refused('cancel', { reason: 'half \ud800' }, 422, 'invalid_request');
    await refused('cancel', { ...REASON, force: true }, 422, 'invalid_request');
    await refused(
      'address',
      { shippingAddress: { ...NEW_ORDER.shippingAddress, country: 'XK' } },
      422,
      'invalid_request',
    );
    assert.is(await api.deps.store.tail(), tail);
  }),
);

commands(
  'If-Match: 412 when the order has moved on, but not for a repeat',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    const hold = (key: string, match: string) =>
      api.call('POST', `/orders/${orderId}/hold`, {
        as: 'operator',
        body: REASON,
        key,
        headers: { 'if-match': match },
      });
    assert.equal((await hold('k1', '"7"')).body.code, 'revision_mismatch');
    const done = await hold('k1', '"0"');
    assert.equal([done.status, done.body.revision], [200, 1]);
    assert.is((await hold('k1', '"0"')).text, done.text);
    const stale = await hold('k2', '"0"');
    assert.equal([stale.status, stale.body.code], [412, 'revision_mismatch']);
    for (const malformed of ['0', 'W/"0"', '"x"', '"0", "1"'])
      assert.equal((await hold('k3', malformed)).body.code, 'invalid_if_match', malformed);
    assert.is((await hold('k4', '*')).body.code, 'already_held');
  }),
);

commands(
  'of two that want the same revision at once, one is refused',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    const cancelOne = (key: string) =>
      api.call('POST', `/orders/${orderId}/cancel-lines`, {
        as: 'customer:ada',
        key,
        body: { lines: [{ lineId: '1', quantity: 1 }], ...REASON },
        headers: { 'if-match': '"0"' },
      });
    const answers = await Promise.all([cancelOne('a'), cancelOne('b')]);
    assert.equal(answers.map(({ status }) => status).sort(), [200, 412]);
  }),
);

commands(
  'one key on two calls is two commands',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    for (const name of ['hold', 'release'])
      assert.is(
        (await api.call('POST', `/orders/${orderId}/${name}`, { as: 'operator', body: REASON, key: 'same' }))
          .status,
        200,
      );
  }),
);
commands.run();

const many = suite('many orders at once');

many(
  'open orders that match are counted, then cancelled while that many do; one that has left is refused by name',
  withApi(async (api) => {
    await api.product('LAMP', 'Lamp', 4_000);
    const lamp = [{ sku: 'LAMP', quantity: 1 }];
    const lamps = [await api.place(lamp), await api.place(lamp), await api.place(lamp)];
    const mug = await api.place(MUG);
    const [sent, , confirmed] = lamps;
    await api.confirm(sent.orderId);
    await api.ship(sent.orderId);
    await api.confirm(confirmed.orderId);
    await api.settled();
    const cancel = (body: object) => api.call('POST', '/ops/orders/cancel', { as: 'operator', body });
    const reason = 'the lamps never came';
    for (const body of [
      { reason, dryRun: true },
      { reason, sku: 'LAMP' },
      { sku: 'LAMP', dryRun: true },
      { reason, sku: 'LAMP', dryRun: true, matches: 3 },
    ])
      assert.is((await cancel(body)).status, 422, JSON.stringify(body));
    assert.is(
      (await api.call('POST', '/ops/orders/cancel', { as: 'customer:ada', body: { reason } })).status,
      403,
    );

    assert.equal((await cancel({ reason, sku: 'LAMP', dryRun: true })).body, { matches: 3 });
    const stale = await cancel({ reason, sku: 'LAMP', matches: 4 });
    assert.equal([stale.status, stale.body.code], [409, 'matches_changed']);
    const statuses = async () =>
      Promise.all(
        [...lamps, mug].map(
          async ({ orderId }) =>
            (await api.call('GET', `/orders/${orderId}`, { as: 'operator' })).body.status,
        ),
      );
    const before = await statuses();
    assert.not.ok(before.includes('cancelled'), 'nothing is cancelled by then');

    const { body } = await cancel({ reason, sku: 'LAMP', matches: 3 });
    assert.equal([body.cancelled, body.requested, body.refused], [2, 0, 1], JSON.stringify(body));
    assert.equal([body.first[0].orderId, body.first[0].code], [sent.orderId, 'already_shipped']);
    await api.settled();
    assert.equal(await statuses(), [before[0], 'cancelled', 'cancelled', before[3]]);
    const { items } = (await api.call('GET', `/orders/${confirmed.orderId}/history`, { as: 'operator' }))
      .body;
    const told = items.find(({ type }: any) => type === 'OrderCancelled');
    assert.equal([told.data.reason, told.meta.actor.id], [reason, 'operator']);
    assert.equal((await cancel({ reason, sku: 'LAMP', dryRun: true })).body, { matches: 1 });
  }),
);
many.run();

const access = suite('who may');

/** A path and a body with which a route gets past roles. */
const pathOf = (path: string, orderId: string): string =>
  path
    .replace('/orders/{id}', `/orders/${orderId}`)
    .replace('/customers/{id}', '/customers/ada')
    .replace('{sku}', 'MUG-RED')
    .replace('{id}', 'none');

access(
  'every route × every role: 401 without a token, 403 for other roles, past that for its own',
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    for (const { method, path, roles, bodyKind } of routes) {
      const address = pathOf(path, orderId);
      const ask = (as?: string) =>
        api.call(method.toUpperCase(), address, {
          ...(as === undefined ? {} : { as }),
          ...(method === 'get' ? {} : { body: {} }),
        });
      const nobody = await ask();
      if (roles === 'anyone') {
        assert.ok(
          nobody.status !== 403 && (nobody.status !== 401 || bodyKind === 'raw'),
          `${method} ${path}`,
        );
        continue;
      }
      assert.equal(
        [nobody.status, nobody.body.code, nobody.headers.get('www-authenticate')],
        [401, 'missing_token', 'Bearer'],
        `${method} ${path}`,
      );
      for (const role of ['customer', 'operator', 'auditor'] as const) {
        const answer = await ask(role === 'customer' ? 'customer:ada' : role);
        if (roles.includes(role))
          assert.ok(
            ![401, 403, 404, 500].includes(answer.status) ||
              ['parked_not_found', 'projection_not_found'].includes(answer.body.code),
            `${method} ${path} as ${role}: ${answer.text}`,
          );
        else
          assert.equal([answer.status, answer.body.code], [403, 'forbidden'], `${method} ${path} as ${role}`);
      }
    }
  }),
);

access(
  "another customer's token can do nothing with an order",
  withApi(async (api) => {
    const { orderId } = await api.place(MUG);
    const tail = await api.deps.store.tail();
    const bodies: Record<string, object> = {
      cancel: REASON,
      'cancel-lines': { lines: [{ lineId: '1', quantity: 1 }], ...REASON },
      address: { shippingAddress: NEW_ORDER.shippingAddress },
      returns: { lines: [{ lineId: '1', quantity: 1 }], ...REASON },
      payment: { token: 'tok' },
    };
    for (const [name, body] of Object.entries(bodies)) {
      const answer = await api.call('POST', `/orders/${orderId}/${name}`, { as: 'customer:bob', body });
      assert.equal([answer.status, answer.body.code], [403, 'not_your_order'], name);
    }
    assert.is(await api.deps.store.tail(), tail);
  }),
);
access.run();

const faults = suite('faults');

faults('a store that is away is 503 with Retry-After, and a bug is 500 that tells nothing', async () => {
  let error: Error = new StoreUnavailable('disk /secret/path is full');
  const api = await startApi((deps) => {
    const failing = {
      ...memoryEventStore(),
      readStream: () => {
        throw error;
      },
    };
    return { ...deps, executor: createExecutor({ store: failing, clock: deps.clock }), store: failing };
  });
  try {
    const ask = () => api.call('GET', '/orders/01890000-0000-8000-8000-000000000000', { as: 'operator' });
    const away = await ask();
    assert.equal([away.status, away.body.code, away.headers.get('retry-after')], [503, 'unavailable', '1']);
    assert.equal(api.logged, []);
    error = new TypeError('x is undefined at /secret/path');
    const broken = await ask();
    assert.equal([broken.status, broken.body.code], [500, 'internal_error']);
    assert.not.match(away.text + broken.text, /secret/);
    assert.match(String(api.logged[0]?.stack), /TypeError/);
  } finally {
    await api.close();
  }
});
faults.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { signatureOf } from '../../api/signature.ts';
import { orderStream } from '../../domain/order/events.ts';
import { orders } from '../../domain/order/order.ts';
import { PAYMENT_SECRET, startApi, WAREHOUSE_SECRET, type Harness } from './harness.ts';

const withApi = (run: (api: Harness, orderId: string) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    await api.product('MUG-RED', 'Red mug', 1_000);
    await run(api, (await api.place([{ sku: 'MUG-RED', quantity: 2 }])).orderId);
  } finally {
    await api.close();
  }
};
type Options = Readonly<{
  secret?: string;
  ageSeconds?: number;
  header?: string;
  tamper?: (body: string) => string;
  signature?: string;
}>;
const tell = (
  api: Harness,
  path: string,
  news: unknown,
  { secret, ageSeconds = 0, header = 'webhook-signature', tamper = (body) => body, signature }: Options = {},
) => {
  const body = typeof news === 'string' ? news : JSON.stringify(news);
  const seconds = Math.floor(api.deps.clock.now().getTime() / 1000) - ageSeconds;
  const by = secret ?? (path === '/warehouse/events' ? WAREHOUSE_SECRET : PAYMENT_SECRET);
  return api.call('POST', path, {
    raw: tamper(body),
    headers: { [header]: signature ?? `t=${seconds},v1=${signatureOf(by, seconds, body)}` },
  });
};
const at = (api: Harness): string => api.deps.clock.now().toISOString();
const stateOf = async (api: Harness, orderId: string) =>
  (await api.call('GET', `/orders/${orderId}?atLeast=0`, { as: 'operator' })).body;

const warehouse = suite('news of the warehouse');

warehouse(
  'dispatched, delivered and come back, each once however often it is told',
  withApi(async (api, orderId) => {
    await api.confirm(orderId);
    await api.command(orderId, { type: 'RequestShipment', data: {} });
    const { state } = await api.deps.executor.load(orders, orderStream(orderId));
    const shipmentId = state.shipments[0]?.shipmentId ?? '';
    const dispatched = {
      newsId: 'n1',
      orderId,
      at: at(api),
      kind: 'dispatched',
      shipmentId,
      parcelId: 'p1',
      lines: [{ lineId: '1', quantity: 2 }],
      carrier: 'Royal Mail',
      trackingNumber: 'RM1',
    };
    const first = await tell(api, '/warehouse/events', dispatched);
    assert.is(first.status, 200, first.text);
    const tail = await api.deps.store.tail();
    const delivered = await tell(api, '/warehouse/events', {
      newsId: 'n2',
      orderId,
      at: at(api),
      kind: 'delivered',
      shipmentId,
      parcelId: 'p1',
    });
    assert.ok(delivered.body.revision > first.body.revision);
    assert.is.not(await api.deps.store.tail(), tail);
    assert.is(
      (
        await tell(api, '/warehouse/events', {
          newsId: 'n3',
          orderId,
          at: at(api),
          kind: 'return_received',
          returnId: 'r1',
          lines: [{ lineId: '1', quantity: 1 }],
          restock: true,
        })
      ).status,
      200,
    );
    const end = await api.deps.store.tail();
    assert.is((await tell(api, '/warehouse/events', dispatched)).text, first.text);
    assert.is(await api.deps.store.tail(), end);
    await api.settled();
    const { shipments, lines } = await stateOf(api, orderId);
    assert.equal(
      [shipments.length, shipments[0].carrier, lines[0].dispatched, lines[0].returned],
      [1, 'Royal Mail', 2, 1],
    );
    const history = await api.call('GET', `/orders/${orderId}/history`, { as: 'auditor' });
    assert.equal(history.body.items.at(-1).meta.actor, { id: 'warehouse', role: 'system' });
  }),
);

warehouse(
  'happened when it says, but never in the future',
  withApi(async (api, orderId) => {
    await api.confirm(orderId);
    await api.command(orderId, { type: 'RequestShipment', data: {} });
    const history = async () =>
      (await api.call('GET', `/orders/${orderId}/history`, { as: 'auditor' })).body.items;
    const shipmentId = (await history()).at(-1).data.shipmentId;
    api.moveOn(3_600_000);
    const happened = new Date(api.deps.clock.now().getTime() - 1_800_000).toISOString();
    const line = (newsId: string, parcelId: string, when: string) => ({
      newsId,
      orderId,
      at: when,
      kind: 'dispatched',
      shipmentId,
      parcelId,
      lines: [{ lineId: '1', quantity: 1 }],
    });
    await tell(api, '/warehouse/events', line('n1', 'p1', happened));
    await tell(api, '/warehouse/events', line('n2', 'p2', '2999-01-01T00:00:00Z'));
    const times = (await history())
      .filter(({ type }: { type: string }) => type === 'ShipmentDispatched')
      .map(({ meta }: { meta: { at: string } }) => meta.at);
    assert.is(times[0], happened);
    assert.ok(times[1] <= at(api));
  }),
);

warehouse(
  'what cannot be true is refused',
  withApi(async (api, orderId) => {
    const tail = await api.deps.store.tail();
    const refused = async (news: object, status: number, code: string) => {
      const answer = await tell(api, '/warehouse/events', { newsId: 'n', orderId, at: at(api), ...news });
      assert.equal([answer.status, answer.body.code], [status, code], answer.text);
    };
    await refused(
      { kind: 'dispatched', shipmentId: 'none', parcelId: 'p', lines: [{ lineId: '1', quantity: 1 }] },
      409,
      'unknown_shipment',
    );
    await refused({ kind: 'delivered', shipmentId: 'none', parcelId: 'p' }, 409, 'unknown_parcel');
    await refused(
      { kind: 'return_received', returnId: 'r', lines: [{ lineId: '1', quantity: 1 }], restock: true },
      409,
      'more_than_dispatched',
    );
    await refused(
      { kind: 'return_received', returnId: 'r', lines: [{ lineId: '7', quantity: 1 }], restock: true },
      422,
      'unknown_line',
    );
    await refused({ kind: 'lost' }, 422, 'invalid_request');
    await refused({ kind: 'delivered', shipmentId: 's', parcelId: 'p', extra: 1 }, 422, 'invalid_request');
    await refused(
      { kind: 'delivered', shipmentId: 's', parcelId: 'p', orderId: '01890000-0000-8000-8000-000000000000' },
      404,
      'order_not_found',
    );
    assert.is((await tell(api, '/warehouse/events', '{"newsId":')).body.code, 'malformed_json');
    assert.is(await api.deps.store.tail(), tail);
  }),
);
warehouse.run();

const signatures = suite('signatures');

signatures(
  "missing, wrong, tampered with, another's or old: 401 and nothing stored",
  withApi(async (api, orderId) => {
    const news = {
      newsId: 'n1',
      orderId,
      kind: 'authorized',
      attempt: 1,
      authorizationId: 'a1',
      amountMinor: 2_495,
    };
    const tail = await api.deps.store.tail();
    const refused = async (code: string, options: Options) => {
      const answer = await tell(api, '/payments/events', news, options);
      assert.equal([answer.status, answer.body.code], [401, code]);
    };
    await refused('bad_signature', { secret: WAREHOUSE_SECRET });
    await refused('bad_signature', { tamper: (body) => body.replace('2495', '1') });
    for (const signature of [
      '',
      'v1=00',
      't=1',
      't=1,v1=',
      't=x,v1=00',
      `t=1,v1=${'0'.repeat(64)}`,
      `t=1,v1=${'z'.repeat(64)}`,
    ])
      await refused('bad_signature', { signature });
    await refused('stale_signature', { ageSeconds: 302 });
    await refused('stale_signature', { ageSeconds: -302 });
    await refused('bad_signature', { header: 'x-signature' });
    assert.is(await api.deps.store.tail(), tail);
    assert.is((await tell(api, '/payments/events', news, { ageSeconds: 290 })).status, 200);
  }),
);

signatures(
  "one of several is enough, and payments take Stripe's header",
  withApi(async (api, orderId) => {
    const body = JSON.stringify({ newsId: 'n1', orderId, kind: 'voided', authorizationId: 'none' });
    const seconds = Math.floor(api.deps.clock.now().getTime() / 1000);
    const signature = `t=${seconds},v0=abc,v1=${'0'.repeat(64)},v1=${signatureOf(PAYMENT_SECRET, seconds, body)}`;
    const answer = await tell(api, '/payments/events', body, { header: 'stripe-signature', signature });
    assert.equal([answer.status, answer.body.code], [409, 'unknown_authorization']);
  }),
);

signatures('a webhook without a secret is none', async () => {
  const api = await startApi((deps) => ({ ...deps, webhooks: {} }));
  try {
    for (const path of ['/warehouse/events', '/payments/events'])
      assert.equal((await tell(api, path, {})).body.code, 'webhook_not_configured');
  } finally {
    await api.close();
  }
});

signatures(
  'a body over the limit is refused before it is checked',
  withApi(async (api) => {
    assert.is((await tell(api, '/payments/events', 'x'.repeat(1_048_577))).body.code, 'body_too_large');
  }),
);
signatures.run();

const payments = suite('news of the payment provider');

payments(
  'each kind becomes its event, once',
  withApi(async (api, orderId) => {
    await api.command(orderId, {
      type: 'RecordStock',
      data: { lines: [{ lineId: '1', reserved: 2, backordered: 0, short: 0 }] },
    });
    let news = 0;
    const told = async (fields: object) => {
      const body = { newsId: `n${news++}`, orderId, ...fields };
      const first = await tell(api, '/payments/events', body);
      assert.is(first.status, 200, first.text);
      const tail = await api.deps.store.tail();
      assert.is((await tell(api, '/payments/events', body)).text, first.text);
      assert.is(await api.deps.store.tail(), tail);
    };
    await told({ kind: 'declined', attempt: 1, code: 'card_declined', sentence: 'Not this one.' });
    await api.call('POST', `/orders/${orderId}/payment`, { as: 'customer:ada', body: { token: 'tok_2' } });
    await told({
      kind: 'authorized',
      attempt: 2,
      authorizationId: 'auth-1',
      amountMinor: 2_495,
      at: at(api),
    });
    await api.command(orderId, { type: 'RequestShipment', data: {} });
    const items = async () =>
      (await api.call('GET', `/orders/${orderId}/history`, { as: 'auditor' })).body.items as {
        type: string;
        data: { shipmentId: string; refundId: string };
      }[];
    const shipmentId = (await items()).at(-1)?.data.shipmentId ?? '';
    await api.command(orderId, {
      type: 'RecordDispatch',
      data: { shipmentId, parcelId: 'p1', lines: [{ lineId: '1', quantity: 2 }] },
    });
    await told({
      kind: 'captured',
      captureId: 'c1',
      authorizationId: 'auth-1',
      parcelId: 'p1',
      amountMinor: 2_495,
    });
    for (const kind of ['refunded', 'refund_failed']) {
      await api.call('POST', `/orders/${orderId}/refunds`, {
        as: 'operator',
        body: { amount: { amountMinor: 100, currency: 'GBP' }, reason: 'goodwill' },
      });
      const refundId = (await items()).at(-1)?.data.refundId;
      await told({ kind, refundId, ...(kind === 'refunded' ? {} : { code: 'gone', sentence: 'No.' }) });
    }
    await told({ kind: 'voided', authorizationId: 'auth-1' });
    await told({ kind: 'authorized', attempt: 3, authorizationId: 'auth-2', amountMinor: 1 });
    await told({ kind: 'expired', authorizationId: 'auth-2' });
    const types = new Set((await items()).map(({ type }) => type));
    for (const type of [
      'PaymentDeclined',
      'PaymentAuthorized',
      'PaymentCaptured',
      'PaymentRefunded',
      'RefundFailed',
      'PaymentVoided',
      'PaymentAuthorizationExpired',
    ])
      assert.ok(types.has(type), type);
  }),
);
payments.run();

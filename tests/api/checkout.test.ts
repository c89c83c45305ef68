import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemRandomness } from '../../adapters/system.ts';
import { NEW_ORDER, startApi, type Call, type Harness } from './harness.ts';

const withApi = (run: (api: Harness) => Promise<void>) => async (): Promise<void> => {
  const api = await startApi();
  try {
    await api.product('MUG-RED', 'Red mug', 1_000);
    await api.product('LAMP', 'Lamp', 4_000);
    await run(api);
  } finally {
    await api.close();
  }
};
const post = (api: Harness, call: Call) =>
  api.call('POST', '/orders', { as: 'customer:ada', body: NEW_ORDER, ...call });

const checkout = suite('checkout');

checkout(
  'answers from the stored event: 201, Location, ETag, number, total',
  withApi(async (api) => {
    const { status, headers, body } = await post(api, {});
    assert.is(status, 201);
    assert.is(headers.get('location'), `/orders/${body.orderId}`);
    assert.is(headers.get('etag'), '"0"');
    assert.is(headers.get('x-powered-by'), null);
    assert.match(body.number, /^[0-9A-HJKMNP-TV-Z]{12}$/);
    assert.equal(body.total, {
      amountMinor: 2_495,
      currency: 'GBP',
      linesMinor: 2_000,
      shippingMinor: 495,
      discountMinor: 0,
      taxMinor: 416,
    });
    assert.equal([body.status, body.revision], ['placed', 0]);
    assert.is(body.position, await api.deps.store.tail());
  }),
);

checkout(
  'an order id of a UUIDv7 key begins with its time',
  withApi(async (api) => {
    const key = systemRandomness.uuid();
    const { body } = await post(api, { key });
    assert.is(body.orderId.slice(0, 13), key.slice(0, 13));
  }),
);

checkout(
  'a repeat is the same bytes, also after a price change and after a cancellation, and stores nothing',
  withApi(async (api) => {
    const key = systemRandomness.uuid();
    const first = await post(api, { key });
    assert.is(first.status, 201);
    await api.product('MUG-RED', 'Red mug', 9_999, 0);
    await api.call('POST', `/orders/${first.body.orderId}/cancel`, {
      as: 'customer:ada',
      body: { reason: 'changed my mind' },
    });
    const tail = await api.deps.store.tail();
    const again = await post(api, { key });
    assert.is(again.status, 201);
    assert.is(again.text, first.text);
    assert.is(again.headers.get('etag'), first.headers.get('etag'));
    assert.is(await api.deps.store.tail(), tail);
  }),
);

checkout(
  'a repeat may name its fields in another order',
  withApi(async (api) => {
    const key = systemRandomness.uuid();
    const first = await post(api, { key });
    const turned = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(turned);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([name, inner]) => [name, turned(inner)]),
      );
    };
    const again = await post(api, { key, body: turned(NEW_ORDER) as typeof NEW_ORDER });
    assert.is(again.status, 201);
    assert.is(again.text, first.text);
  }),
);

checkout(
  'many at once under one key are one order',
  withApi(async (api) => {
    const key = systemRandomness.uuid();
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(api, { key })));
    assert.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  }),
);

checkout(
  'the same key of two customers is two orders',
  withApi(async (api) => {
    const [ada, bob] = await Promise.all([
      post(api, { key: 'k' }),
      post(api, { key: 'k', as: 'customer:bob' }),
    ]);
    assert.is.not(ada.body.orderId, bob.body.orderId);
  }),
);

checkout(
  'the same key with another body is refused',
  withApi(async (api) => {
    const key = systemRandomness.uuid();
    await post(api, { key });
    const tail = await api.deps.store.tail();
    const { status, body } = await post(api, {
      key,
      body: { ...NEW_ORDER, lines: [{ sku: 'MUG-RED', quantity: 3 }] },
    });
    assert.equal([status, body.code], [422, 'idempotency_key_reused']);
    assert.is(await api.deps.store.tail(), tail);
  }),
);

checkout(
  'a price that changed is refused when a total was expected',
  withApi(async (api) => {
    const body = { ...NEW_ORDER, expectedTotal: { amountMinor: 2_495, currency: 'GBP' } };
    assert.is((await post(api, { body })).status, 201);
    await api.product('MUG-RED', 'Red mug', 1_100, 0);
    const refused = await post(api, { body });
    assert.equal([refused.status, refused.body.code], [409, 'price_changed']);
  }),
);

checkout(
  'the trace of the request is in the event, a new one when the header is none',
  withApi(async (api) => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const traceOf = async (given: string): Promise<string | undefined> => {
      const { body } = await post(api, { headers: { traceparent: given } });
      for await (const event of api.deps.store.readStream(`order-${body.orderId}`))
        return event.meta.traceparent;
      return undefined;
    };
    assert.is(await traceOf(traceparent), traceparent);
    const fresh = await traceOf('00-00000000000000000000000000000000-b7ad6b7169203331-01');
    assert.match(fresh ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  }),
);

checkout(
  'personal data is not stored in the clear',
  withApi(async (api) => {
    const { body } = await post(api, {});
    for await (const event of api.deps.store.readStream(`order-${body.orderId}`))
      assert.not.match(JSON.stringify(event), /Lovelace|example\.org|SW1Y/);
  }),
);
checkout.run();

const bad = suite('bad checkouts: a problem of its own, nothing appended');
const { lines: _lines, ...WITHOUT_LINES } = NEW_ORDER;
const order = (change: object): Call => ({ body: { ...NEW_ORDER, ...change } });
const quantity = (units: unknown): Call => order({ lines: [{ sku: 'MUG-RED', quantity: units }] });
const contact = (change: object): Call => order({ contact: { ...NEW_ORDER.contact, ...change } });
const address = (change: object): Call =>
  order({ shippingAddress: { ...NEW_ORDER.shippingAddress, ...change } });

const rows: readonly (readonly [name: string, call: Call, status: number, code: string, pointer?: string])[] =
  [
    ['malformed JSON', { raw: '{"lines":[' }, 400, 'malformed_json'],
    ['no body', { body: undefined }, 400, 'malformed_json'],
    ['a bare string', { raw: '"lines"' }, 400, 'malformed_json'],
    ['an array', { raw: '[]' }, 422, 'invalid_request'],
    ['no lines', { body: WITHOUT_LINES }, 422, 'invalid_request', '/lines'],
    ['an empty list of lines', order({ lines: [] }), 422, 'invalid_request', '/lines'],
    [
      '1,001 lines',
      order({ lines: Array.from({ length: 1_001 }, () => ({ sku: 'MUG-RED', quantity: 1 })) }),
      422,
      'invalid_request',
      '/lines',
    ],
    [
      'an unknown SKU',
      order({
        lines: [
          { sku: 'MUG-RED', quantity: 1 },
          { sku: 'NOTHING', quantity: 1 },
        ],
      }),
      422,
      'unknown_sku',
      '/lines/1/sku',
    ],
    [
      'a SKU that is none',
      order({ lines: [{ sku: '../etc', quantity: 1 }] }),
      422,
      'invalid_request',
      '/lines/0/sku',
    ],
    ['quantity 0', quantity(0), 422, 'invalid_request', '/lines/0/quantity'],
    ['a negative quantity', quantity(-1), 422, 'invalid_request', '/lines/0/quantity'],
    ['a fractional quantity', quantity(1.5), 422, 'invalid_request', '/lines/0/quantity'],
    ['quantity 10,001', quantity(10_001), 422, 'invalid_request', '/lines/0/quantity'],
    [
      'an enormous quantity',
      { raw: JSON.stringify(NEW_ORDER).replace('"quantity":2', '"quantity":1e308') },
      422,
      'invalid_request',
      '/lines/0/quantity',
    ],
    ['a quantity as text', quantity('2'), 422, 'invalid_request', '/lines/0/quantity'],
    ['an unknown field', order({ discount: 50 }), 422, 'invalid_request', '/discount'],
    [
      'an unknown field deep inside',
      order({ lines: [{ sku: 'MUG-RED', quantity: 1, price: 1 }] }),
      422,
      'invalid_request',
      '/lines/0/price',
    ],
    [
      '__proto__ as a field',
      { raw: JSON.stringify(NEW_ORDER).replace('{', '{"__proto__":{"x":1},') },
      422,
      'invalid_request',
      '/__proto__',
    ],
    ['an over-long name', contact({ name: 'x'.repeat(201) }), 422, 'invalid_request', '/contact/name'],
    ['a blank name', contact({ name: '   ' }), 422, 'invalid_request', '/contact/name'],
    [
      'a line break in a name',
      contact({ name: 'Ada\r\nBcc: all@example.org' }),
      422,
      'invalid_request',
      '/contact/name',
    ],
    [
      'half a surrogate pair',
      { raw: JSON.stringify(NEW_ORDER).replace('"Ada Lovelace"', '"\\ud800"') },
      422,
      'invalid_request',
      '/contact/name',
    ],
    [
      'an e-mail address that is none',
      contact({ email: 'ada at example' }),
      422,
      'invalid_request',
      '/contact/email',
    ],
    [
      'an over-long e-mail address',
      contact({ email: `${'x'.repeat(250)}@example.org` }),
      422,
      'invalid_request',
      '/contact/email',
    ],
    [
      'a telephone number that is none',
      contact({ phone: 'call me' }),
      422,
      'invalid_request',
      '/contact/phone',
    ],
    [
      'a country that is none',
      address({ country: 'XX' }),
      422,
      'invalid_request',
      '/shippingAddress/country',
    ],
    [
      'a union that is no country',
      address({ country: 'EU' }),
      422,
      'invalid_request',
      '/shippingAddress/country',
    ],
    [
      'an over-long address line',
      address({ line1: 'x'.repeat(201) }),
      422,
      'invalid_request',
      '/shippingAddress/line1',
    ],
    ['another way to pay', order({ payment: { method: 'cash' } }), 422, 'invalid_request', '/payment/method'],
    ['a shortage policy that is none', order({ onShortage: 'hope' }), 422, 'invalid_request', '/onShortage'],
    [
      'a body over the limit',
      order({ contact: { ...NEW_ORDER.contact, name: 'x'.repeat(1_048_576) } }),
      413,
      'body_too_large',
    ],
    ['another content type', { headers: { 'content-type': 'text/plain' } }, 415, 'unsupported_media_type'],
    [
      'another character set',
      { headers: { 'content-type': 'application/json; charset=latin1' } },
      415,
      'unsupported_media_type',
    ],
    [
      'an encoding that is none',
      { headers: { 'content-encoding': 'squeeze' } },
      415,
      'unsupported_media_type',
    ],
    ['no key', { key: null }, 400, 'missing_idempotency_key'],
    ['an over-long key', { key: 'k'.repeat(201) }, 400, 'invalid_idempotency_key'],
    ['a key with a space', { key: 'a b' }, 400, 'invalid_idempotency_key'],
    ['a key beyond ASCII', { key: 'schl\u00fcssel' }, 400, 'invalid_idempotency_key'],
    ['a query parameter', {}, 422, 'invalid_request'],
  ];
for (const [name, call, status, code, pointer] of rows) {
  bad(
    name,
    withApi(async (api) => {
      const tail = await api.deps.store.tail();
      const path = name === 'a query parameter' ? '/orders?quantity=1' : '/orders';
      const answer = await api.call('POST', path, { as: 'customer:ada', body: NEW_ORDER, ...call });
      assert.equal([answer.status, answer.body.code], [status, code], answer.text.slice(0, 500));
      assert.is(answer.body.type, `urn:orderfold:problem:${code}`);
      if (pointer !== undefined)
        assert.ok(
          answer.body.errors.some((error: { pointer: string }) => error.pointer === pointer),
          answer.text.slice(0, 500),
        );
      assert.is(await api.deps.store.tail(), tail);
      assert.equal(api.logged, []);
    }),
  );
}
bad(
  'a key of 200 characters and a quantity of 10,000 are good',
  withApi(async (api) => {
    assert.is(
      (await api.call('POST', '/orders', { as: 'customer:ada', key: 'k'.repeat(200), ...quantity(10_000) }))
        .status,
      201,
    );
  }),
);
bad.run();

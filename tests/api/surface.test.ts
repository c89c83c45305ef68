/** Sessions and tokens, what operators see, health, and the description of it all. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../adapters/system.ts';
import { devAuthentication, jwksAuthentication, type ApiDeps } from '../../api/index.ts';
import { openApiOf } from '../../api/openapi.ts';
import { routes } from '../../api/routes/index.ts';
import { startApi, type Harness } from './harness.ts';

const withApi =
  (run: (api: Harness) => Promise<void>, change?: (deps: ApiDeps) => ApiDeps) => async (): Promise<void> => {
    const api = await startApi(change);
    try {
      await run(api);
    } finally {
      await api.close();
    }
  };

const sessions = suite('sessions and tokens');

sessions(
  'a token for each role, for a new customer or the one named',
  withApi(async (api) => {
    const session = (body: object) => api.call('POST', '/session', { body });
    const fresh = (await session({ role: 'customer' })).body;
    assert.match(fresh.customerId, /^c-[0-9a-f-]{36}$/);
    const named = (await session({ role: 'customer', customerId: 'ada' })).body;
    assert.is(named.customerId, 'ada');
    assert.is((await api.call('GET', '/orders', { token: named.token })).status, 200);
    const operator = (await session({ role: 'operator' })).body;
    assert.equal(Object.keys(operator).sort(), ['role', 'token']);
    for (const body of [
      { role: 'system' },
      { role: 'king' },
      {},
      { role: 'operator', customerId: 'ada' },
      { role: 'customer', customerId: '' },
      { role: 'customer', customerId: 'x'.repeat(101) },
      { role: 'customer', admin: true },
    ])
      assert.equal((await session(body)).status, 422, JSON.stringify(body));
  }),
);

sessions(
  'no sessions where an identity provider makes the tokens',
  withApi(
    async (api) => {
      assert.is(
        (await api.call('POST', '/session', { body: { role: 'operator' } })).body.code,
        'no_such_route',
      );
    },
    ({ auth: { verify }, ...deps }) => ({ ...deps, auth: { verify } }),
  ),
);

sessions(
  'tokens that are none, of another secret, unsigned or expired are 401',
  withApi(async (api) => {
    const other = await devAuthentication({ secret: new Uint8Array(32).fill(8), clock: systemClock }).session(
      { role: 'operator' },
    );
    const [, claims] = other.split('.');
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`;
    for (const token of ['x', 'a.b.c', other, unsigned]) {
      const { status, body, headers } = await api.call('GET', '/orders', { token });
      assert.equal([status, body.code], [401, 'invalid_token']);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer/);
    }
    assert.is(
      (await api.call('GET', '/orders', { headers: { authorization: 'Basic eDp5' } })).body.code,
      'missing_token',
    );
    const token = await api.token('operator');
    assert.is((await api.call('GET', '/orders', { token })).status, 200);
    api.moveOn(31 * 24 * 3_600_000);
    assert.is(
      (await api.call('GET', '/orders', { token })).body.code,
      'invalid_token',
      'also one that was good before',
    );
  }),
);

sessions('a token is good after a restart, with the secret', async () => {
  const secret = new Uint8Array(32).fill(9);
  const token = await devAuthentication({ secret, clock: systemClock }).session({
    role: 'customer',
    customerId: 'ada',
  });
  assert.equal(await devAuthentication({ secret, clock: systemClock }).verify(token), {
    id: 'ada',
    role: 'customer',
    customerId: 'ada',
  });
});

sessions(
  "an identity provider's tokens: issuer, audience, role claim; 503 when its keys are away",
  async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] });
    const provider = createServer(
      (_request, response) => void response.setHeader('content-type', 'application/json').end(keys),
    );
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
    const jwksUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/keys`;
    const options = {
      jwksUrl,
      issuer: 'https://id.example',
      audience: 'shop',
      roleClaim: 'https://shop.example/roles',
      clock: systemClock,
    };
    const auth = jwksAuthentication(options);
    const away = jwksAuthentication(options);
    const sign = (claims: Record<string, unknown>, issuer = 'https://id.example', audience = 'shop') =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setSubject('u|1')
        .setIssuer(issuer)
        .setAudience(audience)
        .setExpirationTime('1h')
        .sign(privateKey);
    const good = await sign({ 'https://shop.example/roles': ['visitor', 'customer'] });
    const errorOf = async (token: string): Promise<string> => {
      try {
        await auth.verify(token);
        return 'none';
      } catch (error) {
        return (error as Error).name;
      }
    };
    try {
      assert.equal(await auth.verify(good), { id: 'u|1', role: 'customer', customerId: 'u|1' });
      assert.not.instance(auth.verify(good), Promise);
      const roles = { 'https://shop.example/roles': 'operator' };
      for (const wrong of [
        await sign(roles, 'https://other.example'),
        await sign(roles, undefined, 'else'),
        await sign({ role: 'operator' }),
        await sign({ 'https://shop.example/roles': 'system' }),
      ])
        assert.is(await errorOf(wrong), 'InvalidToken');
    } finally {
      provider.closeAllConnections();
      await new Promise((resolve) => provider.close(resolve));
    }
    const api = await startApi((deps) => ({ ...deps, auth: away }));
    try {
      assert.equal((await api.call('GET', '/orders', { token: good })).status, 503);
    } finally {
      await api.close();
    }
  },
);
sessions.run();

const operations = suite('operations');

operations(
  'consumers, views, and what is parked: list, look, retry, discard',
  withApi(async (api) => {
    const get = (path: string) => api.call('GET', path, { as: 'operator' });
    const post = (path: string, body?: object) =>
      api.call('POST', path, { as: 'operator', ...(body === undefined ? {} : { body }) });
    for (const [id, consumer] of [
      ['p1', 'payment'],
      ['p2', 'payment'],
      ['p3', 'warehouse'],
      ['p4', 'warehouse'],
    ] as const)
      api.operations.park(id, consumer);
    assert.is((await get('/ops/consumers')).body.items[0].name, 'payment');
    for (const [act, state] of [
      ['pause', 'paused'],
      ['resume', 'running'],
    ] as const) {
      const told = await post(`/ops/consumers/payment/${act}`, { reason: 'the bank asks for it' });
      assert.equal([told.status, told.body.state], [200, state]);
      assert.is(api.operations.done.at(-1), `${act} payment by operator: the bank asks for it`);
      assert.is((await post(`/ops/consumers/payment/${act}`, {})).status, 422);
      const none = await post(`/ops/consumers/nobody/${act}`, { reason: 'x' });
      assert.equal([none.status, none.body.code], [404, 'consumer_not_found']);
    }
    assert.equal((await get('/ops/replays')).body.items[0].types, ['OrderPlaced']);
    const stopped = await post('/ops/replays/r1/stop', { reason: 'enough' });
    assert.equal([stopped.status, stopped.body.state], [200, 'stopped']);
    assert.is((await post('/ops/replays/r2/stop', { reason: 'enough' })).body.code, 'replay_not_found');
    assert.is((await get('/ops/projections')).body.items[0].view, 'order-status@1+1');
    const of = (act: string, name: string, body?: object) => post(`/ops/projections/${name}/${act}`, body);
    assert.is(
      (await of('rebuild', 'order-status', { compare: true, reason: 'a doubt' })).body.state,
      'building',
    );
    assert.is(api.operations.done.at(-1), 'rebuild order-status and compare by operator: a doubt');
    assert.is((await of('rebuild', 'order-status')).status, 202);
    assert.equal((await of('activate', 'order-status')).body.previous, 'order-status@1+1');
    assert.equal((await of('activate', 'sales')).body, { name: 'sales', asked: true });
    assert.is((await of('activate', 'catalogue')).body.code, 'no_build');
    assert.is((await of('rollback', 'catalogue')).body.code, 'version_gone');
    assert.is((await of('stop', 'order-status')).body.name, 'order-status');
    assert.is((await of('drop', 'order-status', { reason: 'no use' })).body.name, 'order-status');
    assert.is(api.operations.done.at(-1), 'drop order-status by operator: no use');
    for (const act of ['rebuild', 'activate', 'rollback', 'stop', 'drop'])
      assert.is((await of(act, 'nothing')).body.code, 'projection_not_found', act);
    const first = (await get('/ops/parked?consumer=payment&limit=1')).body;
    assert.equal([first.items[0].id, first.nextCursor], ['p1', 'p1']);
    assert.is((await get(`/ops/parked?consumer=payment&cursor=${first.nextCursor}`)).body.items[0].id, 'p2');
    assert.is((await get('/ops/parked/p3')).body.stream, 'order-p3');
    assert.is((await get('/ops/parked/none')).body.code, 'parked_not_found');
    assert.equal((await post('/ops/parked/p1/retry')).body, { id: 'p1', retried: true });
    assert.is((await post('/ops/parked/p1/retry', {})).body.code, 'parked_not_found');
    assert.is((await post('/ops/parked/p2/retry', { force: true })).body.code, 'invalid_request');
    assert.is((await post('/ops/parked/p2/discard')).body.code, 'malformed_json');
    assert.equal((await post('/ops/parked/p2/discard', { reason: 'a test order' })).body, {
      id: 'p2',
      discarded: true,
    });
    for (const body of [{}, { all: true, consumer: 'payment' }, { all: false }])
      assert.is((await post('/ops/parked/retry', body)).body.code, 'invalid_request', JSON.stringify(body));
    assert.equal((await post('/ops/parked/retry', { consumer: 'payment' })).body, { retried: 0, asked: 0 });
    const parked = { consumer: 'warehouse' };
    assert.equal((await post('/ops/parked/retry', { ...parked, dryRun: true })).body, { matches: 2 });
    assert.is((await post('/ops/parked/retry', { ...parked, matches: 3 })).body.code, 'matches_changed');
    const dropping = { consumer: 'lost', reason: 'a test' };
    api.operations.park('p5', 'lost');
    for (const body of [
      dropping,
      { ...dropping, dryRun: true, matches: 1 },
      { reason: 'a test', dryRun: true },
    ])
      assert.is((await post('/ops/parked/discard', body)).body.code, 'invalid_request', JSON.stringify(body));
    assert.equal((await post('/ops/parked/discard', { ...dropping, dryRun: true })).body, { matches: 1 });
    assert.is((await post('/ops/parked/discard', { ...dropping, matches: 2 })).body.code, 'matches_changed');
    assert.is(api.operations.items.size, 3, 'nothing was dropped by then');
    assert.equal((await post('/ops/parked/discard', { ...dropping, matches: 1 })).body, {
      discarded: 1,
      asked: 0,
    });
    assert.ok(api.operations.done.includes('discard 1 by operator: a test'));
    assert.equal((await post('/ops/parked/retry', { all: true })).body, { retried: 2, asked: 0 });
    assert.ok(api.operations.done.includes('discard p2 by operator: a test order'));
  }),
);
operations.run();

const surface = suite('surface');

surface(
  'health, readiness and unknown places',
  withApi(async (api) => {
    assert.equal((await api.call('GET', '/healthz')).body, { status: 'ok' });
    assert.equal((await api.call('GET', '/readyz')).body, { status: 'ready' });
    const head = await api.call('HEAD', '/healthz');
    assert.equal([head.status, head.text], [200, '']);
    for (const path of ['/', '/nothing', '/Orders', '/orders/x/y/z'])
      assert.equal((await api.call('GET', path)).body.code, 'no_such_route', path);
    const patched = await api.call('PATCH', '/orders');
    assert.equal(
      [patched.status, patched.body.code, patched.headers.get('allow')],
      [405, 'method_not_allowed', 'POST, GET, HEAD'],
    );
    assert.is((await api.call('DELETE', '/healthz')).headers.get('allow'), 'GET, HEAD');
    assert.is((await api.call('GET', '/healthz')).headers.get('x-content-type-options'), 'nosniff');
  }),
);

surface(
  'not ready says why',
  withApi(
    async (api) => {
      const { status, body, headers } = await api.call('GET', '/readyz');
      assert.equal(
        [status, body.code, body.detail, headers.get('retry-after')],
        [503, 'not_ready', 'The store is being opened.', '1'],
      );
    },
    (deps) => ({ ...deps, ready: async () => ({ ok: false, why: 'The store is being opened.' }) }),
  ),
);

surface(
  'openapi.json describes every route, and every reference in it leads somewhere',
  withApi(async (api) => {
    const { body } = await api.call('GET', '/openapi.json');
    assert.is(body.openapi, '3.1.0');
    const ids = new Set<string>();
    for (const { method, path, params, idempotent, body: wants } of routes) {
      const operation = body.paths[path]?.[method];
      assert.ok(operation, `${method} ${path}`);
      ids.add(operation.operationId);
      for (const [, name] of path.matchAll(/\{(\w+)\}/g))
        assert.ok(
          params &&
            operation.parameters.some(
              (p: { in: string; name: string }) => p.in === 'path' && p.name === name,
            ),
          `${path} ${name}`,
        );
      assert.is(
        operation.parameters?.some((p: { name: string }) => p.name === 'Idempotency-Key') ?? false,
        idempotent ?? false,
      );
      assert.is(operation.requestBody !== undefined, wants !== undefined);
    }
    assert.is(ids.size, routes.length);
    const references: string[] = [];
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        if (key === '$ref') references.push(String(inner));
        assert.is.not(key, '$defs');
        walk(inner);
      }
    };
    walk(body);
    assert.ok(references.length > 20);
    for (const reference of references) {
      const found = reference
        .split('/')
        .slice(1)
        .reduce<any>((at, part) => at?.[part], body);
      assert.ok(reference.startsWith('#/components/schemas/') && found, reference);
    }
    for (const name of ['Problem', 'Money', 'Address', 'StatusDocument', 'NewOrder'])
      assert.ok(body.components.schemas[name], name);
    const quantity = body.components.schemas.NewOrder.properties.lines.items.properties.quantity;
    assert.equal([quantity.type, quantity.minimum, quantity.maximum], ['integer', 1, 10_000]);
    assert.equal(openApiOf(routes), body);
  }),
);
surface.run();

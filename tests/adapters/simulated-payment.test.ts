import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSqliteLedger } from '../../adapters/sqlite/ledger.ts';
import {
  simulatedPaymentGateway,
  TOKENS,
  type SimulatedPaymentGateway,
  type SimulatedPaymentOptions,
} from '../../adapters/simulated/payment-gateway.ts';
import { OutsideError } from '../../ports/outside/outside-error.ts';
import type { Randomness } from '../../ports/system.ts';
import { fakeClock, until, type FakeClock } from '../fake-clock.ts';

type World = {
  folder: string;
  clock: FakeClock;
  open(options?: Partial<SimulatedPaymentOptions>): SimulatedPaymentGateway;
  closers: (() => Promise<void>)[];
};

/** Gives `fractions` one after the other, then the last one for ever. */
const dice = (...fractions: readonly number[]): Randomness => {
  let next = 0;
  return { uuid: () => '', fraction: () => fractions[Math.min(next++, fractions.length - 1)] ?? 0 };
};
const payment = suite<World>('simulated payment gateway');

payment.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), 'payment-'));
  world.clock = fakeClock('2030-01-01T00:00:00.000Z');
  world.closers = [];
  world.open = (options = {}) => {
    const { folder, clock } = world;
    const books = openSqliteLedger({ path: join(folder, 'simulated.db') });
    world.closers.push(books.close);
    return simulatedPaymentGateway({
      books,
      clock,
      randomness: dice(0.5),
      latencyMs: 0,
      declineRate: 0,
      failureRate: 0,
      unknownRate: 0,
      actionUrl: 'http://127.0.0.1:3000/action',
      ...options,
    });
  };
});
payment.after.each(async (world) => {
  for (const close of world.closers) await close();
  rmSync(world.folder, { recursive: true });
});

const order = { orderId: 'o1', currency: 'GBP' };
const refused = async (call: Promise<unknown>): Promise<OutsideError> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, OutsideError);
  return error as OutsideError;
};
const authorized = async (
  gateway: SimulatedPaymentGateway,
  key: string,
  amountMinor: number,
  token?: string,
): Promise<string> => {
  const answer = await gateway.authorize({ ...order, key, amountMinor, token });
  if (answer.outcome !== 'authorized') throw new Error(answer.outcome);
  return answer.authorizationId;
};
const codeOf = (answer: { outcome: string; code?: string }): string =>
  `${answer.outcome}:${answer.code ?? ''}`;

payment('the same key is the same call, also after a restart', async (world) => {
  const gateway = world.open();
  const call = { ...order, key: 'a', amountMinor: 1000 };
  const first = await gateway.authorize(call);
  assert.equal(await gateway.authorize(call), first);
  world.closers.length = 0;
  const again = world.open();
  assert.equal(await again.authorize(call), first);
  assert.is(again.ledger.ofOrder('o1').length, 1);
  assert.equal(first.outcome === 'authorized' && first.expiresAt, '2030-01-08T00:00:00.000Z');
});

payment('a key of another call is refused for good', async (world) => {
  const gateway = world.open();
  const authorizationId = await authorized(gateway, 'a', 1000);
  for (const call of [
    gateway.authorize({ ...order, key: 'a', amountMinor: 1001 }),
    gateway.capture({ ...order, key: 'a', authorizationId, amountMinor: 1 }),
  ]) {
    const error = await refused(call);
    assert.equal([error.retriable, error.outcome], [false, 'none']);
  }
  assert.is((await refused(gateway.authorize({ ...order, key: 'b', amountMinor: 0 }))).retriable, false);
  assert.is(gateway.ledger.find('b'), undefined);
});

payment('captures go up to the authorized amount and refunds up to the captured one', async (world) => {
  const gateway = world.open();
  const authorizationId = await authorized(gateway, 'a', 1000);
  const take = (key: string, amountMinor: number) =>
    gateway.capture({ ...order, key, authorizationId, amountMinor });
  const taken = await take('c1', 600);
  if (taken.outcome !== 'captured') throw new Error(taken.outcome);
  assert.is(codeOf(await take('c2', 401)), 'failed:amount_too_large');
  assert.is(codeOf(await take('c3', 400)), 'captured:');
  const back = (key: string, amountMinor: number) =>
    gateway.refund({ ...order, key, captureId: taken.captureId, amountMinor });
  assert.is(codeOf(await back('r1', 500)), 'refunded:');
  assert.is(codeOf(await back('r2', 101)), 'failed:amount_too_large');
  assert.is(codeOf(await back('r3', 100)), 'refunded:');
  const acts = [];
  for await (const { key, kind, amountMinor } of gateway.ledger.acts()) acts.push([key, kind, amountMinor]);
  assert.equal(acts, [
    ['a', 'authorize', 1000],
    ['c1', 'capture', 600],
    ['c3', 'capture', 400],
    ['r1', 'refund', 500],
    ['r3', 'refund', 100],
  ]);
});

payment('many captures at once never take more than was authorized', async (world) => {
  const [one, other] = [world.open(), world.open()];
  const authorizationId = await authorized(one, 'a', 1000);
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      (i % 2 ? one : other).capture({ ...order, key: `c${i}`, authorizationId, amountMinor: 100 }),
    ),
  );
  assert.is(answers.filter(({ outcome }) => outcome === 'captured').length, 10);
});

payment(
  'a void lets go of the rest, twice does no harm, and nothing is captured afterwards',
  async (world) => {
    const gateway = world.open();
    const authorizationId = await authorized(gateway, 'a', 1000);
    await gateway.capture({ ...order, key: 'c', authorizationId, amountMinor: 300 });
    assert.equal(await gateway.void({ ...order, key: 'v1', authorizationId }), { outcome: 'voided' });
    assert.equal(await gateway.void({ ...order, key: 'v2', authorizationId }), { outcome: 'voided' });
    assert.is(
      codeOf(await gateway.capture({ ...order, key: 'c2', authorizationId, amountMinor: 1 })),
      'failed:authorization_voided',
    );
    assert.equal(
      gateway.ledger
        .ofOrder('o1')
        .filter(({ kind }) => kind === 'void')
        .map(({ key, amountMinor }) => [key, amountMinor]),
      [['v1', 700]],
    );
    assert.is(
      codeOf(await gateway.void({ orderId: 'o2', key: 'v3', authorizationId })),
      'failed:unknown_authorization',
    );
  },
);

payment('an authorization expires after seven days', async (world) => {
  const gateway = world.open();
  const authorizationId = await authorized(gateway, 'a', 1000);
  await world.clock.advance(7 * 86_400_000 - 1);
  assert.is(
    codeOf(await gateway.capture({ ...order, key: 'c1', authorizationId, amountMinor: 1 })),
    'captured:',
  );
  await world.clock.advance(1);
  assert.is(
    codeOf(await gateway.capture({ ...order, key: 'c2', authorizationId, amountMinor: 1 })),
    'failed:authorization_expired',
  );
});

payment('tokens steer it', async (world) => {
  const gateway = world.open();
  const ask = (key: string, token: string) => gateway.authorize({ ...order, key, amountMinor: 10, token });
  assert.is(codeOf(await ask('d', TOKENS.decline)), 'declined:card_declined');
  const action = await ask('x', TOKENS.action);
  if (action.outcome !== 'action_required') throw new Error(action.outcome);
  assert.is(action.url, `http://127.0.0.1:3000/action?authorization=${action.authorizationId}`);
  assert.is(
    codeOf(
      await gateway.capture({ ...order, key: 'xc', authorizationId: action.authorizationId, amountMinor: 1 }),
    ),
    'failed:authorization_incomplete',
  );
  assert.is((await ask('y', TOKENS.actionDone)).outcome, 'authorized');
  const authorizationId = await authorized(gateway, 'f', 10, TOKENS.captureFail);
  assert.is(
    codeOf(await gateway.capture({ ...order, key: 'fc', authorizationId, amountMinor: 1 })),
    'failed:capture_refused',
  );
  assert.equal(
    gateway.ledger.ofOrder('o1').map(({ key }) => key),
    ['f', 'y'].sort(),
  );
});

payment('an abandoned key never authorizes; one that did is answered, to be voided', async (world) => {
  const gateway = world.open();
  const abandon = (key: string) => gateway.abandon({ key, orderId: 'o1' });
  assert.equal(await abandon('a'), { outcome: 'abandoned' });
  assert.equal(await abandon('a'), { outcome: 'abandoned' });
  assert.is(codeOf(await gateway.authorize({ ...order, key: 'a', amountMinor: 10 })), 'declined:abandoned');
  const held = await gateway.authorize({ ...order, key: 'b', amountMinor: 10 });
  assert.equal(await abandon('b'), held);
  await gateway.void({
    orderId: 'o1',
    key: 'v',
    authorizationId: held.outcome === 'authorized' ? held.authorizationId : '',
  });
  assert.equal(await abandon('b'), { outcome: 'abandoned' });
  const action = await gateway.authorize({ ...order, key: 'c', amountMinor: 10, token: TOKENS.action });
  assert.equal(await abandon('c'), { outcome: 'abandoned' });
  const authorizationId = action.outcome === 'action_required' ? action.authorizationId : '';
  assert.is(
    codeOf(await gateway.capture({ ...order, key: 'd', authorizationId, amountMinor: 1 })),
    'failed:authorization_voided',
  );
  assert.is((await refused(gateway.abandon({ key: 'b', orderId: 'o2' }))).retriable, false);
  assert.equal(
    gateway.ledger
      .ofOrder('o1')
      .map(({ key }) => key)
      .sort(),
    ['b', 'v'],
  );
});

payment('of an abandonment and its authorization at once one wins', async (world) => {
  const [one, other] = [world.open(), world.open()];
  for (let i = 0; i < 20; i++) {
    const key = `k${i}`;
    const [authorization, abandonment] = await Promise.all([
      one.authorize({ ...order, key, amountMinor: 10 }),
      other.abandon({ key, orderId: 'o1' }),
    ]);
    if (abandonment.outcome === 'abandoned') assert.is(codeOf(authorization), 'declined:abandoned');
    else assert.equal(authorization, abandonment);
  }
});

payment('a decline is decided once for each key', async (world) => {
  // Two fractions a call: the first for failures, the second for the decline.
  const gateway = world.open({ declineRate: 0.3, randomness: dice(0.9, 0.1, 0.9, 0.9, 0.5) });
  const ask = async (key: string) => (await gateway.authorize({ ...order, key, amountMinor: 10 })).outcome;
  assert.equal([await ask('a'), await ask('a'), await ask('b')], ['declined', 'declined', 'authorized']);
});

payment('a failure does nothing; of an unknown outcome the repeat finds the truth', async (world) => {
  const failing = world.open({ failureRate: 0.1, unknownRate: 0.4, randomness: dice(0.05) });
  const call = { ...order, key: 'a', amountMinor: 10 };
  const failure = await refused(failing.authorize(call));
  assert.equal([failure.retriable, failure.outcome, failing.ledger.find('a')], [true, 'none', undefined]);

  const acting = world.open({ unknownRate: 0.4, randomness: dice(0.2, 0.4) });
  const broken = await refused(acting.authorize(call));
  assert.equal([broken.retriable, broken.outcome], [true, 'unknown']);
  const truth = acting.ledger.find('a');
  assert.is(truth?.outcome, 'authorized');

  const idle = world.open({ unknownRate: 0.4, randomness: dice(0.2, 0.6) });
  assert.is((await refused(idle.authorize({ ...call, key: 'b' }))).outcome, 'unknown');
  assert.is(idle.ledger.find('b'), undefined);

  const answer = await world.open().authorize(call);
  assert.is(answer.outcome === 'authorized' && answer.authorizationId, truth?.authorizationId);
  assert.is(acting.ledger.ofOrder('o1').length, 1);
});

payment('answers after its latency, and acts half-way', async (world) => {
  const gateway = world.open({ latencyMs: 100 });
  let answered = false;
  const call = gateway.authorize({ ...order, key: 'a', amountMinor: 10 }).then(() => (answered = true));
  await world.clock.advance(49);
  assert.is(gateway.ledger.find('a'), undefined);
  await world.clock.advance(1);
  await until('it has acted', () => gateway.ledger.find('a') !== undefined && world.clock.sleeping() === 1);
  await world.clock.advance(49);
  assert.is(answered, false);
  await world.clock.advance(1);
  await call;
});

payment('what was answered is there after the process is killed', async (world) => {
  const adapter = new URL('../../adapters/simulated/payment-gateway.js', import.meta.url).href;
  const ledger = new URL('../../adapters/sqlite/ledger.js', import.meta.url).href;
  const system = new URL('../../adapters/system.js', import.meta.url).href;
  const script = `
    import { writeSync } from 'node:fs';
    const { simulatedPaymentGateway } = await import(${JSON.stringify(adapter)});
    const { openSqliteLedger } = await import(${JSON.stringify(ledger)});
    const { systemClock: clock, systemRandomness: randomness } = await import(${JSON.stringify(system)});
    const rates = { declineRate: 0, failureRate: 0, unknownRate: 0 };
    const gateway = simulatedPaymentGateway({ books: openSqliteLedger({ path: ${JSON.stringify(join(world.folder, 'simulated.db'))} }), clock, randomness, latencyMs: 0, actionUrl: '', ...rates });
    for (let i = 0; ; i++) {
      const { authorizationId } = await gateway.authorize({ key: 'k' + i, orderId: 'o1', amountMinor: 10, currency: 'GBP' });
      writeSync(1, i + ' ' + authorizationId + '\\n');
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let said = '';
  for await (const chunk of child.stdout) {
    said += String(chunk);
    if (said.split('\n').length > 50) child.kill('SIGKILL');
  }
  await exited;
  const gateway = world.open();
  const lines = said.split('\n').slice(0, -1);
  assert.ok(lines.length >= 50);
  for (const line of lines) {
    const [i, authorizationId] = line.split(' ');
    assert.is(gateway.ledger.find(`k${i}`)?.authorizationId, authorizationId);
  }
});

payment.run();

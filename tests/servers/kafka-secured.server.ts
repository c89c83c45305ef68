/** A shop whose Kafka is reached by TLS alone, with a name and a password. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startProcess, UNRELIABLE_SHOP } from '../crash/server-process.ts';
import { clientOf, eventually } from '../flow/client.ts';
import { makeCertificate } from './certificate.ts';
import { startKafka } from './kafka-server.ts';

const { path: trusted, ...pem } = makeCertificate();
const login = { user: 'shop', password: 'a-secret-of-kafka' };
const kafka = await startKafka(1, { ...pem, ...login });

const start = (folder: string, password: string, trust: Readonly<Record<string, string>>) =>
  startProcess({
    ...UNRELIABLE_SHOP,
    LOG_LEVEL: 'warn',
    ...trust,
    DATA_DIR: folder,
    KAFKA_BROKERS: kafka.securedBrokers.join(','),
    KAFKA_SSL: 'true',
    KAFKA_SASL_USERNAME: login.user,
    KAFKA_SASL_PASSWORD: password,
  });

const test = suite('Kafka: TLS and credentials');
test('an order goes its way; with a wrong password, or an unknown certificate, orders are taken and the log says why', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orderfold-secured-'));
  const shop = start(folder, login.password, { NODE_EXTRA_CA_CERTS: trusted });
  const client = clientOf(await shop.url);
  const { orderId } = await client.place([{ sku: 'MUG-BLUE', quantity: 1 }]);
  await client.happened(orderId, 'OrderConfirmed');
  assert.equal(await shop.end('SIGTERM'), { code: 0, signal: null });
  // Kafka may come to its senses: orders are taken meanwhile, and the log says why none goes further.
  for (const [password, trust, why] of [
    ['another', { NODE_EXTRA_CA_CERTS: trusted }, 'authentication failed'],
    [login.password, {}, 'self-signed certificate'],
  ] as const) {
    const refused = start(folder, password, trust);
    await clientOf(await refused.url).place([{ sku: 'MUG-BLUE', quantity: 1 }]);
    await eventually('its log says why', () =>
      new RegExp(`Kafka \\(127.0.0.1:\\d+\\) cannot .*${why}`).test(refused.errors()),
    );
    assert.not.match(refused.errors(), password);
    assert.equal(await refused.end('SIGTERM'), { code: 0, signal: null });
  }
  rmSync(folder, { recursive: true, force: true });
});
test.run();

/**
 * What the checkout is measured against: an Express route that verifies the same token, parses and validates
 * the same body and answers a JSON of the same size. It stores nothing. Takes the server's data folder (for
 * the key that signs tokens) as its argument and prints its URL.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express, { type Request, type Response } from 'express';
import { systemClock } from '../adapters/system.ts';
import { devAuthentication } from '../api/index.ts';
import { NewOrder } from '../api/schemas/order.ts';

const [dataFolder = ''] = process.argv.slice(2);
const secret = Buffer.from(readFileSync(join(dataFolder, 'keys', 'dev-auth.key'), 'utf8').trim(), 'hex');
const auth = devAuthentication({ secret, clock: systemClock });
const total = {
  amountMinor: 4345,
  currency: 'GBP',
  linesMinor: 3850,
  shippingMinor: 495,
  discountMinor: 0,
  taxMinor: 724,
};

const app = express();
app.disable('x-powered-by');
app.set('etag', false);
app.post('/orders', express.json({ limit: 1_048_576 }), async (request: Request, response: Response) => {
  try {
    await auth.verify((request.headers.authorization ?? '').slice('Bearer '.length));
  } catch {
    response.status(401).json({ code: 'invalid_token' });
    return;
  }
  const order = NewOrder.safeParse(request.body);
  if (!order.success) response.status(422).json({ code: 'invalid_request' });
  else
    response.status(201).json({
      orderId: '01980000-0000-8000-8000-000000000000',
      number: '0123456789AB',
      status: 'placed',
      revision: 0,
      position: '0000000000000001',
      total,
    });
});
const server = createServer({ keepAliveTimeout: 65_000 }, app);
server.listen(0, '127.0.0.1', () =>
  console.log(`baseline at http://127.0.0.1:${(server.address() as AddressInfo).port}`),
);

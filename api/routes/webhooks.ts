/** News from warehouse and payment provider, believed because they are signed. */
import type { z } from 'zod';
import type { OrderRefusal } from '../../domain/order/commands.ts';
import type { Executed } from '../../runtime/command/execute.ts';
import { recordPaymentNews, recordWarehouseNews } from '../../shop/news.ts';
import { invalidRequest, problem, refused } from '../problems.ts';
import type { Reply } from '../reply.ts';
import { openRoute, type OpenRequest } from '../route.ts';
import { NewsAnswer, PaymentNews, WarehouseNews } from '../schemas/operations.ts';
import { checkSignature } from '../signature.ts';

const HEADER = 'webhook-signature';

/** The news, once the signature over the raw bytes is good; else why not. */
const signed = <T>(
  { headers, rawBody }: OpenRequest,
  names: readonly string[],
  secret: string | undefined,
  now: Date,
  schema: z.ZodType<T>,
): Readonly<{ news: T }> | Readonly<{ reply: Reply }> => {
  if (secret === undefined)
    return { reply: problem('webhook_not_configured', 'This server has no secret for this webhook.') };
  const header = names.map((name) => headers[name]).find((value) => typeof value === 'string');
  const checked = checkSignature(typeof header === 'string' ? header : '', rawBody, secret, now);
  const wanted = { headers: { 'WWW-Authenticate': 'Webhook-Signature' } };
  if (checked === 'bad')
    return {
      reply: problem(
        'bad_signature',
        'The signature is missing or wrong: send Webhook-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">.',
        wanted,
      ),
    };
  if (checked === 'stale')
    return {
      reply: problem(
        'stale_signature',
        'The signature is more than 5 minutes from now; sign it anew.',
        wanted,
      ),
    };
  let body: unknown;
  try {
    body = JSON.parse(rawBody.toString('utf8'));
  } catch {
    return { reply: problem('malformed_json', 'The body is no JSON document.') };
  }
  const parsed = schema.safeParse(body);
  return parsed.success ? { news: parsed.data } : { reply: invalidRequest('body', parsed.error) };
};

const answered = (
  { newsId, orderId }: Readonly<{ newsId: string; orderId: string }>,
  done: Executed<never, unknown, OrderRefusal>,
): Reply =>
  done.ok ? { status: 200, body: { newsId, orderId, revision: done.revision } } : refused(done.reason);

const headers = {
  'Webhook-Signature': 't=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">, at most 5 minutes old.',
};
const responses = { 200: { description: 'Recorded, now or before.', schema: NewsAnswer } };

export const warehouseEvents = openRoute({
  method: 'post',
  path: '/warehouse/events',
  tag: 'webhooks',
  bodyKind: 'raw',
  headers,
  summary: 'The warehouse tells what happened',
  body: WarehouseNews,
  responses,
  problems: [
    'bad_signature',
    'stale_signature',
    'webhook_not_configured',
    'order_not_found',
    'unknown_shipment',
    'unknown_parcel',
    'unknown_line',
    'more_than_ordered',
    'more_than_dispatched',
  ],
  async handle(request, deps) {
    const checked = signed(request, [HEADER], deps.webhooks.warehouseSecret, deps.clock.now(), WarehouseNews);
    if ('reply' in checked) return checked.reply;
    return answered(
      checked.news,
      (await recordWarehouseNews(deps, checked.news, request.traceparent)) as Executed<
        never,
        unknown,
        OrderRefusal
      >,
    );
  },
});

export const paymentEvents = openRoute({
  method: 'post',
  path: '/payments/events',
  tag: 'webhooks',
  bodyKind: 'raw',
  headers,
  summary: 'The payment provider tells what happened',
  description: 'The signature may also come as Stripe-Signature.',
  body: PaymentNews,
  responses,
  problems: [
    'bad_signature',
    'stale_signature',
    'webhook_not_configured',
    'order_not_found',
    'unknown_authorization',
    'unknown_refund',
    'exceeds_authorized',
  ],
  async handle(request, deps) {
    const checked = signed(
      request,
      [HEADER, 'stripe-signature'],
      deps.webhooks.paymentSecret,
      deps.clock.now(),
      PaymentNews,
    );
    if ('reply' in checked) return checked.reply;
    return answered(
      checked.news,
      (await recordPaymentNews(deps, checked.news, request.traceparent)) as Executed<
        never,
        unknown,
        OrderRefusal
      >,
    );
  },
});

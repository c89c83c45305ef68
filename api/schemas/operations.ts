/** What operators are shown, and the news that the outside signs. */
import { z } from 'zod';
import { components, Instant, Reason, text } from './common.ts';

const Id = text(200);
const Count = z.int().min(0);
const Minor = z.int().min(0);
const lines = z
  .array(z.strictObject({ lineId: Id, quantity: z.int().min(1) }))
  .min(1)
  .max(1_000);
const news = { newsId: Id, orderId: z.uuid() };

export const WarehouseNews = z
  .discriminatedUnion('kind', [
    z.strictObject({
      ...news,
      at: Instant,
      kind: z.literal('dispatched'),
      shipmentId: Id,
      parcelId: Id,
      lines,
      carrier: text(100).exactOptional(),
      trackingNumber: text(200).exactOptional(),
    }),
    z.strictObject({ ...news, at: Instant, kind: z.literal('delivered'), shipmentId: Id, parcelId: Id }),
    z.strictObject({ ...news, at: Instant, kind: z.literal('failed'), shipmentId: Id, reason: Reason }),
    z.strictObject({
      ...news,
      at: Instant,
      kind: z.literal('return_received'),
      returnId: Id,
      lines,
      restock: z.boolean(),
    }),
  ])
  .register(components, { id: 'WarehouseNews' });

const attempt = z.int().min(1);
export const PaymentNews = z
  .discriminatedUnion('kind', [
    z.strictObject({
      ...news,
      at: Instant.optional(),
      kind: z.literal('authorized'),
      attempt,
      authorizationId: Id,
      amountMinor: Minor,
      expiresAt: Instant.optional(),
    }),
    z.strictObject({
      ...news,
      at: Instant.optional(),
      kind: z.literal('declined'),
      attempt,
      code: Id,
      sentence: Reason,
    }),
    z.strictObject({ ...news, at: Instant.optional(), kind: z.literal('expired'), authorizationId: Id }),
    z.strictObject({
      ...news,
      at: Instant.optional(),
      kind: z.literal('captured'),
      captureId: Id,
      authorizationId: Id,
      parcelId: Id,
      amountMinor: Minor,
    }),
    z.strictObject({ ...news, at: Instant.optional(), kind: z.literal('voided'), authorizationId: Id }),
    z.strictObject({ ...news, at: Instant.optional(), kind: z.literal('refunded'), refundId: Id }),
    z.strictObject({
      ...news,
      at: Instant.optional(),
      kind: z.literal('refund_failed'),
      refundId: Id,
      code: Id,
      sentence: Reason,
    }),
  ])
  .register(components, { id: 'PaymentNews' });

export const NewsAnswer = z
  .strictObject({ newsId: z.string(), orderId: z.string(), revision: Count })
  .register(components, {
    id: 'NewsAnswer',
    description: '`revision`: of the order, where the news led it.',
  });

export const ConsumerReport = z
  .strictObject({
    name: z.string(),
    state: z.enum(['running', 'standby', 'paused', 'stopped', 'elsewhere']),
    lag: z.strictObject({ events: Count, seconds: z.number().min(0) }),
    heartbeatAt: Instant.nullable(),
    inFlight: Count,
    retrying: Count,
    parked: Count,
    breaker: z.enum(['closed', 'open', 'half-open']),
    oldestBlocked: z.strictObject({ stream: z.string(), since: Instant }).optional(),
  })
  .register(components, {
    id: 'ConsumerReport',
    description:
      '`elsewhere`: not run by the process that answers, which then knows its lag and what is stuck, and no more.',
  });

export const ForwardReport = z
  .strictObject({
    category: z.string(),
    state: z.enum(['running', 'stopped']),
    position: z.string().nullable(),
    lag: z.strictObject({ events: Count, seconds: z.number().min(0) }),
  })
  .register(components, {
    id: 'ForwardReport',
    description: 'How far events of a category have come on their way into Kafka.',
  });

export const ParkedItem = z
  .strictObject({
    id: z.string(),
    consumer: z.string(),
    stream: z.string(),
    event: z.looseObject({ id: z.string(), type: z.string() }),
    error: z.strictObject({ message: z.string(), stack: z.string() }),
    attempts: Count,
    firstAt: Instant,
    lastAt: Instant,
    queued: Count,
  })
  .register(components, {
    id: 'ParkedItem',
    description:
      "An event that a consumer could not handle (a dead letter); the order's later events queue behind it.",
  });

const Build = z
  .strictObject({
    view: z.string(),
    state: z.enum(['building', 'ready', 'failed', 'begun']),
    position: z.string().nullable(),
    share: z.number().min(0).max(1).nullable(),
    eventsPerSecond: z.number().min(0).nullable(),
    secondsLeft: z.number().min(0).nullable(),
    error: z.string().optional(),
  })
  .register(components, {
    id: 'Build',
    description:
      'A build of a view beside the one that readers see. `begun`: by another process, or left by one that was killed. `share`: of the way.',
  });
export const BuildReport = Build;

export const ViewReport = z
  .strictObject({
    name: z.string(),
    view: z.string().nullable(),
    previous: z.string().nullable(),
    state: z.enum(['standby', 'building', 'running', 'failed', 'stopped']),
    position: z.string().nullable(),
    lag: z.strictObject({ events: Count, seconds: z.number().min(0) }),
    failed: z
      .strictObject({ position: z.string(), type: z.string(), stream: z.string(), error: z.string() })
      .optional(),
    build: Build.optional(),
  })
  .register(components, {
    id: 'View',
    description:
      '`view`: the build that readers see; `previous`: the one before, kept to go back to; `build`: the next one.',
  });
export const SwitchedView = z
  .strictObject({ name: z.string(), view: z.string(), previous: z.string().nullable() })
  .register(components, { id: 'SwitchedView' });

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

const Someone = z.strictObject({ id: z.string(), role: z.string() });
const ConsumerState = z.enum(['running', 'standby', 'paused', 'stopped']);
const Breaker = z.enum(['closed', 'open', 'half-open']);
const ViewState = z.enum(['standby', 'building', 'running', 'failed', 'stopped']);
const ForwardState = z.enum(['running', 'standby', 'failed', 'stopped']);

export const ConsumerReport = z
  .strictObject({
    name: z.string(),
    state: ConsumerState,
    paused: z.strictObject({ since: Instant, by: Someone, reason: z.string() }).optional(),
    lag: z.strictObject({ events: Count, seconds: z.number().min(0) }),
    heartbeatAt: Instant.nullable(),
    inFlight: Count,
    retrying: Count,
    parked: Count,
    breaker: Breaker,
    oldestBlocked: z.strictObject({ stream: z.string(), since: Instant }).optional(),
  })
  .register(components, {
    id: 'ConsumerReport',
    description:
      'In all processes together. State `paused`: by an operator, and then `paused` says why, or what it calls is down and its breaker open; `stopped`: no process runs it.',
  });

export const ReplayReport = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    consumer: z.string(),
    state: z.enum(['running', 'done', 'stopped']),
    after: z.string().nullable(),
    through: z.string(),
    stream: z.string().nullable(),
    types: z.array(z.string()).nullable(),
    events: Count,
    handed: Count,
    perSecond: Count.nullable(),
    by: Someone,
    reason: z.string(),
    askedAt: Instant,
    endedAt: Instant.nullable(),
  })
  .register(components, {
    id: 'ReplayReport',
    description:
      'Events behind the position `after` (null: from the beginning) and up to `through`. `handed`: of `events`, those that were handled again or wait in their lane, since that failed.',
  });

export const ForwardReport = z
  .strictObject({
    category: z.string(),
    state: ForwardState,
    why: z.string().optional(),
    position: z.string().nullable(),
    lag: z.strictObject({ events: Count, seconds: z.number().min(0) }),
  })
  .register(components, {
    id: 'ForwardReport',
    description: 'How far events of a category have come on their way into Kafka.',
  });

export const ProcessReport = z
  .strictObject({
    id: z.string(),
    state: z.enum(['running', 'silent']),
    roles: z.array(z.string()),
    host: z.string(),
    pid: z.int(),
    startedAt: Instant,
    heartbeatAt: Instant,
    consumers: z.array(
      z.strictObject({
        name: z.string(),
        state: ConsumerState,
        inFlight: Count,
        breaker: Breaker,
        why: z.string().optional(),
      }),
    ),
    views: z.array(z.strictObject({ name: z.string(), state: ViewState, view: z.string().nullable() })),
    forward: z.array(z.strictObject({ category: z.string(), state: ForwardState })),
  })
  .register(components, {
    id: 'ProcessReport',
    description:
      'A process of the shop, and what runs in it. `silent`: it has told nothing of itself for 15 seconds: killed, or cut off; after an hour it is shown no more.',
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

const Comparison = z
  .strictObject({
    live: z.string(),
    build: z.string(),
    rows: Count,
    differences: Count,
    unsettled: Count,
    first: z.array(
      z.strictObject({
        id: z.string(),
        kind: z.string(),
        paths: z.array(
          z.strictObject({ path: z.string(), before: z.string().optional(), after: z.string().optional() }),
        ),
      }),
    ),
  })
  .register(components, {
    id: 'Comparison',
    description:
      'Of two builds, row by row; `first`: some of the rows that differ. `unsettled`: rows that changed at every look.',
  });
export const BuildReport = z
  .strictObject({
    view: z.string().nullable(),
    state: z.enum(['asked', 'building', 'comparing', 'switching', 'ready', 'failed', 'begun']),
    position: z.string().nullable(),
    share: z.number().min(0).max(1).nullable(),
    eventsPerSecond: z.number().min(0).nullable(),
    secondsLeft: z.number().min(0).nullable(),
    rows: Count.optional(),
    comparison: Comparison.optional(),
    error: z.string().optional(),
  })
  .register(components, {
    id: 'Build',
    description:
      'What is being done, or was done last, about a build of a view beside the one that readers see. `begun`: nobody is at it; `/rebuild` goes on with it. `share`: of the way; `rows`: compared so far.',
  });

export const ViewReport = z
  .strictObject({
    name: z.string(),
    view: z.string().nullable(),
    previous: z.string().nullable(),
    state: ViewState,
    position: z.string().nullable(),
    lag: z.strictObject({ events: Count, seconds: z.number().min(0) }),
    failed: z
      .strictObject({ position: z.string(), type: z.string(), stream: z.string(), error: z.string() })
      .optional(),
    build: BuildReport.optional(),
  })
  .register(components, {
    id: 'View',
    description:
      '`view`: the build that readers see; `previous`: the one before, kept to go back to; `build`: the next one.',
  });
export const SwitchedView = z
  .strictObject({ name: z.string(), view: z.string(), previous: z.string().nullable() })
  .register(components, { id: 'SwitchedView' });

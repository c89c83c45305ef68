import { aggregates } from '../../domain/index.ts';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Position } from '../../domain/kernel.ts';
import { auditLog } from '../../projections/audit-log.ts';
import { ORDER_ID, placing, stamp } from '../domain/scenario.ts';
import { folding, history } from './folding.ts';

const test = suite('view audit-log');

test('a row per event under its position, found by time, actor, type and order', async () => {
  const told = history();
  told.place(placing(), '2026-01-01T10:00:00.000Z');
  told.tell(ORDER_ID, '2026-01-02T10:00:00.000Z', ['HoldOrder', { hold: 'h', reason: 'odd' }]);
  const view = folding(auditLog);
  await view.fold(told.events);
  assert.equal(
    [...view.rows.keys()],
    told.events.map(({ position }) => position),
  );
  const row = view.rows.get(told.events[1]!.position);
  const at = '2026-01-02T10:00:00.000Z';
  assert.equal(row?.doc, {
    stream: `order-${ORDER_ID}`,
    revision: 1,
    type: 'OrderHeld',
    actorId: 'test',
    role: 'system',
    at,
  });
  const { stream } = row?.doc ?? {};
  assert.equal(row?.columns, { at, actor: 'test', type: 'OrderHeld', stream, order: ORDER_ID });
});

test("events of every category, known to this version or not; none but an order's own count as its; times sort as text", async () => {
  const view = folding(auditLog);
  const meta = {
    ...stamp('c', '2026-01-01T10:00:00Z'),
    recordedAt: '2026-01-01T10:00:00Z',
    origin: 'live',
    correlationId: 'c',
    causationId: 'c',
    previousHash: '0'.repeat(64),
  } as const;
  const streams = [`stock-MUG`, `product-MUG`, 'customer-ada', 'operations-2026-01'];
  await view.fold(
    streams.map((stream, n) => ({
      type: 'NeverHeardOf',
      data: { reservationId: `${ORDER_ID}/1` },
      schema: 9,
      id: `e${n}`,
      stream,
      revision: 0,
      position: String(n).padStart(16, '0') as Position,
      meta,
    })),
  );
  assert.equal(auditLog.categories, Object.keys(aggregates));
  assert.is(view.rows.size, 4);
  for (const { columns, doc } of view.rows.values()) {
    assert.is(doc?.at, '2026-01-01T10:00:00.000Z');
    assert.is(columns.order ?? null, null);
  }
});
test.run();

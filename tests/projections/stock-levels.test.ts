import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { EventEnvelope, Message, Position } from '../../domain/kernel.ts';
import { levelsAfter, NO_STOCK } from '../../domain/stock/levels.ts';
import {
  available,
  reservationIn,
  stock,
  type StockCommand,
  type StockEvent,
} from '../../domain/stock/stock.ts';
import { stockLevels } from '../../projections/stock-levels.ts';
import { dice } from '../domain/random.ts';
import { stamp } from '../domain/scenario.ts';
import { folding } from './folding.ts';

const AT = '2026-01-01T00:00:00.000Z';
let positions = 0;
const envelope = ({ type, data }: Message, stream: string, at = AT): EventEnvelope => ({
  type,
  data,
  stream,
  schema: 1,
  id: `event-${positions}`,
  revision: 0,
  position: String(++positions).padStart(16, '0') as Position,
  meta: {
    ...stamp('c', at),
    recordedAt: at,
    origin: 'live',
    correlationId: 'c',
    causationId: 'c',
    previousHash: '0'.repeat(64),
  },
});

const test = suite('view stock-levels');

test('levels after random histories are those of the stock itself', async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const d = dice(seed);
    const view = folding(stockLevels);
    let state = stock.initial;
    let levels = NO_STOCK;
    let commands = 0;
    const tell = async (command: StockCommand): Promise<void> => {
      const meta = stamp(`c-${++commands}`);
      const decision = stock.decide({ ...command, meta }, state);
      if (!decision.ok) return;
      for (const event of decision.events) {
        state = stock.evolve(state, { ...event, meta });
        levels = levelsAfter(levels, event);
      }
      await view.fold(decision.events.map((event: StockEvent) => envelope(event, 'stock-a-b')));
    };
    for (let step = 0; step < 120; step++) {
      const id = `o${d.below(6)}/1`;
      const held = reservationIn(state, id);
      await tell(
        d.pick<StockCommand>([
          { type: 'ReceiveGoods', data: { quantity: 1 + d.below(9) } },
          { type: 'AdjustStock', data: { delta: d.below(9) - 6, reason: 'r', fact: d.chance(0.5) } },
          {
            type: 'ReserveUnits',
            data: {
              reservationId: id,
              quantity: 1 + d.below(9),
              onShortage: d.pick(['none', 'partial', 'backorder'] as const) ?? 'none',
            },
          },
          {
            type: 'ReserveUnits',
            data: { reservationId: id, quantity: 1 + d.below(9), onShortage: 'backorder' },
          },
          { type: 'ReleaseUnits', data: { reservationId: id, keep: d.below(4) } },
          {
            type: 'DispatchUnits',
            data: { reservationId: id, total: (held?.dispatched ?? 0) + 1 + d.below(3) },
          },
        ])!,
      );
      const { onHand, reserved, backordered } = state;
      assert.equal(levels, { onHand, reserved, backordered }, `seed ${seed}, step ${step}`);
      if (state.revision < 0) continue;
      assert.equal(
        view.rows.get('a-b')?.doc,
        { sku: 'a-b', onHand, reserved, backordered, available: available(state), updatedAt: AT },
        `seed ${seed}, step ${step}`,
      );
      const { sku, available: there } = view.rows.get('a-b')?.columns ?? {};
      assert.equal([sku, there], ['a-b', available(state)]);
    }
  }
});

test('a product that was listed and never received has a row of zeros; later changes of it leave the levels alone', async () => {
  const view = folding(stockLevels);
  const listed = envelope(
    { type: 'ProductListed', data: { sku: 'MUG', name: 'Mug', priceMinor: 1, currency: 'GBP' } },
    'product-MUG',
  );
  await view.fold([listed]);
  const zeros = { sku: 'MUG', onHand: 0, reserved: 0, backordered: 0, available: 0, updatedAt: AT };
  assert.equal(view.rows.get('MUG')?.doc, zeros);
  await view.fold([
    envelope({ type: 'GoodsReceived', data: { quantity: 3 } }, 'stock-MUG', '2026-02-01T00:00:00.000Z'),
    envelope({ type: 'ProductDelisted', data: {} }, 'product-MUG', '2026-03-01T00:00:00.000Z'),
  ]);
  assert.equal(view.rows.get('MUG')?.doc, {
    ...zeros,
    onHand: 3,
    available: 3,
    updatedAt: '2026-02-01T00:00:00.000Z',
  });
});
test.run();

/**
 * Random histories of one SKU against a plain model: what was promised is there, and who waited longest is
 * served first.
 */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Stamped } from '../../domain/kernel.ts';
import {
  available,
  brokenStockRules,
  reservationIn,
  stock,
  STOCK_EVENTS,
  type StockCommand,
  type StockState,
} from '../../domain/stock/stock.ts';
import { dice, type Dice } from './random.ts';
import { stamp } from './scenario.ts';

const RUNS = 300;
const COMMANDS = 200;

type Model = Map<string, { reserved: number; backordered: number; left: number }>;

const randomCommand = (d: Dice, model: Model, step: number): StockCommand => {
  const known = d.pick([...model.keys()]) ?? 'none';
  const held = model.get(known) ?? { reserved: 0, backordered: 0, left: 0 };
  const choices: readonly (() => StockCommand)[] = [
    () => ({
      type: 'ReserveUnits',
      data: {
        reservationId: `o${step}/1`,
        quantity: 1 + d.below(5),
        onShortage: d.pick(['none', 'partial', 'backorder'] as const) ?? 'none',
      },
    }),
    () => ({
      type: 'ReserveUnits',
      data: { reservationId: `o${step}/1`, quantity: 1 + d.below(5), onShortage: 'backorder' },
    }),
    () => ({
      type: 'ReserveUnits',
      data: { reservationId: known, quantity: 1 + d.below(5), onShortage: 'backorder' },
    }),
    () => ({ type: 'ReceiveGoods', data: { quantity: 1 + d.below(6) } }),
    () => ({
      type: 'ReleaseUnits',
      data: { reservationId: known, keep: d.below(held.reserved + held.backordered + 1) },
    }),
    () => ({
      type: 'ReleaseUnits',
      data: { reservationId: known, keep: 0, dispatched: held.left + d.below(held.reserved + 1) },
    }),
    () => ({
      type: 'DispatchUnits',
      data: { reservationId: known, total: held.left + d.below(held.reserved + 1) },
    }),
    () => ({ type: 'AdjustStock', data: { delta: 1 + d.below(3), reason: 'found' } }),
  ];
  return (d.pick(choices) ?? (choices[0] as () => StockCommand))();
};

const run = (seed: number, length: number): void => {
  const d = dice(seed);
  const model: Model = new Map();
  const queue: string[] = [];
  let onHand = 0;
  let state: StockState = stock.initial;
  const past: Stamped<StockCommand>[] = [];
  for (let step = 1; step <= length; step++) {
    const command = { ...randomCommand(d, model, step), meta: stamp(`c${step}`) } as Stamped<StockCommand>;
    const decision = stock.decide(command, state);
    if (decision.ok)
      for (const event of decision.events) {
        assert.ok(STOCK_EVENTS[event.type].data.safeParse(event.data).success, event.type);
        state = stock.evolve(state, { ...event, meta: command.meta });
        if (event.type === 'GoodsReceived') onHand += event.data.quantity;
        else if (event.type === 'StockAdjusted') onHand += event.data.delta;
        else {
          const { reservationId: id } = event.data;
          const held = model.get(id) ?? { reserved: 0, backordered: 0, left: 0 };
          model.set(id, held);
          if (event.type === 'UnitsReserved') held.reserved += event.data.quantity;
          if (event.type === 'UnitsBackordered') {
            held.backordered += event.data.quantity;
            queue.push(id);
          }
          if (event.type === 'BackorderFilled') {
            assert.is(
              id,
              queue.find((waiting) => (model.get(waiting)?.backordered ?? 0) > 0),
              'the first that waits is served first',
            );
            held.backordered -= event.data.quantity;
            held.reserved += event.data.quantity;
          }
          if (event.type === 'UnitsReleased' || event.type === 'UnitsDispatched') {
            held.reserved -= event.data.reserved;
            held.backordered -= event.data.backordered;
          }
          if (event.type === 'UnitsDispatched') {
            held.left += event.data.quantity;
            onHand -= event.data.quantity;
          }
          if (held.reserved + held.backordered === 0) {
            model.delete(id);
            // A place in the queue is given up with the reservation.
            for (let index = queue.indexOf(id); index >= 0; index = queue.indexOf(id)) queue.splice(index, 1);
          }
        }
      }
    past.push(command);
    assert.equal(brokenStockRules(state), [], JSON.stringify(command));
    assert.is(state.onHand, onHand);
    assert.ok(available(state) >= 0, 'oversold');
    for (const [id, { reserved, backordered }] of model) {
      const held = reservationIn(state, id);
      assert.equal([held?.reserved, held?.backordered], [reserved, backordered]);
    }
    // A repeat changes nothing: at once, and for what a command id is remembered also later.
    const again = stock.decide(command, state);
    if (decision.ok) assert.ok(again.ok && again.events.length === 0, `${command.type} again yields events`);
    const old = d.pick(past);
    if (old && (old.type === 'ReceiveGoods' || old.type === 'AdjustStock'))
      assert.equal(stock.decide(old, state), { ok: true, events: [] });
  }
  assert.equal(JSON.parse(JSON.stringify(state)), state, 'a snapshot holds it as JSON');
};

const property = suite('random histories of a stock');
property(`keep the rules (${RUNS} of up to ${COMMANDS} commands)`, () => {
  fc.assert(fc.property(fc.integer({ min: 0 }), fc.integer({ min: 1, max: COMMANDS }), run), {
    numRuns: RUNS,
    includeErrorInReport: true,
  });
});
property.run();

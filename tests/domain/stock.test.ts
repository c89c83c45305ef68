import { suite } from 'uvu';
import { sizeOf } from '../../domain/remembered.ts';
import * as assert from 'uvu/assert';
import type { Stamped } from '../../domain/kernel.ts';
import {
  available,
  brokenStockRules,
  reservationId,
  reservationIn,
  reservationOf,
  stock,
  STOCK_EVENTS,
  type StockCommand,
  type StockEvent,
  type StockRefusal,
  type StockState,
} from '../../domain/stock/stock.ts';
import { stamp } from './scenario.ts';

let ids = 0;
const shelf = (state: StockState = stock.initial) => ({
  state,
  when(command: StockCommand, id = `s${++ids}`) {
    const meta = stamp(id);
    const decision = stock.decide({ ...command, meta } as Stamped<StockCommand>, state);
    const next = () => {
      if (!decision.ok) throw new Error(`${command.type}: ${decision.reason.code}`);
      let after = state;
      for (const event of decision.events) {
        assert.ok(STOCK_EVENTS[event.type].data.safeParse(event.data).success, event.type);
        after = stock.evolve(after, { ...event, meta });
      }
      assert.equal(brokenStockRules(after), []);
      return shelf(after);
    };
    return {
      then(...events: readonly StockEvent[]) {
        assert.equal(decision, { ok: true, events });
        return next();
      },
      thenRefused(code: StockRefusal['code']) {
        assert.not.ok(decision.ok);
        if (!decision.ok) assert.is(decision.reason.code, code);
      },
      done: next,
    };
  },
});
const receive = (quantity: number): StockCommand => ({ type: 'ReceiveGoods', data: { quantity } });
const adjust = (delta: number, fact = false): StockCommand => ({
  type: 'AdjustStock',
  data: { delta, reason: 'counted', ...(fact ? { fact } : {}) },
});
const reserve = (
  id: string,
  quantity: number,
  onShortage: 'none' | 'partial' | 'backorder' = 'none',
): StockCommand => ({ type: 'ReserveUnits', data: { reservationId: id, quantity, onShortage } });
const release = (id: string, keep: number, dispatched?: number): StockCommand => ({
  type: 'ReleaseUnits',
  data: { reservationId: id, keep, ...(dispatched === undefined ? {} : { dispatched }) },
});
const dispatch = (id: string, total: number): StockCommand => ({
  type: 'DispatchUnits',
  data: { reservationId: id, total },
});
const having = (quantity: number) => shelf().when(receive(quantity)).done();

const counting = suite('what is on hand');

counting('grows with goods, once a command', () => {
  const some = shelf()
    .when(receive(5), 'r')
    .then({ type: 'GoodsReceived', data: { quantity: 5 } });
  some.when(receive(5), 'r').then();
  assert.is(available(some.state), 5);
});

counting('is adjusted, not below nothing unless it has happened', () => {
  const some = having(5);
  const less = some
    .when(adjust(-5), 'a')
    .then({ type: 'StockAdjusted', data: { delta: -5, reason: 'counted' } });
  less.when(adjust(-5), 'a').then();
  less.when(adjust(-1)).thenRefused('below_zero');
  less.when(adjust(0)).then();
  const owing = less
    .when(adjust(-1, true))
    .then({ type: 'StockAdjusted', data: { delta: -1, reason: 'counted' } });
  assert.is(available(owing.state), -1);
  owing.when(reserve('x', 1)).thenRefused('out_of_stock');
});
counting.run();

const reserving = suite('reserving');

reserving('takes what is there, once a reservation', () => {
  const held = having(5)
    .when(reserve('a/1', 3))
    .then({ type: 'UnitsReserved', data: { reservationId: 'a/1', quantity: 3 } });
  held.when(reserve('a/1', 3)).then();
  assert.is(available(held.state), 2);
});

reserving('of more than there is goes by the policy', () => {
  const some = having(2);
  some.when(reserve('a/1', 3)).thenRefused('out_of_stock');
  some
    .when(reserve('a/1', 3, 'partial'))
    .then({ type: 'UnitsReserved', data: { reservationId: 'a/1', quantity: 2 } });
  some
    .when(reserve('a/1', 3, 'backorder'))
    .then(
      { type: 'UnitsReserved', data: { reservationId: 'a/1', quantity: 2 } },
      { type: 'UnitsBackordered', data: { reservationId: 'a/1', quantity: 1 } },
    );
  shelf()
    .when(reserve('a/1', 3, 'partial'))
    .thenRefused('out_of_stock');
});

reserving('queues behind those who wait, and goods go to the first', () => {
  const waiting = shelf()
    .when(reserve('b/1', 3, 'backorder'))
    .done()
    .when(reserve('a/1', 2, 'backorder'))
    .done();
  const some = waiting
    .when(receive(4))
    .then(
      { type: 'GoodsReceived', data: { quantity: 4 } },
      { type: 'BackorderFilled', data: { reservationId: 'b/1', quantity: 3 } },
      { type: 'BackorderFilled', data: { reservationId: 'a/1', quantity: 1 } },
    );
  some.when(reserve('c/1', 1)).thenRefused('out_of_stock');
  some
    .when(release('b/1', 0))
    .then(
      { type: 'UnitsReleased', data: { reservationId: 'b/1', reserved: 3, backordered: 0 } },
      { type: 'BackorderFilled', data: { reservationId: 'a/1', quantity: 1 } },
    );
  waiting
    .when(adjust(1))
    .then(
      { type: 'StockAdjusted', data: { delta: 1, reason: 'counted' } },
      { type: 'BackorderFilled', data: { reservationId: 'b/1', quantity: 1 } },
    );
});

reserving('ids keep order and line', () => {
  assert.equal(reservationOf(reservationId('0190-a', '7')), { orderId: '0190-a', lineId: '7' });
});
reserving.run();

const releasing = suite('releasing and dispatching');

releasing('lets go down to a target, waiting units first', () => {
  const held = having(2)
    .when(reserve('a/1', 5, 'backorder'))
    .done();
  const less = held
    .when(release('a/1', 1))
    .then({ type: 'UnitsReleased', data: { reservationId: 'a/1', reserved: 1, backordered: 3 } });
  less.when(release('a/1', 1)).then();
  less.when(release('a/1', 4)).then();
  const none = less.when(release('a/1', 0)).done();
  assert.is(reservationIn(none.state, 'a/1'), undefined);
  none.when(release('a/1', 0)).then();
  none.when(release('unknown', 1)).then();
});

releasing('comes before the reservation: it is not made any more', () => {
  const late = {
    type: 'UnitsReleased',
    data: { reservationId: 'a/1', reserved: 0, backordered: 0 },
  } as const;
  const withdrawn = having(5).when(release('a/1', 0)).then(late);
  withdrawn.when(release('a/1', 0)).then();
  withdrawn.when(reserve('a/1', 3)).then();
  const given = having(5).when(reserve('a/1', 3)).done().when(release('a/1', 0)).done();
  given.when(reserve('a/1', 3)).then();
  let many = withdrawn;
  for (let n = 0; n < 1_000; n++) many = many.when(release(`b/${n}`, 0)).done();
  assert.ok(sizeOf(many.state.withdrawn) < 700, 'the oldest are forgotten');
  many.when(reserve('b/999', 1)).then();
});

releasing('counts what left first, since that cannot be let go', () => {
  const held = having(5).when(reserve('a/1', 5)).done();
  const both = held
    .when(release('a/1', 0, 2))
    .then(
      { type: 'UnitsDispatched', data: { reservationId: 'a/1', quantity: 2, reserved: 2, backordered: 0 } },
      { type: 'UnitsReleased', data: { reservationId: 'a/1', reserved: 3, backordered: 0 } },
    );
  assert.equal([both.state.onHand, both.state.reserved], [3, 0]);
  both.when(release('a/1', 0, 2)).then();
});

releasing('dispatches up to a total, once', () => {
  const held = having(5).when(reserve('a/1', 3)).done();
  const sent = held.when(dispatch('a/1', 1)).then({
    type: 'UnitsDispatched',
    data: { reservationId: 'a/1', quantity: 1, reserved: 1, backordered: 0 },
  });
  sent.when(dispatch('a/1', 1)).then();
  const all = sent.when(dispatch('a/1', 3)).then({
    type: 'UnitsDispatched',
    data: { reservationId: 'a/1', quantity: 2, reserved: 2, backordered: 0 },
  });
  all.when(dispatch('a/1', 3)).then();
  assert.equal([all.state.onHand, all.state.reserved, available(all.state)], [2, 0, 2]);
});

releasing('of units that waited takes them off the queue', () => {
  const held = having(1)
    .when(reserve('a/1', 3, 'backorder'))
    .done();
  const sent = held.when(dispatch('a/1', 2)).then({
    type: 'UnitsDispatched',
    data: { reservationId: 'a/1', quantity: 2, reserved: 1, backordered: 1 },
  });
  assert.equal([sent.state.onHand, sent.state.backordered], [-1, 1]);
});
releasing.run();

const memory = suite('memory of a stock');

memory('keeps reservations of open orders only', () => {
  let some = having(1_000);
  for (let n = 0; n < 500; n++) some = some.when(reserve(`o${n}/1`, 2)).done();
  for (let n = 0; n < 500; n++)
    some = n % 2 ? some.when(release(`o${n}/1`, 0)).done() : some.when(dispatch(`o${n}/1`, 2)).done();
  assert.is(
    some.state.reservations.reduce((total, bucket) => total + Object.keys(bucket).length, 0),
    0,
  );
  assert.is(some.state.onHand, 500);
});

memory('of commands is bounded, the latest first', () => {
  let some = shelf();
  for (let n = 0; n < 5_000; n++) some = some.when(receive(1), `r${n}`).done();
  const kept = sizeOf(some.state.recent);
  assert.ok(kept >= 1_000 && kept <= 4_000, `${kept} are kept`);
  for (const id of ['r4999', 'r4001']) some.when(receive(1), id).then();
});

memory('is not fooled by names that every object has', () => {
  having(1)
    .when(reserve('constructor', 1))
    .then({ type: 'UnitsReserved', data: { reservationId: 'constructor', quantity: 1 } });
});
memory.run();

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { v7, validate, version } from 'uuid';
import { importedOrderIdOf } from '../../scripts/import/order-history.ts';
import { orderIdOf } from '../../shop/checkout.ts';
import { derivedUuid, eventIdOf } from '../../runtime/command/identity.ts';

const identity = suite('derived ids');
const ms = fc.integer({ min: 0, max: 2 ** 48 - 1 });

identity('are UUIDs, the same for the same parts and others for others', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), fc.array(fc.string(), { minLength: 1 }), (a, b) => {
      assert.ok(validate(derivedUuid(...a)));
      assert.is(version(derivedUuid(...a)), 8);
      assert.is(derivedUuid(...a), derivedUuid(...a));
      assert.is(derivedUuid(...a) === derivedUuid(...b), JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});

identity('keep parts apart that run together', () => {
  assert.is.not(derivedUuid('ab', 'c'), derivedUuid('a', 'bc'));
  assert.is.not(orderIdOf('a', 'bc'), orderIdOf('ab', 'c'));
});

identity('of orders begin with the time of a UUIDv7 key, and are in its order', () => {
  fc.assert(
    fc.property(ms, ms, fc.string(), (a, b, customer) => {
      const [keyA, keyB] = [v7({ msecs: a }), v7({ msecs: b })];
      const [idA, idB] = [orderIdOf(customer, keyA), orderIdOf(customer, keyB)];
      assert.ok(validate(idA));
      assert.is(Number.parseInt(idA.replaceAll('-', '').slice(0, 12), 16), a);
      if (a !== b) assert.is(idA < idB, a < b);
    }),
  );
});

identity('of orders differ by customer, also under one key', () => {
  const key = v7({ msecs: 1 });
  assert.is.not(orderIdOf('a', key), orderIdOf('b', key));
  assert.is(orderIdOf('a', key).slice(0, 13), orderIdOf('b', key).slice(0, 13));
  assert.is.not(orderIdOf('a', key.toUpperCase()), orderIdOf('a', key), 'a key is taken as it is written');
});

identity('of orders under another key take no time from it', () => {
  const random = '0190a000-0000-4000-8000-000000000000';
  assert.is.not(orderIdOf('a', random).slice(0, 13), random.slice(0, 13));
  assert.ok(validate(orderIdOf('a', 'any text')));
});

identity('of imported orders begin with the invoice’s time', () => {
  fc.assert(
    fc.property(ms, fc.string(), (at, invoice) => {
      const id = importedOrderIdOf('shop', invoice, at);
      assert.ok(validate(id));
      assert.is(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16), at);
      assert.is(id, importedOrderIdOf('shop', invoice, at));
    }),
  );
});

identity('of events differ by stream, command, index and what they say', () => {
  const ids = ['s-1', 's-2'].flatMap((stream) =>
    ['a', 'b'].flatMap((command) =>
      [0, 1].flatMap((index) => ['x', 'y'].map((content) => eventIdOf(stream, command, index, content))),
    ),
  );
  assert.is(new Set(ids).size, 16);
  assert.is(eventIdOf('s-1', 'a', 0, 'x'), eventIdOf('s-1', 'a', 0, 'x'));
});
identity.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { orderNumber } from '../../domain/order/number.ts';
import { orderIdOf } from '../../shop/checkout.ts';

const number = suite('order number');

number('is twelve characters without those that are misread, always the same for an id', () => {
  const id = '0190a000-0000-8000-8fff-ffffffffffff';
  assert.is(orderNumber(id), 'ZZZZZZZZZZZZ');
  assert.is(orderNumber('0190a000-0000-8000-8000-000000000000'), '000000000000');
  assert.is(orderNumber('0190a000-0000-8000-8000-000000000001'), '000000000001');
  for (let n = 0; n < 500; n++)
    assert.match(orderNumber(orderIdOf('c', `key-${n}`)), /^[0-9A-HJKMNP-TV-Z]{12}$/);
});

number('tells orders apart that were placed at once', () => {
  const numbers = new Set(
    Array.from({ length: 2_000 }, (_, n) =>
      orderNumber(orderIdOf(`c-${n}`, '01900000-0000-7000-8000-000000000000')),
    ),
  );
  assert.is(numbers.size, 2_000);
});
number.run();

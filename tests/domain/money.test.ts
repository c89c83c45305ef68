import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allocate, amountOfFirst, Money, taxContained } from '../../domain/money.ts';
import { totalsOf } from '../../domain/pricing.ts';

const money = suite('money');
const minor = fc.integer({ min: 0, max: 1e12 });

money('divided sums up, within one unit of the exact share', () => {
  fc.assert(
    fc.property(
      minor,
      fc.array(fc.integer({ min: 0, max: 1e12 }), { minLength: 1, maxLength: 50 }),
      (total, weights) => {
        const shares = allocate(total, weights);
        assert.is(
          shares.reduce((a, b) => a + b, 0),
          total,
        );
        assert.ok(shares.every((share) => Number.isSafeInteger(share) && share >= 0));
        const sum = weights.reduce((a, b) => a + b, 0);
        if (sum > 0)
          for (const [index, share] of shares.entries()) {
            const distance = BigInt(share) * BigInt(sum) - BigInt(total) * BigInt(weights[index] ?? 0);
            assert.ok(distance < BigInt(sum) && -distance < BigInt(sum), 'further than one unit off');
          }
        if (total <= sum)
          assert.ok(
            shares.every((share, index) => share <= (weights[index] ?? 0)),
            'a discount exceeds its line',
          );
      },
    ),
  );
});

money('divided gives what is left to the largest remainder, ties to the earlier', () => {
  assert.equal(allocate(100, [1, 1, 1]), [34, 33, 33]);
  assert.equal(allocate(10, [6, 3, 1]), [6, 3, 1]);
  assert.equal(allocate(5, [0, 0]), [5, 0]);
  assert.equal(allocate(0, []), []);
  assert.throws(() => allocate(1, []), 'nothing to allocate to');
});

money('of parts of a line telescopes to the whole', () => {
  fc.assert(
    fc.property(
      minor,
      fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 20 }),
      (amount, parts) => {
        const quantity = parts.reduce((a, b) => a + b, 0);
        let before = 0;
        let sum = 0;
        for (const part of parts) {
          const price =
            amountOfFirst(before + part, quantity, amount) - amountOfFirst(before, quantity, amount);
          assert.ok(price >= 0 && Number.isSafeInteger(price));
          sum += price;
          before += part;
        }
        assert.is(sum, amount);
      },
    ),
  );
});

money('contains its tax, rounded half up', () => {
  assert.is(taxContained(12_000, 0.2), 2_000);
  assert.is(taxContained(3, 0.2), 1);
  assert.is(taxContained(0, 0.2), 0);
  assert.is(taxContained(999, 0), 0);
});

money('of an order: shipping is flat, and free from a sum on', () => {
  const rules = { taxRate: 0.2, shippingFlatMinor: 499, shippingFreeFromMinor: 5_000 };
  assert.equal(totalsOf(4_999, rules), {
    linesMinor: 4_999,
    shippingMinor: 499,
    discountMinor: 0,
    taxMinor: 916,
    totalMinor: 5_498,
  });
  assert.equal(totalsOf(5_000, rules), {
    linesMinor: 5_000,
    shippingMinor: 0,
    discountMinor: 0,
    taxMinor: 833,
    totalMinor: 5_000,
  });
});

money('is whole, not negative, and of a currency', () => {
  assert.ok(Money.safeParse({ amountMinor: 1, currency: 'GBP' }).success);
  for (const wrong of [
    { amountMinor: 1.5, currency: 'GBP' },
    { amountMinor: -1, currency: 'GBP' },
    { amountMinor: 1, currency: 'gbp' },
    { amountMinor: 1, currency: 'GBP', more: 1 },
  ])
    assert.not(Money.safeParse(wrong).success);
});
money.run();

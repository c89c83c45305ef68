import * as assert from 'uvu/assert';
import type { Leases } from '../../ports/lease.ts';
import { contract, type Make } from './making.ts';

/** What every adapter for leases must do. */
export const leasesContract = (name: string, make: Make<Leases>): void => {
  const { test, run } = contract(`leases: ${name}`, make);

  test('is taken by one of many, and counts its holders', async (leases) => {
    assert.is(await leases.read('a'), undefined);
    const taken = await Promise.all(['x', 'y', 'z'].map((holder) => leases.take('a', holder, undefined)));
    const [first] = taken.filter((lease) => lease !== undefined);
    assert.is(taken.filter((lease) => lease !== undefined).length, 1);
    assert.equal([first?.token, first?.beat], [1, 0]);
    assert.equal(await leases.read('a'), first);
    assert.is(await leases.take('a', 'other', undefined), undefined, 'it has been held');
    const second = await leases.take('a', 'other', first);
    assert.equal([second?.holder, second?.token, second?.beat], ['other', 2, 0]);
    assert.is(await leases.read('b'), undefined, 'another lease');
  });

  test('is renewed by its holder alone; a renewal in between spoils a take', async (leases) => {
    const held = (await leases.take('a', 'x', undefined))!;
    const renewed = (await leases.renew(held))!;
    assert.equal(renewed, { ...held, beat: 1 });
    assert.is(await leases.take('a', 'y', held), undefined, 'it has shown a sign of life since');
    assert.is(await leases.renew(held), undefined, 'an answer that was lost');
    const theirs = (await leases.take('a', 'y', renewed))!;
    assert.is(await leases.renew(renewed), undefined);
    await leases.release(renewed);
    assert.equal(await leases.read('a'), theirs, 'who has lost it gives nothing back');
  });

  test('is free once it is given back, and goes on counting', async (leases) => {
    const held = (await leases.take('a', 'x', undefined))!;
    await leases.release(held);
    const free = (await leases.read('a'))!;
    assert.equal([free.holder, free.token], ['', 1]);
    assert.is(await leases.renew(held), undefined);
    assert.is((await leases.take('a', 'x', free))?.token, 2);
  });
  run();
};

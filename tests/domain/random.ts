/** Choices of a random history from one seed, so that a failing run can be told by seed and length. */
export type Dice = Readonly<{
  /** 0 ≤ x < n, whole. */
  below(n: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T | undefined;
}>;

/** Source: mulberry32 (Tommy Ettinger), 32 bits of state; good enough to choose with. */
export const dice = (seed: number): Dice => {
  let a = seed >>> 0;
  const next = (): number => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)],
  };
};

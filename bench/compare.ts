/**
 * Two ways to do the same, measured in turn: A B A B, so that what the machine does meanwhile falls on both.
 */

/** Of all rounds. */
export type Spread = Readonly<{ min: number; median: number; max: number }>;
/** `ours` and `baseline` in whatever was measured: what was done a second, or milliseconds. */
export type Comparison = Readonly<{ ratio: Spread; ours: Spread; baseline: Spread }>;

const rounded = (value: number): number => Number(value.toPrecision(4));
export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (place: number): number => sorted[place] ?? NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    min: rounded(at(0)),
    median: rounded((at(Math.floor(middle)) + at(Math.ceil(middle))) / 2),
    max: rounded(at(sorted.length - 1)),
  };
};

/** Both functions answer in the same measure; the ratio is that of `ours` to `baseline`. */
export const inTurn = async (
  rounds: number,
  ours: () => Promise<number>,
  baseline: () => Promise<number>,
): Promise<Comparison> => {
  const a: number[] = [];
  const b: number[] = [];
  for (let round = 0; round < rounds; round++) {
    b.push(await baseline());
    a.push(await ours());
  }
  return {
    ratio: spreadOf(a.map((value, round) => value / (b[round] ?? NaN))),
    ours: spreadOf(a),
    baseline: spreadOf(b),
  };
};

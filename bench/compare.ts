/**
 * Two ways to do the same, measured in turn: A B A B, so that what the machine does meanwhile falls on both.
 */

/** Of all rounds. */
export type Spread = Readonly<{ min: number; median: number; max: number }>;
export type Comparison = Readonly<{ ratio: Spread; perSecond: Spread; baselinePerSecond: Spread }>;

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

/** Both functions answer what they did a second; a ratio above 1 means that `ours` did more. */
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
    perSecond: spreadOf(a),
    baselinePerSecond: spreadOf(b),
  };
};

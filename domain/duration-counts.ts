/**
 * Durations counted in logarithmic buckets, so that counts of many days can be added up and still tell a
 * median.
 */

/** How many durations fell into each bucket. */
export type DurationCounts = Readonly<Record<number, number>>;

/**
 * Each bucket reaches 5% further than the one before; a duration read from it is thus off by 2.5% at most.
 */
const GROWTH = Math.log(1.05);

/** Bucket 0 holds what took less than 1 ms. */
export const bucketOf = (ms: number): number => (ms < 1 ? 0 : 1 + Math.floor(Math.log(ms) / GROWTH));
/** The middle (geometric mean) of a bucket, in whole milliseconds. */
const middleMs = (bucket: number): number =>
  bucket === 0 ? 0 : Math.round(Math.exp(GROWTH * (bucket - 0.5)));

export const counted = (counts: DurationCounts, ms: number): DurationCounts => {
  const bucket = bucketOf(ms);
  return { ...counts, [bucket]: (counts[bucket] ?? 0) + 1 };
};
export const addedUp = (many: Iterable<DurationCounts>): DurationCounts => {
  const sum: Record<number, number> = {};
  for (const counts of many)
    for (const [bucket, count] of Object.entries(counts))
      sum[Number(bucket)] = (sum[Number(bucket)] ?? 0) + count;
  return sum;
};

/** The duration (ms) that half of them did not pass; null when nothing was counted. */
export const medianMs = (counts: DurationCounts): number | null => {
  const buckets = Object.entries(counts)
    .map(([bucket, count]) => [Number(bucket), count] as const)
    .sort(([a], [b]) => a - b);
  const all = buckets.reduce((sum, [, count]) => sum + count, 0);
  let passed = 0;
  for (const [bucket, count] of buckets) {
    passed += count;
    if (passed * 2 >= all) return middleMs(bucket);
  }
  return null;
};

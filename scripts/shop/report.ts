/** What came of the orders that were played. */
import type { Played } from './play.ts';

export type Percentiles = Readonly<{ p50: number; p95: number; p99: number; max: number }>;

/** Nearest rank; null when there is nothing to rank. */
export const percentiles = (valuesMs: readonly number[]): Percentiles | null => {
  if (valuesMs.length === 0) return null;
  const sorted = valuesMs.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
};

export const reportOf = ({ latenciesMs, confirmationsMs, ...counts }: Played) => ({
  ...counts,
  successRate: counts.orders === 0 ? 1 : counts.acknowledged / counts.orders,
  latencyMs: percentiles(latenciesMs),
  confirmedMs: percentiles(confirmationsMs),
});
export type Report = ReturnType<typeof reportOf>;

const spread = (values: Percentiles | null): string =>
  values
    ? `p50 ${values.p50} ms, p95 ${values.p95} ms, p99 ${values.p99} ms, at most ${values.max} ms`
    : 'nothing to measure';

export const reportLines = (report: Report): readonly string[] => [
  `${report.orders} orders in ${report.seconds.toFixed(1)} s: ${report.acknowledged} acknowledged, ${report.failed} failed (${(report.successRate * 100).toFixed(2)}% success)`,
  `checkout: ${spread(report.latencyMs)}; ${report.late} began late`,
  `confirmed after: ${spread(report.confirmedMs)}`,
  `${report.confirmed} confirmed, ${report.cancelled} cancelled, ${report.notYet} not yet`,
];

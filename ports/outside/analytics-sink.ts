/**
 * One thing that happened to an order, flat, without personal data. `factId` is the same when the fact is
 * written again; `at`: ISO 8601, UTC. Further fields are named as the event's are (`amountMinor`, `sku`).
 */
export type OrderFact = Readonly<{ factId: string; at: string; type: string; orderId: string }> &
  Readonly<Record<string, string | number | boolean | null>>;

/** Where order facts go for analysis: at least once, so that readers take each `factId` once. */
export interface AnalyticsSink {
  /** Resolves when the sink has the fact; throws OutsideError. */
  write(fact: OrderFact): Promise<void>;
  /** Resolves when what was being written has ended. */
  close(): Promise<void>;
}

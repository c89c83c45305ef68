import type { AnalyticsSink, OrderFact } from '../../ports/outside/analytics-sink.ts';

/** Keeps what was written, each fact once. */
export const memorySink = (): AnalyticsSink & Readonly<{ facts: ReadonlyMap<string, OrderFact> }> => {
  const facts = new Map<string, OrderFact>();
  return {
    facts,
    write: async (fact) => void facts.set(fact.factId, fact),
    close: async () => undefined,
  };
};

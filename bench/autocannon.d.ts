/** What the benchmark uses of autocannon, which ships no types. */
declare module 'autocannon' {
  type Headers = Readonly<Record<string, string>>;
  type Outgoing = Readonly<{ method: string; path: string; headers: Headers; body: string | Buffer }>;
  type Options = Readonly<{
    url: string;
    connections: number;
    /** Seconds. */
    duration?: number;
    /** Milliseconds between looks at what was done, and at whether it is all. */
    sampleInt?: number;
    /** Requests instead of a duration. */
    amount?: number;
    /** `setupRequest` is asked before each request but a connection's first. */
    requests: readonly Readonly<{
      method: 'POST';
      path: string;
      setupRequest(request: Outgoing): Outgoing;
    }>[];
  }>;
  /** `duration`: seconds. `latency`: milliseconds. */
  type Result = Readonly<{
    duration: number;
    errors: number;
    timeouts: number;
    statusCodeStats: Readonly<Record<string, Readonly<{ count: number }>>>;
    latency: Readonly<{ p50: number; p99: number }>;
  }>;
  export default function autocannon(options: Options): Promise<Result>;
}

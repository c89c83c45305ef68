/** What becomes of orders, as it is known: told of changes of the view order-status, read by each reader at its own pace. */
import type { Position } from '../domain/kernel.ts';
import type { OrderStatusRow } from '../projections/order-status.ts';
import type { Row } from '../ports/read-store.ts';
import type { Clock } from '../ports/system.ts';
import { rest } from '../runtime/wake.ts';
import { createSeats, type Seat } from './seats.ts';
import type { ViewChanges } from '../runtime/view/changes.ts';
import { ViewUnavailable, type ViewReader } from '../runtime/view/read.ts';

/** `quiet`: nothing has happened for a while; time to show that the stream is alive. */
export type LiveItem = OrderStatusRow | 'quiet';

export interface Live {
  /** Undefined when the client, or all of them together, have as many streams as they may have. */
  seat(client: string): Seat | undefined;
  /** The order's row whenever it is newer than revision `after` (-1: at once). */
  order(orderId: string, after: number, signal: AbortSignal): AsyncGenerator<LiveItem>;
  /**
   * Rows that changed behind position `after` (undefined: from now on), of one customer or of all, each in
   * its latest state, in the order of change.
   */
  orders(
    customerId: string | undefined,
    after: Position | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<LiveItem>;
  /** Ends every stream. */
  close(): void;
}

/**
 * `quietMs`: between two signs of life; `mostMs`: a stream ends by then, so that its client comes back and is
 * asked who it is.
 */
export type LiveOptions = Readonly<{
  changes: ViewChanges;
  orderStatus: ViewReader<OrderStatusRow>;
  clock: Clock;
  streams?: number;
  streamsPerClient?: number;
  quietMs?: number;
  mostMs?: number;
}>;

const PAGE = 50;
const VIEW = 'order-status';

/**
 * Nothing is kept for a reader that is slow: it is woken, reads from the view what is newer than what it has
 * sent, and so sees an order's latest state, perhaps without those between.
 */
export const createLive = ({
  changes,
  orderStatus,
  clock,
  streams = 1_000,
  streamsPerClient = 20,
  quietMs = 15_000,
  mostMs = 1_800_000,
}: LiveOptions): Live => {
  const closing = new AbortController();
  const seats = createSeats(streams);

  /** Asks `read` for what is new, again whenever the listener is rung, until the stream is to end. */
  async function* listen(
    subscribe: (ring: () => void) => () => void,
    signal: AbortSignal,
    read: () => AsyncIterable<OrderStatusRow>,
  ): AsyncGenerator<LiveItem> {
    const ending = AbortSignal.any([signal, closing.signal]);
    // A change while it reads cuts the next rest.
    const resting = rest(clock);
    ending.addEventListener('abort', resting.poke, { once: true });
    const stop = subscribe(resting.poke);
    const endsMs = clock.now().getTime() + mostMs;
    try {
      while (!ending.aborted && clock.now().getTime() < endsMs) {
        try {
          for await (const row of read()) {
            yield row;
            if (ending.aborted) return;
          }
        } catch (error) {
          if (!(error instanceof ViewUnavailable)) throw error;
        }
        if ((await resting.sleep(quietMs)) === 'rested' && !ending.aborted) yield 'quiet';
      }
    } finally {
      stop();
    }
  }

  return {
    seat: (client) => (closing.signal.aborted ? undefined : seats.take([client, streamsPerClient])),

    order(orderId, after, signal) {
      let sent = after;
      return listen(
        (ring) => changes.ofRow(VIEW, orderId, ring),
        signal,
        async function* () {
          const row = await orderStatus.get(orderId);
          if (row === undefined || row.state.revision <= sent) return;
          sent = row.state.revision;
          yield row;
        },
      );
    },

    orders(customerId, after, signal) {
      const [index, prefix] =
        customerId === undefined ? (['changed', []] as const) : (['customer-changed', [customerId]] as const);
      let from: string | undefined = after;
      const concerns = (row: Row | undefined): boolean =>
        customerId === undefined || row === undefined || row.columns.customerId === customerId;
      const subscribe = (ring: () => void): (() => void) =>
        changes.ofView(VIEW, (row) => {
          if (concerns(row)) ring();
        });
      return listen(subscribe, signal, async function* () {
        if (from === undefined) {
          const {
            rows: [newest],
          } = await orderStatus.find({ index, prefix, limit: 1, descending: true });
          from = newest?.doc.position ?? '';
          return;
        }
        for (let more = true; more;) {
          // A row that changes meanwhile moves to the end, where it is met again: none is missed.
          const { rows, next } = await orderStatus.find({ index, prefix, limit: PAGE, from });
          for (const { doc } of rows) {
            if (doc.position <= from) continue;
            from = doc.position;
            yield doc;
          }
          more = next !== null;
        }
      });
    },

    close: () => closing.abort(),
  };
};
